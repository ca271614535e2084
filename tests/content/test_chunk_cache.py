"""Chunks of a store in the network on the local disk: never stale, never wrong, bounded, and gone when least used."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3gw.content import chunk_cache
from s3gw.content.chunk_cache import CachedStore, ChunkCache
from s3gw.content.object_store import ObjectStore
from s3gw.content.remote import RemoteStore
from s3gw.metadata.database import Database
from tests.content.bodies import random_bytes
from tests.content.conformance import BlobStoreConformance
from tests.content.conftest import BLOCK, CHUNK, Room
from tests.stores import Proxy

LIMIT = 64 << 20


class TestConformance(BlobStoreConformance):
    @pytest.fixture
    def store(self, objects: ObjectStore, tmp_path: Path) -> Iterator[CachedStore]:
        made = CachedStore(RemoteStore(objects, tmp_path), ChunkCache(tmp_path / "cache", LIMIT))
        yield made
        made.close()


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is tested here doesn't depend on the database."""
    return sqlite_url


@pytest.fixture
def cache(tmp_path: Path) -> ChunkCache:
    return ChunkCache(tmp_path / "cache", LIMIT)


@pytest.fixture
def room(database: Database, objects: ObjectStore, cache: ChunkCache, tmp_path: Path) -> Iterator[Room]:
    store = CachedStore(RemoteStore(objects, tmp_path), cache)
    made = Room(database, store, tmp_path)
    yield made
    store.close()
    asyncio.run(made.writer.close())
    asyncio.run(made.reader.close())


def kept(folder: Path) -> list[Path]:
    return [path for path in (folder / "cache").glob("??/*") if path.is_file()]


@pytest.mark.anyio
async def test_what_was_read_whole_is_read_here_the_next_time(
    room: Room, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[bool] = []
    monkeypatch.setattr(chunk_cache, "_watchers", [opened.append])
    data = random_bytes(3 * CHUNK + 5)
    content = await room.put(data)
    assert await room.get(content) == data
    assert len(kept(tmp_path)) == 4
    proxy.asked()
    assert await room.get(content) == data
    assert await room.get(content, CHUNK + 5, CHUNK) == data[CHUNK + 5 : 2 * CHUNK + 5]
    assert proxy.asked() == []
    assert opened == [False] * 4 + [True] * 6


@pytest.mark.anyio
async def test_what_was_read_in_part_is_not_kept(room: Room, tmp_path: Path) -> None:
    data = random_bytes(9 * CHUNK)
    writer = room.new_writer("second", chunk_size=8 * CHUNK)
    content = await room.put(data, writer)
    await writer.close()
    await room.get(content, 10, CHUNK)
    pieces = room.reader.read(content)
    await anext(pieces)
    await pieces.aclose()
    del pieces
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


@pytest.mark.anyio
@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
async def test_a_file_that_the_disk_or_a_crash_changed_is_fetched_again(
    room: Room, tmp_path: Path, damage: str
) -> None:
    data = random_bytes(CHUNK)
    content = await room.put(data)
    await room.get(content)
    (path,) = kept(tmp_path)
    whole = path.read_bytes()
    bad = {"flip": whole[:BLOCK] + bytes([whole[BLOCK] ^ 1]) + whole[BLOCK + 1 :], "cut": whole[:-40], "empty": b""}
    path.write_bytes(bad[damage])
    assert await room.get(content) == data
    (path,) = kept(tmp_path)
    assert path.read_bytes() == whole


@pytest.mark.anyio
async def test_a_deleted_chunk_is_not_kept(room: Room, tmp_path: Path) -> None:
    await room.get(await room.put(random_bytes(CHUNK)))
    room.store.delete(*room.store.locations())
    assert kept(tmp_path) == []


@pytest.mark.anyio
async def test_a_full_disk_costs_only_the_cache(room: Room, cache: ChunkCache, monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_bytes(2 * CHUNK)
    content = await room.put(data)

    def full() -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(cache, "_require_room", full)
    assert await room.get(content) == data
    monkeypatch.undo()
    monkeypatch.setattr(os, "pwrite", lambda *_: full())
    assert await room.get(content) == data


def fill(cache: ChunkCache, number: int, size: int, used_at: float) -> str:
    location = f"process-{number:08x}"
    file = cache.begin(location, size)
    assert file is not None
    file.write(0, memoryview(bytes(size)))
    path = cache._path(location)
    file.keep()
    if os.path.exists(path):
        os.utime(path, (used_at, used_at))
    return path


def test_the_least_recently_used_files_go(tmp_path: Path) -> None:
    cache = ChunkCache(tmp_path / "cache", 320_000)
    paths = [fill(cache, number, 20_000, 1000 + number) for number in range(12)]
    source = cache.open("process-00000000")
    assert source is not None
    source.close()
    for number in range(12, 40):
        paths.append(fill(cache, number, 20_000, 1000 + number))
        assert sum(os.path.getsize(path) for path in paths if os.path.exists(path)) <= 340_000
    assert os.path.exists(paths[0])  # it was used
    assert not any(map(os.path.exists, paths[1:12]))


def test_what_dead_processes_left_half_written_goes(tmp_path: Path) -> None:
    ChunkCache(tmp_path / "cache", LIMIT)
    old, new = (tmp_path / "cache" / "new" / name for name in ("process-00000001.old", "process-00000002.new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1000, 1000))
    fill(ChunkCache(tmp_path / "cache", LIMIT), 3, 1000, 1000)
    assert not old.exists() and new.exists()


@pytest.mark.parametrize("foreign", ["stray", "ab", "lost+found"])
def test_what_others_have_put_there_does_not_end_its_bound(tmp_path: Path, foreign: str) -> None:
    cache = ChunkCache(tmp_path / "cache", 320_000)
    (tmp_path / "cache" / foreign).write_bytes(b"")
    paths = [fill(cache, number, 20_000, 1000 + number) for number in range(40)]
    assert sum(os.path.getsize(path) for path in paths if os.path.exists(path)) <= 340_000
    assert (tmp_path / "cache" / foreign).exists()


def test_a_cache_that_was_deleted_is_filled_again(tmp_path: Path) -> None:
    cache = ChunkCache(tmp_path / "cache", LIMIT)
    shutil.rmtree(tmp_path / "cache")
    assert os.path.exists(fill(cache, 1, 1000, 1000))


def test_a_folder_in_the_place_of_a_chunk_is_no_chunk(tmp_path: Path) -> None:
    cache = ChunkCache(tmp_path / "cache", LIMIT)
    path = fill(cache, 1, 1000, 1000)
    os.unlink(path)
    os.mkdir(path)
    assert cache.open("process-00000001") is None


def test_one_chunk_never_takes_the_whole_cache(tmp_path: Path) -> None:
    assert ChunkCache(tmp_path / "cache", 160_000).begin("process-00000001", 10_001) is None
