"""Reading: any range, lazily, with little memory, and past a file that moved."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from s3gw.content import filesystem, stored_chunk
from s3gw.content import reader as reader_module
from s3gw.content.filesystem import FileSource
from s3gw.content.reader import ContentReader
from s3gw.content.store import BlobSource
from s3gw.content.stored_chunk import StoredChunk
from s3gw.content.writer import BodyWriter
from s3gw.metadata import blobs, contents, schema
from s3gw.metadata.contents import Content, CorruptContent, Part, manifest, part_list
from s3gw.metadata.database import Connection
from tests.content.bodies import body_of, random_bytes
from tests.content.conftest import BLOCK, CHUNK, Room

pytestmark = pytest.mark.anyio


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is tested here doesn't depend on the database; test_writer.py reads and writes with both."""
    return sqlite_url


_EDGES = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 7]


def part_of(content: Content, number: int) -> Part:
    return Part(number, content.id, content.size, content.digest)


@pytest.mark.parametrize("size", [5, 2 * CHUNK + 1000])
async def test_any_range_reads_as_a_slice_of_the_bytes(room: Room, size: int) -> None:
    data = random_bytes(size)
    content = await room.put(data)
    for start in (edge for edge in _EDGES if edge <= size):
        for stop in {edge for edge in _EDGES if start <= edge <= size} | {size}:
            assert await room.get(content, start, stop - start) == data[start:stop]
        assert await room.get(content, start) == data[start:]


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, 3001), (3000, 1), (1, -1)])
async def test_a_range_outside_the_content_is_a_mistake(room: Room, offset: int, length: int) -> None:
    content = await room.put(random_bytes(3000))
    with pytest.raises(ValueError, match="no bytes"):
        await room.get(content, offset, length)


async def test_parts_are_read_one_after_the_other(room: Room) -> None:
    datas = [random_bytes(size, size) for size in (CHUNK + 3, 10, 2000, 0, CHUNK)]
    parts = [part_of(await room.put(data), number) for number, data in enumerate(datas, 1)]
    content = await room.add(part_list(parts))
    data = b"".join(datas)
    assert content.size == len(data)
    assert content.parts == tuple(parts)
    assert await room.get(content) == data
    for offset in (0, CHUNK, CHUNK + 3, CHUNK + 13, CHUNK + 2013, len(data) - 1):
        assert await room.get(content, offset, len(data) - offset) == data[offset:]
        assert await room.get(content, offset, 1) == data[offset : offset + 1]


async def test_part_lists_in_part_lists_are_read_through(room: Room) -> None:
    inner = await room.add(part_list([part_of(await room.put(random_bytes(3000, n)), n) for n in (1, 2)]))
    outer = await room.add(part_list([part_of(inner, 1), part_of(inner, 2)]))
    data = random_bytes(3000, 1) + random_bytes(3000, 2)
    assert await room.get(outer) == data + data
    assert await room.get(outer, 5990, 20) == (data + data)[5990:6010]


async def test_part_lists_nested_without_end_are_corrupt(room: Room) -> None:
    content = await room.put(b"x")
    for _ in range(5):
        content = await room.add(part_list([part_of(content, 1)]))
    with pytest.raises(CorruptContent):
        await room.get(content)


@pytest.mark.parametrize("few_shards", [None], ids=["in all shards"])
async def test_a_range_of_many_parts_loads_only_the_parts_it_touches(room: Room) -> None:
    parts = [part_of(await room.put(random_bytes(2000, number)), number) for number in range(1, 101)]
    content = await room.add(part_list(parts))
    await room.database.write(_damage_layouts_but, content.id, parts[49].content_id)
    assert await room.get(content, 49 * 2000, 2000) == random_bytes(2000, 50)


def _damage_layouts_but(conn: Connection, *kept: int) -> None:
    table = schema.contents
    conn.execute(table.update().where(table.c.id.not_in(kept)).values(layout=b"bad"))


