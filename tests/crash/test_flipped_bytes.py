"""One stored byte changed, anywhere: no read ends cleanly with wrong bytes, through the whole gateway.

Whole, ranged and copied reads, in process for speed; that a real client sees a broken connection is tested in
test_broken_answers.py. What the layers below promise has its own test in tests/content/.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from s3gw.metadata.contents import INLINE, MANIFEST, PARTS
from tests.crash.client import BUCKET, Aborted, Answer, InProcess, open_gateway, part_list

_BLOCK = 64 * 1024
_CHUNK = 2 * _BLOCK
_random = random.Random(3)
_PARTS = [_random.randbytes(size) for size in (_CHUNK + 9, 700, _BLOCK, 3000)]
OBJECTS = {
    "inline": _random.randbytes(3000),
    "manifest": _random.randbytes(2 * _CHUNK + _BLOCK + 11),
    "parts": b"".join(_PARTS),
}


@contextmanager
def changed_file(path: Path, position: int) -> Iterator[None]:
    original = path.read_bytes()
    path.write_bytes(_flip(original, position))
    try:
        yield
    finally:
        path.write_bytes(original)


@contextmanager
def changed_row(database: Path, table: str, column: str, rowid: object, position: int) -> Iterator[None]:
    """A byte of a blob or text, or of the big-endian form of an integer."""
    key = {"contents": "id", "blobs": "digest", "objects": "key"}[table]
    with closing(sqlite3.connect(database, isolation_level=None)) as conn:
        ((original,),) = conn.execute(f"SELECT {column} FROM {table} WHERE {key} = ?", (rowid,)).fetchall()
        if isinstance(original, int):
            value: object = int.from_bytes(_flip(original.to_bytes(4, "big"), position), "big")
        elif isinstance(original, str):
            value = _flip(original.encode(), position, 0x01).decode()
        else:
            value = _flip(original, position)
        new_key, old_key = (value, original) if column == key else (rowid, rowid)
        conn.execute("PRAGMA busy_timeout = 20000")
        conn.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (value, old_key))
        try:
            yield
        finally:
            conn.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (original, new_key))


def _flip(data: bytes, position: int, mask: int = 0x10) -> bytes:
    flipped = bytearray(data)
    flipped[position] ^= mask
    return bytes(flipped)


def positions(size: int, count: int, *edges: int) -> list[int]:
    """Both ends, the given edges, and a sample."""
    chosen = {0, size - 1, *edges, *(_random.randrange(size) for _ in range(count))}
    return sorted(position for position in chosen if 0 <= position < size)


class Reader:
    """Reads in every way there is. What ends cleanly must be right; `refused` counts the others."""

    def __init__(self, gateway: InProcess) -> None:
        self._gateway = gateway
        self.refused = 0

    async def read_all_ways(self, key: str) -> None:
        value = OBJECTS[key]
        await self._read(key, value)
        middle = len(value) // 2
        for first, last in (
            (0, 0),
            (len(value) - 1, len(value) - 1),
            (middle - 5, middle + 5),
            (_CHUNK - 3, _CHUNK + 3),
        ):
            if last < len(value):
                await self._read(key, value, first, last)
        await self._copy(key, value)
        await self._copy_range(key, value, 1, len(value) - 2)
        await self._copy_range(key, value, middle - 300, middle + 300)

    async def _send(self, method: str, path: str, document: bytes = b"", /, **headers: str) -> Answer | None:
        """None: refused or aborted."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            answer = await self._gateway.request(method, f"{BUCKET}/{path}", document, named)
        except Aborted as aborted:
            self._sent = aborted.args[0]
            return None
        self._sent = b""
        if not answer.is_success:
            assert answer.status in (416, 500, 503), answer  # 416: where a size has changed
            return None
        return answer

    async def _read(self, key: str, value: bytes, first: int = 0, last: int | None = None) -> None:
        last = len(value) - 1 if last is None else last
        headers = {} if last - first + 1 == len(value) else {"Range": f"bytes={first}-{last}"}
        answer = await self._send("GET", key, b"", **headers)
        expected = value[first : last + 1]
        if answer is None:
            self.refused += 1
            assert expected.startswith(self._sent), "what was sent before the end was wrong"
        else:
            assert answer.body == expected
            assert int(answer.headers["content-length"]) == len(expected)

    async def _copy(self, key: str, value: bytes) -> None:
        source = {"x_amz_copy_source": f"{BUCKET}/{key}"}
        if await self._send("PUT", "copy", b"", **source) is not None:
            await self._read("copy", value)
        # To compute a checksum the copy reads the bytes.
        answer = await self._send("PUT", "copy", b"", **source, x_amz_checksum_algorithm="SHA256")
        if answer is None:
            self.refused += 1
        else:
            assert answer.tag("ChecksumSHA256") == base64.b64encode(hashlib.sha256(value).digest()).decode()
            await self._read("copy", value)

    async def _copy_range(self, key: str, value: bytes, first: int, last: int) -> None:
        begun = await self._send("POST", "part-copy?uploads=")
        assert begun is not None
        upload = f"uploadId={begun.tag('UploadId')}"
        copied = await self._send(
            "PUT",
            f"part-copy?partNumber=1&{upload}",
            x_amz_copy_source=f"{BUCKET}/{key}",
            x_amz_copy_source_range=f"bytes={first}-{last}",
        )
        if copied is None:
            self.refused += 1
            await self._send("DELETE", f"part-copy?{upload}")
            return
        done = await self._send("POST", f"part-copy?{upload}", part_list({1: copied.tag("ETag")}))
        if done is None:
            self.refused += 1
        else:
            await self._read("part-copy", value[first : last + 1])


