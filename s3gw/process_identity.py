"""This process's identity: a name that no other process ever had, a lock that lives as long as it does, a heartbeat.

Locations of blobs begin with the name. The lock tells on one machine whether the process lives, the heartbeat tells it
in a cluster; each beat publishes the epoch of the oldest pin, and what the lasting ones need (content/read_pins.py). A
process that was declared dead must stop: what it writes may be swept away. In a cluster it stops by itself before that
(lease.py).
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
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from s3gw.busy import requests
from s3gw.content.read_pins import Needs, ReadPins, needs_of
from s3gw.disks.faults import is_read_only
from s3gw.disks.reserve import spending
from s3gw.lease import Lease
from s3gw.lease import now as lease_now
from s3gw.metadata import pins, processes, revision
from s3gw.metadata.database import Connection, Database, DatabaseUnavailable
from s3gw.metadata.processes import Load, Process

BEAT = 2.0  # seconds
_REST = 15.0  # seconds after which a beat is written although nothing has changed
_SILENCE = 60.0  # seconds after which a process of another machine is taken for dead; a lease is shorter
_BURIAL = 5.0  # seconds that a process tries to note that it is dead before it ends
_LAST_WORDS = 1.0  # seconds that a process has, once it is declared dead, to refuse what is at its end
# Microseconds by which this machine's clock may differ from the database's: what signatures allow, less some for the
# client's clock.
CLOCK_LIMIT = 600_000_000
_logger = logging.getLogger("s3gw.process_identity")


@dataclass(slots=True)
class Clock:
    """This machine's, beside the database's: by how many microseconds it is `ahead`, and whether another machine's is
    right by the database's, if this one isn't. On the event loop only.
    """

    ahead: int = 0
    others_agree: bool = False

    @property
    def is_wrong(self) -> bool:
        """Where no other machine says so it may be the database's that is wrong."""
        return self.differs and self.others_agree

    @property
    def differs(self) -> bool:
        return abs(self.ahead) >= CLOCK_LIMIT


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """`numbers`: of the files that it makes, as long as its lease lasts."""

    name: str
    numbers: Lease = field(default_factory=lambda: Lease(lasts_for_ever=True), compare=False)
    clock: Clock = field(default_factory=Clock, compare=False)


def _new_name() -> str:
    return f"{time.time_ns() // 1000:014x}{secrets.token_hex(6)}"


def lock_folder(data: Path) -> Path:
    return data / "processes"


def _lock_file(data: Path, name: str) -> Path:
    return lock_folder(data) / f"{name}.lock"


@asynccontextmanager
async def open_process_identity(
    database: Database, data: Path, role: str, read_pins: ReadPins, on_death: Callable[[], None] = lambda: os._exit(1)
) -> AsyncIterator[ProcessIdentity]:
    """Take a new name, lock it, and beat. `on_death` is called when another process declares this one dead."""
    name = _new_name()
    if database.is_read_only:  # nobody can release or remove anything that is read here
        yield ProcessIdentity(name)
        return
    lock_folder(data).mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = _make_lock(data, name)
    try:
        # The processes of one SQLite database are all on one machine, where a lock tells that they live.
        lease = Lease(lasts_for_ever=database.dialect == "sqlite")
        read_pins.epoch = await database.write(processes.register, name, role, socket.gethostname(), os.getpid())
        heart = Heart(database, name, read_pins, lease)
        if database.dialect == "postgresql":  # another machine's clock, perhaps
            await heart.compare_clocks(await database.read(processes.clock_ahead))
        beating = asyncio.create_task(heart.beat_until_death(on_death))
        try:
            yield ProcessIdentity(name, lease, heart.clock)
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            try:
                await database.write(processes.mark_dead, name)
            except DatabaseUnavailable:
                pass  # the freed lock shows it too
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _make_lock(data: Path, name: str) -> int | None:
    """None on a read-only disk: there the heartbeat alone tells that the process lives."""
    if is_read_only(data):
        return None
    flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
    descriptor = spending(data, lambda: os.open(_lock_file(data, name), flags, 0o600))
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


