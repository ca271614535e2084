"""What a server takes without doing much: resident memory, idle and under 64 large uploads, and its start-up time."""

from __future__ import annotations

import statistics
import threading
import time
from functools import partial

from bench import signing
from bench.client import MIB, Connection, body, in_streams
from bench.servers import Running, new_folder, ours, start_ours
from bench.table import Row
from bench.transfers import make_bucket

_IDLE_LIMIT, _UPLOAD_LIMIT = 250, 1024  # MiB
_START_LIMIT = 3.0  # seconds


class PeakMemory:
    """The highest sum of resident memory, looked at 20 times a second."""

    def __init__(self, server: Running) -> None:
        self.peak = 0
        self._server = server
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            self.peak = max(self.peak, self._server.resident())


def _row(work: str, used: float, limit: int, detail: str = "") -> Row:
    return Row(work, f"{used:.0f} MiB", budget=f"≤ {limit} MiB", is_met=used <= limit, detail=detail)


def memory_rows() -> list[Row]:
    with ours(workers=2) as server:
        time.sleep(2)
        idle = server.resident() / MIB
        make_bucket(server)
        jobs = [[partial(Connection.put, key=f"upload/{number}", body=body(64))] for number in range(64)]
        with PeakMemory(server) as memory:
            seconds = in_streams(server.port, jobs)
        rate = 64 * 64 * MIB / seconds / 1e6
        return [
            _row("resident memory, 2 workers, idle", idle, _IDLE_LIMIT, f"{len(server.tree())} processes"),
            _row("resident memory, 64 uploads of 64 MiB", memory.peak / MIB, _UPLOAD_LIMIT, f"{rate:.0f} MB/s"),
        ]


def start_seconds() -> float:
    """From the command on an empty folder to the first answer to a signed request."""
    with new_folder() as folder:
        started = time.perf_counter()
        server = start_ours(folder, workers=2)
        try:
            connection = Connection(server.port)
            connection.exchange(signing.Signer().head("GET", "/"))
            elapsed = time.perf_counter() - started
            connection.close()
            return elapsed
        finally:
            server.stop()
            assert server.process.stdout is not None
            server.process.stdout.close()


def start_row(times: int) -> Row:
    seconds = statistics.median(start_seconds() for _ in range(times))
    is_met = seconds <= _START_LIMIT
    return Row("start-up to first answer", f"{seconds:.2f} s", budget=f"≤ {_START_LIMIT:.0f} s", is_met=is_met)