async def _fill(gateway: InProcess) -> None:
    for key in ("inline", "manifest"):
        assert (await gateway.request("PUT", f"{BUCKET}/{key}", OBJECTS[key])).is_success
    begun = await gateway.request("POST", f"{BUCKET}/parts?uploads=")
    upload = f"uploadId={begun.tag('UploadId')}"
    etags = {}
    for number, part in enumerate(_PARTS, 1):
        answer = await gateway.request("PUT", f"{BUCKET}/parts?partNumber={number}&{upload}", part)
        etags[number] = answer.headers["etag"]
    assert (await gateway.request("POST", f"{BUCKET}/parts?{upload}", part_list(etags))).is_success


class Folder:
    """A data folder with the three objects; `check` opens a gateway on it for each round of reads."""

    def __init__(self, data: Path, template: Path) -> None:
        self.data, self.database = data, data / "s3gw.db"

        async def fill() -> None:
            async with open_gateway(data, template, chunk_size=_CHUNK, min_part=0) as gateway:
                await _fill(gateway)

        asyncio.run(fill())
        with closing(sqlite3.connect(self.database)) as conn:
            self.rows = conn.execute("SELECT id, form, length(layout) FROM contents").fetchall()
            named = conn.execute(
                "SELECT o.key, c.id, c.layout FROM objects o JOIN contents c ON c.id = o.content_id"
            ).fetchall()
            self.blobs = conn.execute("SELECT digest, location FROM blobs").fetchall()
        self._layouts: dict[str, bytes] = {key: layout for key, _, layout in named}
        self._ids: dict[int, str] = {content_id: key for key, content_id, _ in named}

    def key_of(self, content_id: int) -> str:
        return self._ids.get(content_id, "parts")

    def key_of_blob(self, digest: bytes) -> str:
        return "manifest" if digest in self._layouts["manifest"] else "parts"

    def file(self, location: str) -> Path:
        return self.data / "blobs" / location[-2:] / location


@pytest.fixture(scope="module")
def folder(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("flipped") / "data", sqlite_template)


async def _refusals(gateway: InProcess, key: str) -> int:
    reader = Reader(gateway)
    await reader.read_all_ways(key)
    return reader.refused


