"""Bytes flipped anywhere: no read ends cleanly with wrong bytes, whole or in part, read or copied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from s3gw.metadata import contents, schema
from s3gw.metadata.contents import INLINE, MANIFEST, PARTS, Content, CorruptContent, Part, part_list
from s3gw.metadata.database import Connection
from tests.content.bodies import random_bytes
from tests.content.conftest import BLOCK, CHUNK, Room

pytestmark = pytest.mark.anyio


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is tested here doesn't depend on the database; test_writer.py reads and writes with both."""
    return sqlite_url


_DATA = random_bytes(2 * CHUNK + BLOCK + 100)
_RANGES = [(0, len(_DATA)), (0, 1), (BLOCK, BLOCK), (CHUNK - 5, 10), (CHUNK, CHUNK), (len(_DATA) - 1, 1)]


async def assert_never_wrong(room: Room, load: Callable[[], Content], data: bytes) -> int:
    """Read many ranges; give how many were refused. What came out before a refusal must be right too."""
    refused = 0
    for offset, length in _RANGES:
        length = min(length, len(data) - offset)
        if length <= 0:
            continue
        out = bytearray()
        try:
            async for piece in room.reader.read(load(), offset, length):
                out += piece
        except CorruptContent:
            refused += 1
            assert data[offset : offset + len(out)] == out
        else:
            assert data[offset : offset + length] == out
    return refused


def flip(path: Path, position: int) -> None:
    stored = bytearray(path.read_bytes())
    stored[position] ^= 0x10
    path.write_bytes(stored)


@pytest.mark.parametrize("where", [0, BLOCK - 1, BLOCK, CHUNK - 1, CHUNK, CHUNK + 33, CHUNK + 5 * 32 - 1])
@pytest.mark.parametrize("chunk", [0, 1])
async def test_a_flipped_byte_of_a_chunk_file_is_never_served(room: Room, where: int, chunk: int) -> None:
    content = await room.put(_DATA)
    flip(sorted(room.files(), key=lambda path: path.name)[chunk], where)
    assert await assert_never_wrong(room, lambda: content, _DATA) > 0


@pytest.mark.parametrize("keep", [0, 1, BLOCK, CHUNK, CHUNK + 5 * 32 - 1])
async def test_a_cut_chunk_file_is_never_served(room: Room, keep: int) -> None:
    content = await room.put(_DATA)
    path = sorted(room.files(), key=lambda path: path.name)[0]
    path.write_bytes(path.read_bytes()[:keep])
    assert await assert_never_wrong(room, lambda: content, _DATA) > 0


async def test_chunk_files_that_changed_places_are_never_served(room: Room) -> None:
    content = await room.put(_DATA)
    one, two, *_ = sorted(room.files(), key=lambda path: path.name)
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert await assert_never_wrong(room, lambda: content, _DATA) == len(_RANGES) - 1  # the last range is in the third


async def test_bytes_after_a_flip_in_another_block_are_still_served(room: Room) -> None:
    content = await room.put(_DATA)
    flip(sorted(room.files(), key=lambda path: path.name)[0], 3)
    assert await room.get(content, BLOCK, BLOCK) == _DATA[BLOCK : 2 * BLOCK]


async def _content_of(room: Room, form: int) -> Content:
    if form == INLINE:
        return await room.put(_DATA[:1000])
    whole = await room.put(_DATA)
    return (
        whole if form == MANIFEST else await room.add(part_list([Part(1, whole.id, whole.size, whole.digest, "c==")]))
    )


@pytest.mark.parametrize("form", [INLINE, MANIFEST, PARTS])
async def test_a_flipped_byte_of_a_row_is_never_loaded(room: Room, form: int) -> None:
    content = await _content_of(room, form)
    for column in ("layout", "digest"):
        good: bytes = getattr(content, column)
        for position in sorted({0, 7, len(good) // 2, len(good) - 1}):
            bad = bytearray(good)
            bad[position] ^= 1
            await room.database.write(_set, content.id, column, bytes(bad))
            with pytest.raises(CorruptContent):
                await room.load(content.id)
            with pytest.raises(CorruptContent):
                await room.database.write(contents.copy_range, content.id, 0, 10)
        await room.database.write(_set, content.id, column, good)
    for column, value in (("size", content.size - 1), ("form", (form + 1) % 3)):
        await room.database.write(_set, content.id, column, value)
        with pytest.raises(CorruptContent):
            await room.load(content.id)


def _set(conn: Connection, content_id: int, column: str, value: object) -> None:
    table = schema.contents
    conn.execute(table.update().where(table.c.id == content_id).values({column: value}))


async def test_a_child_that_was_exchanged_is_never_served(room: Room) -> None:
    child, other = await room.put(_DATA), await room.put(_DATA[::-1])
    content = await room.add(part_list([Part(1, child.id, child.size, child.digest)]))
    await room.database.write(_set, child.id, "layout", other.layout)
    await room.database.write(_set, child.id, "digest", other.digest)
    assert await assert_never_wrong(room, lambda: content, _DATA) == len(_RANGES)
    with pytest.raises(CorruptContent):
        await room.database.write(contents.copy_range, content.id, 0, 10)


async def test_a_missing_child_is_never_passed_over(room: Room) -> None:
    parts = [await room.put(_DATA[:2000]), await room.put(_DATA[2000:4000])]
    content = await room.add(part_list([Part(n, part.id, part.size, part.digest) for n, part in enumerate(parts, 1)]))
    await room.database.write(lambda conn: contents._release.run(conn, content_id=parts[1].id))
    await room.database.write(_delete, parts[1].id)
    with pytest.raises(CorruptContent):
        await room.get(content)
    assert await room.get(content, 0, 2000) == _DATA[:2000]


def _delete(conn: Connection, content_id: int) -> None:
    table = schema.contents
    conn.execute(table.delete().where(table.c.id == content_id))


@pytest.mark.parametrize("column", ["size", "location"])
async def test_a_blob_row_that_is_wrong_is_never_served(room: Room, column: str) -> None:
    content = await room.put(_DATA)
    blobs = schema.blobs
    value = CHUNK - BLOCK if column == "size" else "first-0000ffff"
    digest = content.extents[0].digest
    await room.database.write(
        lambda conn: conn.execute(blobs.update().where(blobs.c.digest == digest).values({column: value})).rowcount
    )
    assert await assert_never_wrong(room, lambda: content, _DATA) > 0
