"""Threads that stand still at any line of the hand-overs between them: no body is mixed up, no buffer is free twice.

The scenarios drive the real classes over a real disk and SQLite. Each is run once for every line that it reaches in a
module where threads meet, with a pause there (pauses.py).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from s3gw import threads
from s3gw.content import (
    buffers,
    filesystem,
    new_chunk,
    open_content,
    read_pins,
    reader,
    receive,
    serial_queue,
    stored_chunk,
    upload,
    upload_buffers,
    upload_window,
    writer,
)
from s3gw.content.filesystem import FilesystemStore
from s3gw.content.reader import ContentReader
from s3gw.content.upload_buffers import BUFFER
from s3gw.content.writer import BodyWriter
from s3gw.metadata import contents, processes, sqlite, sqlite_writer
from s3gw.metadata.contents import Content
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.engines import open_database
from s3gw.s3 import xml_bodies
from s3gw.s3.xml_bodies import XmlBodies
from tests.content.bodies import PiecedBody, body_of, random_bytes
from tests.pauses import lines_of, run_pausing_at
from tests.s3.test_xml_bodies import LARGEST, Sender

_CHUNK = 2 * 64 * 1024
_MEMORY = 5 * BUFFER  # less than the uploads want at once
_PROCESS = "pausing"


class _Gone(Exception):
    pass


@dataclass
class Uploads:
    """Three uploads at once beside one that is broken off, each read back, one of them twice and to its middle only."""

    folder: Path
    seeds: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    is_quick = False

    modules = (
        buffers,
        new_chunk,
        open_content,
        read_pins,
        reader,
        receive,
        serial_queue,
        sqlite,
        sqlite_writer,
        stored_chunk,
        threads,
        upload,
        upload_buffers,
        upload_window,
        writer,
    )

    def __post_init__(self) -> None:
        self._store = FilesystemStore(self.folder / "blobs")

        async def register() -> None:
            database = open_database(None, self.folder)
            await database.write(processes.register, _PROCESS, "worker", "here", 1)
            await database.close()

        asyncio.run(register())

    def __call__(self) -> None:
        asyncio.run(self._run())
        for file in (self.folder / "blobs").glob("??/*"):
            file.unlink()

    async def _run(self) -> None:
        self._database: Database = open_database(None, self.folder)
        self._pins = read_pins.ReadPins()
        name = f"{_PROCESS}-{next(self.seeds)}"
        await self._database.write(processes.register, name, "worker", "here", 1)
        self._writer = BodyWriter(
            self._database, self._store, name, self._pins, inline_limit=1000, chunk_size=_CHUNK, memory=_MEMORY
        )
        self._reader = ContentReader(self._database, self._store)
        try:
            bodies = [random_bytes(2 * _CHUNK + 999 * number, next(self.seeds)) for number in range(3)]
            await asyncio.gather(*map(self._put_and_get, bodies), self._break_off())
            pool = self._writer.buffers
            assert pool.free == _MEMORY // BUFFER, "a buffer was lost, or given back twice"
            assert len({id(memory) for memory in pool._kept}) == len(pool._kept), "two uploads would share memory"
            assert len(self._pins) == 0
        finally:
            await self._writer.close()
            await self._reader.close()
            await self._database.close()

    async def _put_and_get(self, data: bytes) -> None:
        async with self._writer.storing(body_of(data, 30_000)) as stored:
            content = await self._database.write(_insert_and_load, stored.content)
        assert await self._get(content, len(data)) == data
        half = len(data) // 2
        one, other = await asyncio.gather(self._get(content, half), self._get(content, half))
        assert one == other == data[:half]

    async def _get(self, content: Content, length: int) -> bytes:
        opened, pieces = self._reader.open(content, self._pins.open(), 0, length), []
        try:
            async for piece in opened:
                await asyncio.sleep(0)
                pieces.append(bytes(piece))
        finally:
            await opened.aclose()
        return b"".join(pieces)

    async def _break_off(self) -> None:
        data = random_bytes(_CHUNK + 5000, next(self.seeds))
        with pytest.raises(_Gone):
            async with self._writer.storing(PiecedBody([data[:_CHUNK], data[_CHUNK:]], _Gone())):
                raise AssertionError("it has no end")


def _insert_and_load(conn: Connection, new: contents.NewContent) -> Content:
    return contents.load(conn, contents.insert(conn, new))


@dataclass
class LargeDocuments:
    """Three large documents for two places; one client gives up while its document is being decoded."""

    folder: Path
    modules = (xml_bodies, threads)
    is_quick = True

    def __call__(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        decoding: list[int] = []

        def decode(document: bytes) -> int:
            decoding.append(1)
            assert len(decoding) == 1, "two documents are decoded at once"
            size = len(json.dumps(document.decode())) - 2
            decoding.pop()
            return size

        room, senders = XmlBodies(2 * LARGEST, LARGEST, 20), [Sender(LARGEST) for _ in range(4)]
        tasks = [asyncio.ensure_future(room.decode(sender.body, decode)) for sender in senders]
        for sender in senders:
            sender.may_go_on.set()
        await asyncio.sleep(0.001)
        tasks[1].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [result for result in results if not isinstance(result, asyncio.CancelledError)] == [LARGEST * 6] * 3
        assert room._turns._value == 2
        assert not room._decoding.locked()


AnyScenario = Uploads | LargeDocuments


@pytest.fixture(params=[Uploads, LargeDocuments])
def scenario(
    request: pytest.FixtureRequest, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AnyScenario:
    for flush in ("flush", "flush_folder"):  # no power is lost here
        monkeypatch.setattr(filesystem, flush, lambda where: None)
    shutil.copy(sqlite_template, tmp_path / "s3gw.db")
    begun: AnyScenario = request.param(tmp_path)
    return begun


@pytest.mark.parametrize("part", [0, pytest.param(1, marks=pytest.mark.soak)])
def test_nothing_is_mixed_up_when_a_thread_pauses_at_any_line(scenario: AnyScenario, part: int) -> None:
    """The threads beside the event loop, and itself where that is quick; the soak has all, and lines reached again."""
    reached = lines_of(scenario, scenario.modules)
    lines = [line for line in reached if scenario.is_quick or line.thread != "MainThread"][part::2]
    paused = [run_pausing_at(line, scenario) for line in lines]
    assert any(paused)  # what depends on who is first isn't reached each time


@pytest.mark.soak
@pytest.mark.parametrize("occurrence", [1, 2, 3, 5, 8])
def test_nothing_is_mixed_up_when_anything_pauses_at_any_time(scenario: AnyScenario, occurrence: int) -> None:
    lines = lines_of(scenario, scenario.modules)
    assert any(run_pausing_at(line, scenario, occurrence) for line in lines)
