"""This process's identity: a name that no other process ever had, a lock that lives as long as it does, a heartbeat.

Locations of blobs begin with the name. The lock tells on one machine whether the process lives, the heartbeat tells it
in a cluster; each beat publishes how old the oldest open read is. A process that was declared dead must stop: what it
writes may be swept away.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from s3gw.blobs.open_reads import OpenReads
from s3gw.metadata import processes
from s3gw.metadata.database import Connection, Database, DatabaseUnavailable, now
from s3gw.metadata.processes import Process

BEAT = 2.0  # seconds
_SILENCE = 60_000_000  # microseconds after which a process of another machine is taken for dead
_logger = logging.getLogger("s3gw.incarnation")


@dataclass(frozen=True, slots=True)
class Incarnation:
    name: str


def _new_name() -> str:
    return f"{time.time_ns() // 1000:014x}{secrets.token_hex(6)}"


def lock_folder(data: Path) -> Path:
    return data / "processes"


def _lock_file(data: Path, name: str) -> Path:
    return lock_folder(data) / f"{name}.lock"


@asynccontextmanager
async def open_incarnation(
    database: Database,
    data: Path,
    role: str,
    open_reads: OpenReads,
    on_death: Callable[[], None] = lambda: os._exit(1),
) -> AsyncIterator[Incarnation]:
    """Live as a new incarnation. `on_death` is called when another process has declared this one dead."""
    name = _new_name()
    lock_folder(data).mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(_lock_file(data, name), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    await database.write(processes.register, name, role, socket.gethostname(), os.getpid())
    beating = asyncio.create_task(_beat(database, name, open_reads, on_death))
    try:
        yield Incarnation(name)
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        try:
            await database.write(processes.mark_dead, name)
        except DatabaseUnavailable:
            pass  # the lock says it too
        os.close(descriptor)


async def _beat(database: Database, name: str, open_reads: OpenReads, on_death: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(BEAT)
        try:
            # The moment is taken before the beat is queued: whatever begins meanwhile begins later.
            if not await database.write(processes.heartbeat, name, open_reads.oldest()):
                _logger.error("this process was declared dead and stops")
                on_death()
                return
        except DatabaseUnavailable as error:
            _logger.warning("no heartbeat: %s", error)


def bury_the_dead(conn: Connection, data: Path) -> list[Process]:
    """Declare dead whoever died without a word; gives all that are dead by now, for the sweep."""
    at = now(conn)
    for process in processes.list_processes(conn):
        if process.is_dead:
            continue
        lives = _holds_its_lock(data, process.incarnation)
        if lives is False:
            processes.mark_dead(conn, process.incarnation)
        elif lives is None and process.heartbeat_at < at - _SILENCE:
            processes.mark_dead(conn, process.incarnation, silent_since=at - _SILENCE)
    return [process for process in processes.list_processes(conn) if process.is_dead]


def _holds_its_lock(data: Path, name: str) -> bool | None:
    """None: its lock isn't in this data folder, so it runs on another machine."""
    try:
        descriptor = os.open(_lock_file(data, name), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def remove_lock(data: Path, name: str) -> None:
    """Of a dead process of which nothing is left."""
    _lock_file(data, name).unlink(missing_ok=True)
