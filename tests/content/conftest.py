"""A store, a writer and a reader over a real disk and both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from s3gw.content.filesystem import FilesystemStore
from s3gw.content.read_pins import ReadPins
from s3gw.content.reader import ContentReader
from s3gw.content.store import BlobStore
from s3gw.content.writer import BodyWriter
from s3gw.metadata import contents, schema
from s3gw.metadata.contents import Content, NewContent
from s3gw.metadata.database import Connection, Database
from tests.content.bodies import body_of

BLOCK = 64 * 1024
CHUNK = 5 * BLOCK  # small, so that a test has many


@dataclass
class Room:
    """The parts of this room, put together as a process does."""

    database: Database
    store: BlobStore
    folder: Path
    pins: ReadPins = field(default_factory=ReadPins)

    def __post_init__(self) -> None:
        asyncio.run(self.database.write(_register, "first", "second"))
        self.writer = self.new_writer("first")
        self.reader = ContentReader(self.database, self.store)

    def new_writer(self, process: str, memory: int = 64 * 2**20, chunk_size: int = CHUNK) -> BodyWriter:
        return BodyWriter(
            self.database, self.store, process, self.pins, inline_limit=1024, chunk_size=chunk_size, memory=memory
        )

    async def put(self, data: bytes, writer: BodyWriter | None = None) -> Content:
        async with (writer or self.writer).storing(body_of(data)) as stored:
            return await self.add(stored.content)

    async def add(self, new: NewContent, *, takes_over: bool = False) -> Content:
        return await self.load(await self.database.write(_insert, new, takes_over))

    async def load(self, content_id: int) -> Content:
        return await self.database.read(contents.load, content_id)

    async def get(self, content: Content, offset: int = 0, length: int | None = None) -> bytes:
        return b"".join([bytes(piece) async for piece in self.reader.read(content, offset, length)])

    def files(self) -> list[Path]:
        return [path for path in self.folder.glob("??/*") if path.is_file()]


def _insert(conn: Connection, new: NewContent, takes_over: bool) -> int:
    return contents.insert(conn, new, takes_over=takes_over)


def _register(conn: Connection, *names: str) -> None:
    times = dict.fromkeys(("started_at", "heartbeat_at", "oldest_open"), 0)
    row = {"role": "worker", "host": "here", "pid": 1, "is_dead": 0, **times}
    conn.execute(schema.processes.insert(), [{"name": name, **row} for name in names])


@pytest.fixture
def room(database: Database, few_shards: None, disk_path: Path) -> Iterator[Room]:
    folder = disk_path / "blobs"
    made = Room(database, FilesystemStore(folder), folder)
    yield made
    asyncio.run(made.writer.close())
    asyncio.run(made.reader.close())
    assert len(made.pins) == 0