@pytest.mark.parametrize("damage", ["gone", "bad"])
async def test_a_file_that_moved_is_found_again(room: Room, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    data = random_bytes(2 * CHUNK)
    content = await room.put(data)
    looked_up_before = await room.database.read(blobs.locate, [extent.digest for extent in content.extents])
    for path in room.files():
        path.write_bytes(b"")
    await room.put(data)  # repairs them under new locations
    for blob in looked_up_before.values() if damage == "bad" else ():
        sink = room.store.create(blob.location)
        sink.write(0, b"bad" * BLOCK * 2)
        sink.commit()
    monkeypatch.setattr(blobs, "locate", lambda conn, digests: looked_up_before)
    assert await room.get(content) == data


async def test_a_block_that_went_bad_is_read_where_its_chunk_has_moved_to(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = random_bytes(CHUNK)
    content = await room.put(data)
    looked_up_before = await room.database.read(blobs.locate, [content.extents[0].digest])
    (path,) = room.files()
    path.write_bytes(bytes([data[0] ^ 1]) + path.read_bytes()[1:])  # its list of digests, read at first, is right
    await room.put(data)
    monkeypatch.setattr(blobs, "locate", lambda conn, digests: looked_up_before)
    path.parent.mkdir(exist_ok=True)
    for blob in looked_up_before.values():
        sink = room.store.create(blob.location)
        sink.write(0, bytes([data[0] ^ 1]) + data[1:] + list_of(data))
        sink.commit()
    assert await room.get(content) == data


def list_of(data: bytes) -> bytes:
    return b"".join(blake3(data[start : start + BLOCK]).digest() for start in range(0, len(data), BLOCK))


async def test_a_file_that_moved_to_bad_bytes_ends_the_read_with_corruption(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = await room.put(random_bytes(CHUNK))
    digest = content.extents[0].digest
    before = await room.database.read(blobs.locate, [digest])
    await room.database.write(blobs.repoint, digest, before[digest].location, "first-0badbad0")
    for path in room.files():
        path.unlink()
    monkeypatch.setattr(blobs, "locate", lambda conn, digests: before)
    with pytest.raises(CorruptContent):
        await room.get(content)


@pytest.mark.parametrize("has_row", [True, False])
async def test_a_missing_file_ends_the_read_with_corruption(
    room: Room, monkeypatch: pytest.MonkeyPatch, has_row: bool
) -> None:
    content = await room.put(random_bytes(CHUNK))
    for path in room.files():
        path.unlink()
    if not has_row:  # any more, when it is looked for again
        found = await room.database.read(blobs.locate, [content.extents[0].digest])
        monkeypatch.setattr(blobs, "locate", lambda conn, digests: found)
        monkeypatch.setattr(blobs, "find", lambda conn, digest: None)
    with pytest.raises(CorruptContent):
        await room.get(content)


async def test_a_range_beyond_its_chunk_is_corruption_and_not_a_shorter_answer(room: Room) -> None:
    (extent,) = (await room.put(random_bytes(2 * BLOCK + 10))).extents
    content = await room.add(manifest([extent._replace(length=extent.length + 1)], ()))
    assert await room.get(content, 0, 2 * BLOCK + 10) == random_bytes(2 * BLOCK + 10)
    with pytest.raises(CorruptContent):
        await room.get(content)


async def test_an_open_content_is_kept_by_its_pin(room: Room) -> None:
    content = await room.put(random_bytes(CHUNK))
    with room.pins.open() as pin:
        opened = room.reader.open(content, pin, 0, CHUNK)
        assert pin.content == content.id
        await opened.aclose()


async def test_a_chunk_is_verified_to_its_end(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_chunk, "_STEP", 2 * BLOCK)
    content = await room.put(random_bytes(CHUNK - 10))
    (blob,) = (await room.database.read(blobs.locate, [content.extents[0].digest])).values()
    assert stored_chunk.is_intact(room.store, blob)
    (path,) = room.files()
    damaged = bytearray(path.read_bytes())
    damaged[blob.size - 1] ^= 1
    path.write_bytes(damaged)
    assert not stored_chunk.is_intact(room.store, blob)


async def test_a_chunk_without_a_row_ends_the_read_with_corruption(room: Room) -> None:
    content = await room.put(random_bytes(CHUNK))
    await room.database.write(lambda conn: conn.execute(schema.blobs.delete()).rowcount)
    with pytest.raises(CorruptContent):
        await room.get(content)


async def test_a_read_that_is_given_up_closes_its_file(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[FileSource] = []
    open_source = room.store.open

    def recorded(location: str) -> BlobSource:
        opened.append(open_source(location))
        return opened[-1]

    monkeypatch.setattr(room.store, "open", recorded)
    content = await room.put(random_bytes(CHUNK))
    pieces = room.reader.read(content)
    await anext(pieces)
    await pieces.aclose()
    del pieces
    (fd,) = [source._fd for source in opened]
    opened.clear()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


async def test_a_read_cancelled_in_the_middle_ends(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    content = await room.put(random_bytes(CHUNK))
    begun, go = threading.Event(), threading.Event()
    read_into = FileSource.read_into

    def slow(self: FileSource, *args: Any) -> None:
        begun.set()
        go.wait()
        read_into(self, *args)

    monkeypatch.setattr(FileSource, "read_into", slow)
    task = asyncio.ensure_future(room.get(content))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    await asyncio.sleep(0.01)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("is_cached", [True, False])
async def test_a_slow_reader_is_two_pieces_ahead_at_most(
    room: Room, monkeypatch: pytest.MonkeyPatch, is_cached: bool
) -> None:
    reads: list[int] = []
    verified = StoredChunk._verified

    def counted(self: StoredChunk, whole: memoryview, *args: int) -> memoryview:
        reads.append(len(whole))
        return verified(self, whole, *args)

    content = await room.put(random_bytes(20 * CHUNK))
    monkeypatch.setattr(StoredChunk, "_verified", counted)
    if not is_cached:
        monkeypatch.setattr(FileSource, "read_cached", lambda *_: False)
    pieces = room.reader.read(content)
    await anext(pieces)
    for _ in range(4):
        before = len(reads)
        await anext(pieces)
        await asyncio.sleep(0.02)
        assert len(reads) - before <= 2
    await pieces.aclose()


@pytest.mark.parametrize("is_cached", [True, False])
async def test_bytes_are_the_same_from_cache_and_disk(
    room: Room, monkeypatch: pytest.MonkeyPatch, is_cached: bool
) -> None:
    if not is_cached:
        monkeypatch.setattr(filesystem, "_NOWAIT", 0)
    big = BodyWriter(room.database, room.store, "second", room.pins)
    data = random_bytes(9_000_000)
    async with big.storing(body_of(data, 200_000)) as stored:
        content = await room.add(stored.content)
    assert await room.get(content) == data
    assert await room.get(content, 100, 8_999_000) == data[100:8_999_100]
    await big.close()


async def test_a_read_that_the_cache_can_not_serve_waits_for_the_disk(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = random_bytes(CHUNK)
    content = await room.put(data)
    preadv = os.preadv

    def cold(fd: int, buffers: list[memoryview], offset: int, flags: int = 0) -> int:
        if flags:
            raise BlockingIOError
        return preadv(fd, buffers, offset)

    monkeypatch.setattr(os, "preadv", cold)
    assert await room.get(content) == data


async def test_a_short_range_reads_its_blocks_and_the_list_alone(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[tuple[int, int]] = []
    read_into = FileSource.read_into

    def recorded(self: FileSource, buffer: memoryview, offset: int) -> None:
        reads.append((offset, len(buffer)))
        read_into(self, buffer, offset)

    content = await room.put(random_bytes(CHUNK))
    monkeypatch.setattr(FileSource, "read_into", recorded)
    await room.get(content, 2 * BLOCK, BLOCK)
    assert reads == [(CHUNK, 5 * 32), (2 * BLOCK, BLOCK)]


async def test_pieces_that_are_kept_are_not_overwritten(room: Room, tmp_path: Path) -> None:
    big = BodyWriter(room.database, room.store, "second", room.pins)
    data = random_bytes(9_000_000)
    async with big.storing(body_of(data, 200_000)) as stored:
        await room.database.write(_register_and_insert, stored.content)
        content = Content(1, stored.content.form, stored.content.size, stored.content.layout, stored.content.digest)
        kept = [piece async for piece in room.reader.read(content)]
    assert b"".join(kept) == data
    await big.close()


def _register_and_insert(conn: Connection, new: contents.NewContent) -> int:
    return contents.insert(conn, new)


async def test_reads_go_on_when_all_buffers_are_in_use(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "_BUFFERS", 1)
    reader = ContentReader(room.database, room.store)
    data = random_bytes(4 * CHUNK)
    content = await room.put(data)
    assert b"".join([piece async for piece in reader.read(content)]) == data
    await reader.close()
