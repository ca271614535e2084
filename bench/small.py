"""Small requests: GET, HEAD, PUT, a mix, DELETE and LIST of objects of 4 KiB, the same for every server."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bench import keys, signing
from bench.load.generator import Load, median, replay
from bench.servers import Running

SIZE = 4 << 10
_READ = 50_000  # of the objects are read, in no order: signing more takes longer than reading them


@dataclass(frozen=True)
class Options:
    clients: int = 32
    seconds: float = 4.0
    rounds: int = 3
    objects: int = 100_000
    deletes: int = 20_000
    bodies: int = 16  # of 64 MiB in each round

    @classmethod
    def quick(cls) -> Options:
        return cls(seconds=2.0, rounds=1, objects=10_000, deletes=4_000, bodies=8)


class Small:
    """The rows of one server. `fill` comes first, and `delete` last: it takes away what the others read."""

    _numbers = count()

    def __init__(self, server: Running, options: Options, folder: Path) -> None:
        self.server = server
        self.options = options
        self.keys = list(keys.spread(options.objects))
        random.Random(3).shuffle(self.keys)
        self._ordered = sorted(self.keys)
        self._folder = folder
        self._runs = count(1)
        self._deleted = 0

    def fill(self) -> Load:
        """The bucket and its objects, each put once."""
        bucket = self._write([signing.Signer().head("PUT", f"/{signing.BUCKET}")])
        replay(self.server, bucket, 1, 0)
        return self.fill_bucket()

    def fill_bucket(self) -> Load:
        load = self._once(signing.puts(self.keys, SIZE))
        if not load.is_valid:
            raise RuntimeError(f"{self.server.name} refused objects of the prefill: {load.describe()}")
        return load

    def get_once(self, count: int) -> Load:
        return self._once(signing.reads("GET", self.keys[:count]))

    def head_once(self, count: int) -> Load:
        return self._once(signing.reads("HEAD", self.keys[:count]))

    def put_once(self, count: int) -> Load:
        return self._once(self._new_puts(count))

    def get(self) -> Load:
        return self._rounds(lambda: signing.reads("GET", self.keys[:_READ]))

    def head(self) -> Load:
        return self._rounds(lambda: signing.reads("HEAD", self.keys[:_READ]))

    def put(self) -> Load:
        """Each request has its own key and bytes: as many are signed as the server may reach, by a first, short run."""
        rate = self._one(self._new_puts(3000), 1).rate
        enough = int(rate * self.options.seconds * 1.6) + 1000
        return self._rounds(lambda: self._new_puts(enough))

    def put_unchecked(self, enough: int = 20_000) -> Load:
        """For a server that keeps nothing: the same requests again and again do."""
        return self._rounds(lambda: self._new_puts(enough))

    def mixed(self) -> Load:
        """The number of requests is fixed, so that each DELETE meets an object."""
        few = int(self.options.seconds * 1500)
        rate = self._once(self._mixture(few)).rate
        enough = int(rate * self.options.seconds)
        return median([self._once(self._mixture(enough)) for _ in self._each()])

    def mixed_for(self, rate: float, seconds: float) -> Path:
        """The file of as many as that takes."""
        return self._write(self._mixture(int(rate * seconds)))

    def list_flat(self) -> Load:
        starts = [{"start-after": key} for key in keys.places(self._ordered)]
        return self._rounds(lambda: signing.lists(starts))

    def list_folders(self) -> Load:
        return self._rounds(lambda: signing.lists([{"prefix": keys.LISTED, "delimiter": "/"}] * 100))

    def delete(self) -> Load:
        """Each time others, that no time before has deleted."""
        first, self._deleted = self._deleted, self._deleted + self.options.deletes
        return self._once(signing.reads("DELETE", self.keys[first : self._deleted]))

    # How they are run

    def _rounds(self, records: Callable[[], Iterable[bytes]]) -> Load:
        return median([self._one(records(), self.options.seconds) for _ in self._each()])

    def _each(self) -> range:
        return range(self.options.rounds)

    def _once(self, records: Iterable[bytes]) -> Load:
        return self._one(records, 0)

    def _one(self, records: Iterable[bytes], seconds: float) -> Load:
        file = self._write(records)
        try:
            return replay(self.server, file, self.options.clients, seconds)
        finally:
            file.unlink()

    def _new_puts(self, enough: int) -> Iterable[bytes]:
        return signing.puts(self._new_keys(enough), SIZE)

    def _mixture(self, enough: int) -> Iterable[bytes]:
        return signing.mixed(self.keys[:_READ], self._new_keys(enough), enough, SIZE)

    def _new_keys(self, enough: int) -> Iterator[str]:
        """Beside those that are there, in the same prefixes."""
        return keys.spread(enough, str(next(self._runs)))

    def _write(self, records: Iterable[bytes]) -> Path:
        path = self._folder / f"{next(self._numbers)}.requests"
        signing.write_records(path, records)
        return path
