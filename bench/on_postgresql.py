"""What a request costs where PostgreSQL has the metadata: CPU of both, transactions, and bytes of the log.

    python -m bench.on_postgresql postgresql://… [--workers 1]

The database must be empty. PostgreSQL's CPU is told where it runs on this machine, so nothing else should use it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

import psycopg

from bench.commits import this_commit
from bench.load.generator import Load
from bench.servers import Running, cpu_seconds_of, new_folder, ours, parent_of, wait_until_quiet
from bench.small import Options, Small
from bench.table import render

_REQUESTS = 10_000
_WORK: dict[str, Callable[[Small], Load]] = {
    "GET": lambda small: small.get_once(_REQUESTS),
    "HEAD": lambda small: small.head_once(_REQUESTS),
    "PUT": lambda small: small.put_once(_REQUESTS),
    "DELETE": Small.delete,
}
_TOLD_AFTER = 2.0  # seconds: PostgreSQL's processes tell what they have done once a second at most


class Counters(NamedTuple):
    """From their beginning. `cpu` is seconds of s3gw and of PostgreSQL, None where that runs on another machine."""

    commits: int
    log_bytes: int
    cpu: tuple[float, float | None]


class Engine:
    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        info = self._connection.info
        is_here = info.host.startswith("/") or info.host in ("localhost", "127.0.0.1", "::1")
        self._postmaster = parent_of(info.backend_pid) if is_here else None

    def read(self, server: Running) -> Counters:
        commits = "(SELECT sum(xact_commit)::bigint FROM pg_stat_database)"
        told = self._connection.execute(f"SELECT {commits}, (pg_current_wal_lsn() - '0/0')::bigint").fetchone()
        assert told is not None
        cpu = None if self._postmaster is None else cpu_seconds_of(self._postmaster)
        return Counters(told[0], told[1], (server.cpu_seconds(), cpu))


def _settled(engine: Engine, server: Running) -> Counters:
    """When what follows from changes has been done: it is a part of what they cost."""
    time.sleep(_TOLD_AFTER)
    wait_until_quiet([server])
    return engine.read(server)


def _line(name: str, load: Load, before: Counters, after: Counters) -> list[str]:
    def of_each(more: float) -> float:
        return more / load.requests

    ours, its = (
        "unknown" if end is None or begin is None else f"{of_each(end - begin) * 1e6:.0f} µs"
        for begin, end in zip(before.cpu, after.cpu, strict=True)
    )
    commits, log = of_each(after.commits - before.commits), of_each(after.log_bytes - before.log_bytes)
    return [name, f"{load.rate:.0f}", ours, its, f"{commits:.2f}", f"{log:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what requests cost on PostgreSQL.")
    parser.add_argument("url", metavar="URL")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    engine = Engine(arguments.url)
    lines = []
    with (
        new_folder() as folder,
        ours(workers=arguments.workers, settings={"S3GW_DATABASE_URL": arguments.url}) as server,
    ):
        small = Small(server, Options(objects=2 * _REQUESTS, deletes=_REQUESTS), folder)
        small.fill()
        for name, run in _WORK.items():
            before = _settled(engine, server)
            load = run(small)
            if not load.is_valid:
                raise RuntimeError(f"{name}: {load.describe()}")
            lines.append(_line(name, load, before, _settled(engine, server)))
    header = (this_commit(), "requests/s", "CPU of s3gw", "CPU of PostgreSQL", "transactions", "bytes of its log")
    print(render(header, lines))


if __name__ == "__main__":
    main()