class Heart:
    """Reads the epoch at each beat, but writes only when something has changed, or nothing was written for a while.

    A commit costs a flush of the disk. An idle store therefore rests: the epoch stands still while nothing is released.
    """

    def __init__(self, database: Database, name: str, read_pins: ReadPins, lease: Lease | None = None) -> None:
        self._database, self._name, self._pins = database, name, read_pins
        self._lease = lease or Lease()
        self.clock = Clock()
        self._published, self._published_at = read_pins.epoch, time.monotonic()
        self._counted, self._counted_at = requests.ended, time.monotonic()
        # What the database holds of us for certain; and what it may hold, because the outcome of a write is unknown.
        self._stored = self._may_be_stored = Needs()
        self._too_old: str | None = None

    async def beat_until_death(self, on_death: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(BEAT)
            try:
                if not await self.beat():
                    await self._die()
                    on_death()
                    return
            except DatabaseUnavailable as error:
                _logger.warning("no heartbeat: %s", error)

    async def _die(self) -> None:
        """Begin no file any more, let commits that are at their end hear that they are refused, and have what was
        written since the sweep removed by the next one: that this process is dead may have been forgotten.
        """
        self._lease.end(self._too_old is not None)
        _logger.error(self._too_old or "this process was declared dead and stops")
        await asyncio.sleep(_LAST_WORDS)
        with suppress(DatabaseUnavailable, TimeoutError):
            async with asyncio.timeout(_BURIAL):
                await self._database.write(processes.bury, self._name, socket.gethostname(), os.getpid())

    async def beat(self) -> bool:
        """False: this process was declared dead, or is too old for what became of the schema."""
        self._pins.epoch, lives, self._too_old = await self._database.read(_look, self._name)
        if self._too_old is not None or not lives or not await self._publish_needs():
            return False
        oldest, at = self._pins.oldest(), time.monotonic()
        if oldest != self._published or at - self._published_at >= _REST:
            # Taken before the write is queued: whatever begins meanwhile begins in no earlier epoch.
            since = lease_now()
            load = Load(requests.open, requests.ended - self._counted, int((at - self._counted_at) * 1_000_000))
            ahead = await self._database.write(processes.heartbeat, self._name, oldest, load)
            self._published, self._published_at = oldest, at
            self._counted, self._counted_at = self._counted + load.ended, at
            if ahead is None:
                return False
            self._lease.renew(since)
            await self.compare_clocks(ahead)
        await self._withdraw_needs()
        return True

    async def compare_clocks(self, ahead: int) -> None:
        differed, self.clock.ahead = self.clock.differs, ahead
        if self.clock.differs:
            host = socket.gethostname()
            self.clock.others_agree = await self._database.read(processes.others_agree, host, CLOCK_LIMIT)
        if self.clock.differs != differed:
            _logger.log(
                logging.ERROR if self.clock.differs else logging.INFO,
                "this machine's clock is %.0f s ahead of the database's: %s",
                ahead / 1_000_000,
                "signed requests are refused where it is wrong" if self.clock.differs else "it is right again",
            )

    async def _publish_needs(self) -> bool:
        """Publish what the lasting pins need; only then do their epochs no longer count. False: declared dead."""
        lasting = self._pins.lasting()
        for batch in needs_of(lasting).without(self._stored).batches(pins.BATCH):
            self._may_be_stored = self._may_be_stored.with_all(batch)
            if not await self._database.write(pins.publish, self._name, batch.contents, batch.blobs):
                return False
            self._stored = self._stored.with_all(batch)
        for pin in lasting:
            pin.is_published = True
        return True

    async def _withdraw_needs(self) -> None:
        for batch in self._may_be_stored.without(needs_of(self._pins.lasting())).batches(pins.BATCH):
            self._stored = self._stored.without(batch)
            await self._database.write(pins.withdraw, self._name, batch.contents, batch.blobs)
            self._may_be_stored = self._may_be_stored.without(batch)


def _look(conn: Connection, name: str) -> tuple[int, bool, str | None]:
    """The epoch, whether the process counts as alive, and why its program may not go on."""
    return *processes.look(conn, name), revision.refusal(conn)


class _Silences:
    """How long the heart of each process hasn't beaten, as this one sees it. On the event loop only.

    By the monotonic clock: when the database's is set forward, every heartbeat looks old, and all would declare
    all others dead.
    """

    def __init__(self) -> None:
        self._heard: dict[str, tuple[int, float]] = {}  # the last beat, and when it was seen first

    def note(self, known: list[Process]) -> dict[str, float]:
        """Seconds of each."""
        at = time.monotonic()
        before, self._heard = self._heard, {}
        for process in known:
            beat, since = before.get(process.name, (None, at))
            self._heard[process.name] = process.heartbeat_at, since if beat == process.heartbeat_at else at
        return {name: at - since for name, (_, since) in self._heard.items()}


_silences = _Silences()


async def mark_dead_processes(database: Database, data: Path) -> list[Process]:
    """Mark the processes that died without marking themselves; return all dead ones, for the sweep."""
    known = await database.scan(processes.list_processes)
    silences = _silences.note(known)
    dead = [process for process in known if process.is_dead]
    for process in known:
        if not process.is_dead:
            lives = _holds_its_lock(data, process.name)
            is_silent = lives is None and silences[process.name] >= _SILENCE
            last_beat = process.heartbeat_at if lives is None else None
            if (lives is False or is_silent) and await database.write(processes.mark_dead, process.name, last_beat):
                dead.append(process)
    return dead


def _holds_its_lock(data: Path, name: str) -> bool | None:
    """None: its lock isn't in this data folder, so it runs on another machine."""
    try:
        descriptor = os.open(_lock_file(data, name), os.O_RDONLY | os.O_CLOEXEC)
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
    """Of a dead process that has left no files."""
    _lock_file(data, name).unlink(missing_ok=True)
