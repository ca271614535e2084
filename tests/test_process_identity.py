"""A process has a name never used before, a lock as long as it lives, and heartbeats that say what changed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from sqlalchemy import select, update

from s3gw import process_identity
from s3gw.content.filesystem import FilesystemStore
from s3gw.content.read_pins import ReadPins
from s3gw.disks.reserve import Reserve
from s3gw.metadata import pins as published_pins
from s3gw.metadata import processes, schema
from s3gw.metadata.database import Connection, Database, DatabaseUnavailable
from s3gw.metadata.processes import Process
from s3gw.process_identity import Heart, lock_folder, mark_dead_processes, open_process_identity, remove_lock
from tests.disks.small_disks import small_disk

pytestmark = pytest.mark.anyio

_HOLD = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX); print(flush=True); input()"


@pytest.fixture
def pins() -> ReadPins:
    return ReadPins()


@pytest.fixture(autouse=True)
def _slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wants beats makes them."""
    monkeypatch.setattr(process_identity, "BEAT", 3600)


async def known(database: Database) -> dict[str, Process]:
    found = await database.read(processes.list_processes)
    return {process.name: process for process in found}


@pytest.fixture
def held(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The lock of `other`, held by another process that can be killed."""
    lock_folder(tmp_path).mkdir()
    lock = lock_folder(tmp_path) / "other.lock"
    lock.touch()
    command = [sys.executable, "-c", _HOLD, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        yield holder
        holder.kill()


async def register(database: Database, name: str = "other", silent: bool = False) -> None:
    def steps(conn: Connection) -> None:
        processes.register(conn, name, "worker", "there", 1)
        if silent:
            conn.execute(update(schema.processes).where(schema.processes.c.name == name).values(heartbeat_at=1))

    await database.write(steps)


async def test_each_process_has_a_name_of_its_own_that_a_location_may_begin_with(
    database: Database, tmp_path: Path, pins: ReadPins
) -> None:
    names = []
    for _ in range(2):
        async with open_process_identity(database, tmp_path, "worker", pins) as alive:
            names.append(alive.name)
            process = (await known(database))[alive.name]
            assert (process.role, process.pid, process.is_dead) == ("worker", os.getpid(), 0)
            FilesystemStore(tmp_path / "blobs").create(f"{alive.name}-00000001").discard()
    assert names[0] < names[1]
    assert [process.is_dead for process in (await known(database)).values()] == [1, 1]


async def test_who_lives_is_not_buried(database: Database, tmp_path: Path, pins: ReadPins) -> None:
    async with open_process_identity(database, tmp_path, "worker", pins) as alive:
        await database.write(lambda conn: conn.execute(update(schema.processes).values(heartbeat_at=1)) and None)
        assert await mark_dead_processes(database, tmp_path) == []  # its lock counts, not its silence
        assert not (await known(database))[alive.name].is_dead


async def test_who_was_killed_is_buried_at_once(
    database: Database, tmp_path: Path, held: subprocess.Popen[str]
) -> None:
    await register(database, silent=True)
    assert await mark_dead_processes(database, tmp_path) == []
    held.kill()
    held.wait()
    assert [process.name for process in await mark_dead_processes(database, tmp_path)] == ["other"]
    assert [process.name for process in await mark_dead_processes(database, tmp_path)] == ["other"]
    assert (await known(database))["other"].is_dead
    remove_lock(tmp_path, "other")
    remove_lock(tmp_path, "other")
    assert list(lock_folder(tmp_path).iterdir()) == []


async def test_another_machine_is_taken_for_dead_only_after_a_minute_of_silence(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert process_identity._SILENCE == 60
    await register(database, "talks")
    await register(database, "silent", silent=True)
    assert await mark_dead_processes(database, tmp_path) == []  # only now it listens
    monkeypatch.setattr(process_identity, "_SILENCE", 0.05)
    await asyncio.sleep(0.1)
    await database.write(processes.heartbeat, "talks", 0)
    assert [process.name for process in await mark_dead_processes(database, tmp_path)] == ["silent"]
    assert not (await known(database))["talks"].is_dead


async def test_a_heart_publishes_the_epoch_of_the_oldest_open_read(
    database: Database, tmp_path: Path, pins: ReadPins
) -> None:
    async with open_process_identity(database, tmp_path, "worker", pins) as alive:
        heart = Heart(database, alive.name, pins)
        pin = pins.open()
        await database.write(processes.end_epoch)
        assert await heart.beat()
        assert pins.epoch == 1
        assert (await known(database))[alive.name].oldest_open == 0
        later = pins.open()
        pin.close()
        await database.write(processes.end_epoch)
        assert await heart.beat()
        assert (await known(database))[alive.name].oldest_open == 1
        later.close()
        assert await heart.beat()
        assert (await known(database))[alive.name].oldest_open == 2


async def test_a_process_begins_in_the_present_epoch(database: Database, tmp_path: Path, pins: ReadPins) -> None:
    for _ in range(3):
        await database.write(processes.end_epoch)
    async with open_process_identity(database, tmp_path, "worker", pins) as alive:
        assert pins.epoch == (await known(database))[alive.name].oldest_open == 3


async def test_a_heart_at_rest_writes_only_now_and_then(
    database: Database, tmp_path: Path, pins: ReadPins, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    async with open_process_identity(database, tmp_path, "worker", pins) as alive:
        write = database.write

        async def count(fn: Any, *args: Any, **kwargs: Any) -> Any:
            written.append(fn)
            return await write(fn, *args, **kwargs)

        monkeypatch.setattr(database, "write", count)
        heart = Heart(database, alive.name, pins)
        open_pin = pins.open()
        for _ in range(5):
            assert await heart.beat()
        assert written == []
        monkeypatch.setattr(process_identity, "_REST", 0.0)
        assert await heart.beat()
        assert written == [processes.heartbeat]
        open_pin.close()


async def test_a_process_that_was_declared_dead_hears_of_it_and_stops(
    database: Database, tmp_path: Path, pins: ReadPins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_identity, "BEAT", 0.01)
    died = asyncio.Event()
    async with open_process_identity(database, tmp_path, "worker", pins, died.set) as alive:
        await asyncio.sleep(0.05)
        assert not died.is_set()
        await database.write(processes.mark_dead, alive.name)
        await asyncio.wait_for(died.wait(), 20)
        await database.write(processes.forget, alive.name)
        assert not await Heart(database, alive.name, pins).beat()


async def test_a_heart_outlives_a_database_that_is_away(
    database: Database, tmp_path: Path, pins: ReadPins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_identity, "BEAT", 0.01)
    outcomes, beaten = iter([DatabaseUnavailable("away")]), asyncio.Event()

    async def beat(self: Heart) -> bool:
        for outcome in outcomes:
            raise outcome
        beaten.set()
        return True

    monkeypatch.setattr(Heart, "beat", beat)
    async with open_process_identity(database, tmp_path, "worker", pins):
        await asyncio.wait_for(beaten.wait(), 20)


async def test_who_can_not_say_goodbye_lets_go_of_the_lock(
    database: Database, tmp_path: Path, pins: ReadPins, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(conn: Connection, name: str) -> bool:
        raise DatabaseUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(processes, "mark_dead", refuse)
        async with open_process_identity(database, tmp_path, "worker", pins) as alive:
            pass
    assert [process.name for process in await mark_dead_processes(database, tmp_path)] == [alive.name]


async def test_who_can_not_register_lets_go_of_the_lock(
    database: Database, tmp_path: Path, pins: ReadPins, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> int:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(processes, "register", refuse)
    with pytest.raises(DatabaseUnavailable):
        async with open_process_identity(database, tmp_path, "worker", pins):
            pass
    (lock,) = lock_folder(tmp_path).iterdir()
    assert process_identity._holds_its_lock(tmp_path, lock.stem) is False


async def test_what_lasting_pins_need_is_published_before_their_epoch_is_let_go(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lasting, written = ReadPins(lasting=0), []
    async with open_process_identity(database, tmp_path, "worker", lasting) as alive:
        heart, write = Heart(database, alive.name, lasting), database.write

        async def record(fn: Any, *args: Any, **kwargs: Any) -> Any:
            written.append((fn, *args[1:]))
            return await write(fn, *args, **kwargs)

        monkeypatch.setattr(database, "write", record)
        read, upload = lasting.open(), lasting.open()
        read.keep_content(7)
        upload.keep_blob(b"digest")
        await write(processes.end_epoch)
        assert await heart.beat()
        publish, beat = (published_pins.publish, {7}, {b"digest"}), (processes.heartbeat, 1, ANY)
        assert written == [publish, beat]
        assert await heart.beat()
        assert written == [publish, beat]
        read.close()
        assert await heart.beat()
        assert written[2:] == [(published_pins.withdraw, {7}, set())]
        upload.close()


async def test_many_pins_are_published_in_batches(database: Database, tmp_path: Path) -> None:
    lasting = ReadPins(lasting=0)
    async with open_process_identity(database, tmp_path, "worker", lasting) as alive:
        heart = Heart(database, alive.name, lasting)
        opened = [lasting.open() for _ in range(2 * published_pins.BATCH + 1)]
        for number, pin in enumerate(opened):
            pin.keep_content(number)
        assert await heart.beat()
        assert await database.read(_pinned) == list(range(len(opened)))
        for pin in opened[1:]:
            pin.close()
        assert await heart.beat()
        assert await database.read(_pinned) == [0]


def _pinned(conn: Connection) -> list[int]:
    column = schema.content_pins.c.content_id
    return list(conn.execute(select(column).order_by(column)).scalars())


async def test_a_process_is_born_on_a_disk_without_inodes_but_for_its_reserve(
    database: Database, tmp_path: Path, pins: ReadPins
) -> None:
    with small_disk(tmp_path / "data", inodes=40) as disk:
        Reserve(disk.folder).fill(0)
        lock_folder(disk.folder).mkdir()
        disk.use_up_inodes()
        async with open_process_identity(database, disk.folder, "worker", pins) as alive:
            assert process_identity._holds_its_lock(disk.folder, alive.name)


async def test_on_a_read_only_disk_a_process_is_known_by_its_heart_alone(
    database: Database, tmp_path: Path, pins: ReadPins
) -> None:
    with small_disk(tmp_path / "data") as disk:
        lock_folder(disk.folder).mkdir()
        disk.remount("ro")
        async with open_process_identity(database, disk.folder, "worker", pins) as alive:
            assert process_identity._holds_its_lock(disk.folder, alive.name) is None
            assert await mark_dead_processes(database, disk.folder) == []
