"""Small requests: GET, HEAD, PUT, a mix, DELETE and LIST of objects of 4 KiB, the same for every server."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bench import signing
from bench.load.generator import Load, median, replay, wrk
from bench.servers import Running

SIZE = 4 << 10
FOLDERS = 1000  # so a listing with a delimiter has a page full of common prefixes
_PREFILL_CLIENTS = 32


@dataclass(frozen=True)
class Options:
    clients: int = 32
    seconds: float = 4.0
    rounds: int = 3
    objects: int = 100_000
    deletes: int = 20_000

    @classmethod
    def quick(cls) -> Options:
        return cls(seconds=2.0, rounds=1, objects=10_000, deletes=4_000)


def key_of(number: int) -> str:
    return f"4k/{number % FOLDERS:03d}/{number:08d}"


class Small:
    """The rows of one server. `fill` comes first, and `delete` last: it takes away what the others read."""

    _numbers = count()

    def __init__(self, server: Running, options: Options, folder: Path) -> None:
        self.server = server
        self.options = options
        self.keys = [key_of(number) for number in range(options.objects)]
        random.Random(3).shuffle(self.keys)
        self._folder = folder
        self._puts = count()

    def fill(self) -> Load:
        """The bucket and its objects, each put once."""
        bucket = self._write([signing.Signer().head("PUT", f"/{signing.BUCKET}")])
        replay(self.server, bucket, 1, 0)
        load = replay(self.server, self._write(signing.puts(self.keys, SIZE)), _PREFILL_CLIENTS, 0)
        if not load.is_valid:
            raise RuntimeError(f"{self.server.name} refused objects of the prefill: {load.describe()}")
        return load

    def get(self) -> Load:
        return self._rounds(wrk, lambda: signing.reads("GET", self.keys))

    def head(self) -> Load:
        return self._rounds(replay, lambda: signing.reads("HEAD", self.keys))

    def put(self) -> Load:
        """Each request has its own key and bytes: as many are signed as the server may reach, by a first, short run."""
        rate = self._one(wrk, self._new_puts(3000), 1).rate
        enough = int(rate * self.options.seconds * 1.6) + 1000
        return self._rounds(wrk, lambda: self._new_puts(enough))

    def put_unchecked(self, enough: int = 20_000) -> Load:
        """For a server that keeps nothing: the same requests again and again do."""
        return self._rounds(wrk, lambda: self._new_puts(enough))

    def mixed(self) -> Load:
        """The number of requests is fixed, so that each DELETE meets an object."""
        few = int(self.options.seconds * 1500)
        rate = self._once(signing.mixed(self.keys, self._prefix(), few, SIZE)).rate
        enough = int(rate * self.options.seconds)
        return median([self._once(signing.mixed(self.keys, self._prefix(), enough, SIZE)) for _ in self._each()])

    def list_flat(self) -> Load:
        starts = [{"start-after": key} for key in self.keys[:500] if key < key_of(FOLDERS * 9 // 10)]
        return self._rounds(wrk, lambda: signing.lists(starts))

    def list_folders(self) -> Load:
        return self._rounds(wrk, lambda: signing.lists([{"prefix": "4k/", "delimiter": "/"}] * 100))

    def delete(self) -> Load:
        return self._once(signing.reads("DELETE", self.keys[: self.options.deletes]))

    # How they are run

    def _rounds(self, run: Callable[..., Load], records: Callable[[], Iterable[bytes]]) -> Load:
        return median([self._one(run, records(), self.options.seconds) for _ in self._each()])

    def _each(self) -> range:
        return range(self.options.rounds)

    def _once(self, records: Iterable[bytes]) -> Load:
        return self._one(replay, records, 0)

    def _one(self, run: Callable[..., Load], records: Iterable[bytes], seconds: float) -> Load:
        file = self._write(records)
        try:
            return run(self.server, file, self.options.clients, seconds)
        finally:
            file.unlink()

    def _new_puts(self, enough: int) -> Iterable[bytes]:
        prefix = self._prefix()
        return signing.puts((f"{prefix}/{number:08d}" for number in range(enough)), SIZE)

    def _prefix(self) -> str:
        return f"put-{next(self._puts)}"

    def _write(self, records: Iterable[bytes]) -> Path:
        path = self._folder / f"{next(self._numbers)}.requests"
        signing.write_records(path, records)
        return path