def test_unchanged_objects_are_read_right_in_every_way(folder: Folder) -> None:
    async def check() -> None:
        async with open_gateway(folder.data, min_part=0) as gateway:
            for key in OBJECTS:
                assert await _refusals(gateway, key) == 0

    asyncio.run(check())


def test_a_changed_byte_of_a_chunk_file_is_never_served(folder: Folder) -> None:
    async def check() -> None:
        async with open_gateway(folder.data, min_part=0) as gateway:
            for digest, location in folder.blobs:
                path = folder.file(location)
                size = path.stat().st_size
                data = size - 32 * -(-(size - 32) // (_BLOCK + 32))  # without the list of block digests
                for position in positions(size, 2, _BLOCK - 1, _BLOCK, data - 1, data):
                    with changed_file(path, position):
                        # A whole read, a copy's checksum, a copied whole and a copied range at least.
                        assert await _refusals(gateway, folder.key_of_blob(digest)) >= 4, position

    asyncio.run(check())


@pytest.mark.parametrize("form", [INLINE, *(pytest.param(form, marks=pytest.mark.soak) for form in (MANIFEST, PARTS))])
def test_a_changed_byte_of_a_layout_is_never_served(form: int, folder: Folder) -> None:
    async def check() -> None:
        async with open_gateway(folder.data, min_part=0) as gateway:
            for content_id, _, size in [row for row in folder.rows if row[1] == form]:
                for position in positions(size, 12, 4, 8, 12, 16, 44):
                    with changed_row(folder.database, "contents", "layout", content_id, position):
                        assert await _refusals(gateway, folder.key_of(content_id)) > 0, (content_id, position)

    asyncio.run(check())


@pytest.mark.parametrize("column", ["digest", "form", "size"])
def test_a_changed_byte_of_another_column_of_a_content_is_never_served(column: str, folder: Folder) -> None:
    async def check() -> None:
        async with open_gateway(folder.data, min_part=0) as gateway:
            for content_id, _, _ in folder.rows:
                for position in (0, 3):
                    with changed_row(folder.database, "contents", column, content_id, position):
                        assert await _refusals(gateway, folder.key_of(content_id)) > 0, (content_id, position)

    asyncio.run(check())


@pytest.mark.parametrize("column", ["digest", "location", "size"])
def test_a_changed_byte_of_the_row_of_a_chunk_is_never_served(column: str, folder: Folder) -> None:
    async def check() -> None:
        async with open_gateway(folder.data, min_part=0) as gateway:
            for digest, _ in folder.blobs:
                for position in (0, 3):
                    with changed_row(folder.database, "blobs", column, digest, position):
                        await _refusals(gateway, folder.key_of_blob(digest))

    asyncio.run(check())


@pytest.mark.parametrize("column", ["content_id", "size"])
def test_a_changed_byte_of_what_an_object_says_of_its_content_is_never_served(column: str, folder: Folder) -> None:
    async def check() -> None:
        async with open_gateway(folder.data, min_part=0) as gateway:
            for key in OBJECTS:
                with changed_row(folder.database, "objects", column, key, 3):
                    assert await _refusals(gateway, key) > 0

    asyncio.run(check())


def test_storing_the_same_bytes_again_heals_a_changed_chunk(sqlite_template: Path, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data", sqlite_template)

    async def check() -> None:
        async with open_gateway(folder.data, min_part=0, chunk_size=_CHUNK) as gateway:
            for _, location in folder.blobs:
                path = folder.file(location)
                path.write_bytes(_flip(path.read_bytes(), 5))
            assert await _refusals(gateway, "manifest") > 0
            assert (await gateway.request("PUT", f"{BUCKET}/again", OBJECTS["manifest"])).is_success
            assert await _refusals(gateway, "manifest") == 0
            assert await _refusals(gateway, "parts") > 0

    asyncio.run(check())
