"""The job process, run here: what it says to the supervisor and hears of it, and how its work begins and ends."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from s3gw import garbage
from s3gw.config import Settings, load_settings
from s3gw.disks import reserve
from s3gw.jobs import process
from s3gw.jobs.table import KINDS
from s3gw.metadata import jobs
from s3gw.metadata.engines import open_database
from s3gw.processes import messages
from s3gw.processes.first_start import prepare
from tests.disks.small_disks import small_disk

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def beside_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of its own would change what Python does with garbage, and fill a disk's reserve."""
    monkeypatch.setattr(garbage, "begin_to_collect", lambda: None)
    monkeypatch.setattr(reserve, "_SIZE", reserve.FILES * 4096)


@pytest.fixture
def control() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Of the supervisor and of the process."""
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


@asynccontextmanager
async def running(
    settings: Settings, control: tuple[socket.socket, socket.socket]
) -> AsyncIterator[tuple[socket.socket, asyncio.Task[None]]]:
    """From when it has said that it is ready until it has ended; then nothing of it goes on."""
    supervisor, own = control
    before = asyncio.all_tasks()
    task = asyncio.create_task(process.run(settings, own))
    supervisor.settimeout(20)
    assert await asyncio.to_thread(supervisor.recv, 1) == messages.READY
    try:
        yield supervisor, task
        assert await asyncio.wait({task}, timeout=20) == ({task}, set())
        assert task.cancelled() or task.result() is None
    finally:
        asyncio.get_running_loop().remove_reader(own.fileno())
        task.cancel()
    assert asyncio.all_tasks() == before


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_it_works_from_when_it_is_ready_until_it_is_told_to_end(
    tmp_path: Path, control: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3GW_MIN_FREE_SPACE", "1")
    settings = load_settings(data=tmp_path)
    await prepare(settings)
    async with running(settings, control) as (supervisor, task):
        database = open_database(None, tmp_path)
        periodic = {name for name, kind in KINDS.items() if kind.every is not None}
        async with asyncio.timeout(20):
            while not {job.kind for job in await database.read(jobs.list_jobs)} >= periodic:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await database.close()
        await until(lambda: len(list((tmp_path / reserve.FOLDER).glob("[0-9][0-9]"))) == reserve.FILES)
        supervisor.send(messages.GO)  # which was heard before, and means nothing now
        await asyncio.sleep(0.05)
        assert not task.done()
        supervisor.send(messages.DRAIN)


@pytest.mark.parametrize("work", ["keep_following", "keep_delivering", "keep_sealed", "keep_reserve"])
async def test_it_ends_with_any_of_its_work_so_that_another_is_started(
    tmp_path: Path, control: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    async def end(*_: Any) -> None:
        raise ValueError("what nobody thought of")

    monkeypatch.setattr(process, work, end)
    settings = load_settings(data=tmp_path)
    await prepare(settings)
    with pytest.raises(ValueError, match="what nobody thought of"):
        async with asyncio.timeout(20):
            await process.run(settings, control[1])


async def test_it_goes_on_where_there_is_no_reserve_to_be_kept(
    tmp_path: Path, control: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3GW_MIN_FREE_SPACE", "0")
    settings = load_settings(data=tmp_path)
    await prepare(settings)
    async with running(settings, control) as (supervisor, task):
        await asyncio.sleep(0.3)
        assert not task.done()
        supervisor.send(messages.DRAIN)


async def test_it_opens_nothing_before_it_is_told_to_go(
    tmp_path: Path, control: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process.log, "configure", lambda *_: None)  # it would be that of the tests
    settings = load_settings(data=tmp_path)
    await prepare(settings)
    supervisor, own = control
    main = asyncio.create_task(asyncio.to_thread(process.main, settings, own))
    supervisor.settimeout(0.3)
    try:
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(supervisor.recv, 1)
        supervisor.settimeout(20)
        supervisor.send(messages.GO)
        assert await asyncio.to_thread(supervisor.recv, 1) == messages.READY
    finally:
        supervisor.send(messages.DRAIN)
    async with asyncio.timeout(20):
        await main


async def test_on_a_read_only_disk_it_waits_to_be_told_to_end(
    tmp_path: Path, control: tuple[socket.socket, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "data") as disk:
        settings = load_settings(data=disk.folder)
        await prepare(settings)
        disk.remount("ro")
        with caplog.at_level(logging.WARNING):
            async with running(settings, control) as (supervisor, task):
                await asyncio.sleep(0.05)
                assert not task.done()
                supervisor.send(messages.DRAIN)
        assert not caplog.records


async def test_it_ends_at_once_when_the_supervisor_is_gone(
    tmp_path: Path, control: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the kernel doesn't end it, as on macOS: nobody would, and another tree may serve the folder."""
    settings = load_settings(data=tmp_path)
    await prepare(settings)
    ended: list[int] = []

    async with running(settings, control) as (supervisor, task):

        def end(status: int) -> None:
            ended.append(status)
            task.cancel()
            asyncio.get_running_loop().remove_reader(control[1].fileno())

        monkeypatch.setattr(process.os, "_exit", end)  # it would end the tests
        supervisor.close()
        await until(lambda: bool(ended))
    assert ended == [1]
