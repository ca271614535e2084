"""What large bodies are held against: how fast this machine's MD5, SHA-256 and disk are, measured in the same run."""

from __future__ import annotations

import hashlib
import mmap
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.client import MIB, body
from bench.servers import new_folder
from bench.table import Row

_SIZE = 64 * MIB
_WRITTEN = 256 * MIB
_PIECE = 512 << 10


@dataclass(frozen=True)
class Digests:
    """Over one body of 64 MiB, on one core."""

    md5_rate: float  # MB/s
    cpu: float  # ms of CPU for MD5 and SHA-256


def digests() -> Digests:
    pieces = body(64).pieces()
    md5, sha256 = _digest(hashlib.md5, pieces), _digest(hashlib.sha256, pieces)
    return Digests(_SIZE / md5[0] / 1e6, (md5[1] + sha256[1]) * 1000)


def _digest(algorithm: Callable[[], Any], pieces: Sequence[bytes | memoryview]) -> tuple[float, float]:
    """Seconds, and seconds of CPU: the medians of three."""
    times = []
    for _ in range(3):
        started, cpu_before = time.perf_counter(), time.thread_time()
        digest = algorithm()
        for piece in pieces:
            digest.update(piece)
        times.append((time.perf_counter() - started, time.thread_time() - cpu_before))
    return statistics.median(one[0] for one in times), statistics.median(one[1] for one in times)


@dataclass(frozen=True)
class Disk:
    """MB/s of writes that end with a flush. Direct writes are None where the file system has none."""

    direct: float | None  # 512 KiB at a time, past the page cache, into a file that was preallocated
    direct_of_4: float | None  # the same with four in flight
    buffered: float  # through the page cache, with one flush at the end

    @property
    def best(self) -> float:
        return max(rate for rate in (self.direct, self.direct_of_4, self.buffered) if rate)


def disk() -> Disk:
    """Of the disk that the servers write to, once it has nothing else to write."""
    os.sync()
    with new_folder() as folder:
        return Disk(_direct(folder / "1", 1), _direct(folder / "4", 4), _rate(folder / "buffered", 0, 1))


def _direct(path: Path, in_flight: int) -> float | None:
    try:
        return _rate(path, os.O_DIRECT, in_flight)
    except OSError:
        return None


def _rate(path: Path, flags: int, in_flight: int) -> float:
    with _opened(path, flags) as file, mmap.mmap(-1, _PIECE) as piece, ThreadPoolExecutor(in_flight) as pool:
        piece.write(os.urandom(_PIECE))
        if flags:
            os.posix_fallocate(file, 0, _WRITTEN)

        def write(first: int) -> None:
            for offset in range(first * _PIECE, _WRITTEN, in_flight * _PIECE):
                os.pwrite(file, piece, offset)

        started = time.perf_counter()
        list(pool.map(write, range(in_flight)))
        os.fsync(file)
        return _WRITTEN / (time.perf_counter() - started) / 1e6


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | flags)
    try:
        yield file
    finally:
        os.close(file)
        path.unlink()


def disk_rows(rounds: int) -> list[Row]:
    found = [disk() for _ in range(rounds)]

    def row(work: str, rates: Sequence[float | None]) -> Row:
        known = [rate for rate in rates if rate]
        rate = f"{statistics.median(known):.0f} MB/s" if known else "not possible"
        spread = f"{min(known):.0f}–{max(known):.0f}" if len(known) > 1 else ""
        return Row(f"this disk: {work}", "–", rate, detail=spread)

    return [
        row("direct writes of 512 KiB, 1 in flight", [one.direct for one in found]),
        row("direct writes of 512 KiB, 4 in flight", [one.direct_of_4 for one in found]),
        row("buffered writes, a flush at the end", [one.buffered for one in found]),
    ]
