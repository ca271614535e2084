"""Chunks in a store in the network: the contract of every store, the requests it costs, and what goes wrong there.

The store is another s3gw behind a proxy. What takes a store of somebody else's is in test_other_stores.py.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from s3gw.content import remote_source
from s3gw.content.object_store import ObjectStore
from s3gw.content.outage import Outage
from s3gw.content.reader import DamagedChunk
from s3gw.content.remote import RemoteStore
from s3gw.content.store import StoreUnavailable
from s3gw.content.store_url import is_within, parse_store_url
from s3gw.metadata import damaged_blobs
from s3gw.metadata.database import Database
from tests.content.bodies import random_bytes
from tests.content.conformance import HERE, THERE, BlobStoreConformance, read, write
from tests.content.conftest import CHUNK, Room
from tests.stores import Proxy, failing, new_objects


@pytest.fixture
def store(objects: ObjectStore, tmp_path: Path) -> Iterator[RemoteStore]:
    made = RemoteStore(objects, tmp_path)
    yield made
    made.close()


@pytest.fixture
def impatient_store(impatient: ObjectStore, tmp_path: Path) -> Iterator[RemoteStore]:
    made = RemoteStore(impatient, tmp_path)
    yield made
    made.close()


class TestConformance(BlobStoreConformance):
    @pytest.fixture
    def store(self, objects: ObjectStore, tmp_path: Path) -> Iterator[RemoteStore]:
        made = RemoteStore(objects, tmp_path)
        yield made
        made.close()


class TestConformanceWithoutConditions(BlobStoreConformance):
    """As of a store that ignores If-None-Match."""

    @pytest.fixture
    def store(self, objects: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteStore]:
        monkeypatch.setattr(objects, "create", objects.replace)
        made = RemoteStore(objects, tmp_path)
        yield made
        made.close()
        assert made._creates_once is not True


def test_a_new_chunk_is_one_request(store: RemoteStore, proxy: Proxy) -> None:
    write(store, THERE, b"first")
    proxy.asked()
    write(store, HERE, random_bytes(1_000_000), b"end")
    assert proxy.asked() == ["PUT"]


def test_a_chunk_that_is_given_up_is_no_request(store: RemoteStore, proxy: Proxy) -> None:
    sink = store.create(HERE)
    sink.write(0, b"x")
    sink.discard()
    assert proxy.asked() == []


def test_what_was_written_but_not_answered_is_found_to_be_ours(store: RemoteStore, proxy: Proxy) -> None:
    write(store, THERE, b"first")
    proxy.asked()
    faults = iter(["lose"])
    proxy.fault = lambda method, path: next(faults, "") if method == "PUT" else ""
    sink = store.create(HERE)
    sink.write(0, b"ours")
    try:
        sink.commit()
    except StoreUnavailable:  # the library may leave open whether it was done; then nothing is left of it
        sink.discard()
        assert list(store.locations()) == [THERE]
    else:
        assert read(store, HERE, 0, 4) == b"ours"


def test_what_a_lost_answer_left_is_taken_for_ours_only_if_it_is_the_same(store: RemoteStore) -> None:
    write(store, HERE, b"ours")
    store.create_object("chunks/process-1/00000001", b"ours")
    with pytest.raises(FileExistsError):
        store.create_object("chunks/process-1/00000001", b"ours too")
    with pytest.raises(FileExistsError):
        store.create_object("chunks/process-1/00000001", b"our")
    assert read(store, HERE, 0, 4) == b"ours"


def test_a_store_that_says_that_nothing_exists_is_unavailable(
    store: RemoteStore, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def conflict(name: str, data: bytes) -> None:
        raise FileExistsError(name)

    monkeypatch.setattr(objects, "create", conflict)
    with pytest.raises(StoreUnavailable):
        write(store, HERE, b"x")


def test_deletes_go_in_batches(store: RemoteStore, proxy: Proxy) -> None:
    store.delete(*(f"process-1-{number:08x}" for number in range(1500)))
    assert proxy.asked() == ["POST", "POST"]


def test_a_chunk_of_a_process_is_found_by_a_list_of_its_own(store: RemoteStore, proxy: Proxy) -> None:
    write(store, HERE, b"x")
    proxy.requests.clear()
    assert list(store.locations("process-1")) == [HERE]
    assert [("process-1" in path) for _, path in proxy.requests] == [True]


@pytest.fixture
def room(database: Database, store: RemoteStore, tmp_path: Path) -> Iterator[Room]:
    made = Room(database, store, tmp_path)
    yield made
    asyncio.run(made.writer.close())
    asyncio.run(made.reader.close())
    assert len(made.pins) == 0


@pytest.mark.anyio
async def test_a_body_comes_back(room: Room) -> None:
    data = random_bytes(9 * CHUNK + 7)
    content = await room.put(data)
    assert await room.get(content) == data
    for offset, length in [(0, 1), (CHUNK - 1, 2), (3 * CHUNK + 5, 4 * CHUNK), (len(data) - 1, 1)]:
        assert await room.get(content, offset, length) == data[offset : offset + length]


@pytest.mark.anyio
async def test_chunks_larger_than_a_window_come_back(room: Room, proxy: Proxy) -> None:
    data = random_bytes(9 << 20)
    writer = room.new_writer("second", chunk_size=8 << 20)
    content = await room.put(data, writer)
    await writer.close()
    proxy.asked()
    assert await room.get(content) == data
    assert proxy.asked() == ["GET"] * (4 + 1 + 1)  # four windows and the list; the last chunk with its list
    assert await room.get(content, 5 << 20, 1 << 20) == data[5 << 20 : 6 << 20]
    assert proxy.asked() == ["GET"]  # the list is known


@pytest.mark.anyio
async def test_a_small_object_is_one_request(room: Room, proxy: Proxy) -> None:
    content = await room.put(random_bytes(CHUNK))
    proxy.asked()
    assert len(await room.get(content)) == CHUNK
    assert proxy.asked() == ["GET"]


@pytest.mark.anyio
async def test_the_end_of_a_chunk_is_one_request(room: Room, proxy: Proxy) -> None:
    data = random_bytes(8 << 20)
    writer = room.new_writer("second", chunk_size=8 << 20)
    content = await room.put(data, writer)
    await writer.close()
    proxy.asked()
    assert await room.get(content, (8 << 20) - 1000, 1000) == data[-1000:]
    assert proxy.asked() == ["GET"]
    assert await room.get(content, 1000, 1000) == data[1000:2000]
    assert proxy.asked() == ["GET"]


@pytest.mark.anyio
async def test_a_read_without_memory_for_windows_asks_for_its_pieces(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = room.store
    assert isinstance(store, RemoteStore)
    monkeypatch.setattr(store, "_ahead", remote_source.Ahead(memory=0))
    data = random_bytes(3 << 20)
    writer = room.new_writer("second", chunk_size=8 << 20)
    content = await room.put(data, writer)
    await writer.close()
    assert await room.get(content) == data
    store.close()


@pytest.mark.anyio
async def test_the_memory_of_windows_is_given_back(room: Room, store: RemoteStore) -> None:
    data = random_bytes(3 << 20)
    writer = room.new_writer("second", chunk_size=8 << 20)
    content = await room.put(data, writer)
    await writer.close()
    assert await room.get(content) == data
    pieces = room.reader.read(content)
    await anext(pieces)
    assert store._ahead._free < remote_source.MEMORY
    await pieces.aclose()
    del pieces
    assert store._ahead._free == remote_source.MEMORY


@pytest.mark.anyio
async def test_the_same_bytes_again_cost_the_list_of_their_blocks(room: Room, proxy: Proxy, store: RemoteStore) -> None:
    data = random_bytes(8 << 20)
    writer = room.new_writer("second", chunk_size=8 << 20)
    first = await room.put(data, writer)
    store.distrust(first_location(room, first.extents[0].digest))
    proxy.requests.clear()
    second = await room.put(data, writer)
    await writer.close()
    assert second.extents == first.extents
    assert [method for method, _ in proxy.requests] == ["GET"]
    assert len(list(store.locations())) == 1


def first_location(room: Room, digest: bytes) -> str:
    assert isinstance(room.store, RemoteStore)
    (location,) = room.store.locations()
    return location


@pytest.mark.anyio
async def test_what_scrubbing_found_bad_is_not_believed_to_be_there(room: Room, store: RemoteStore) -> None:
    data = random_bytes(CHUNK)
    content = await room.put(data)
    (bad,) = store.locations()
    digest = content.extents[0].digest
    await room.database.write(damaged_blobs.note, digest, bad, CHUNK, "changed", "a block", False)
    again = await room.put(data)
    assert again.extents == content.extents
    (good,) = store.locations()
    assert good != bad
    assert await room.get(content) == data
    assert await room.database.read(damaged_blobs.count) == 0


@pytest.mark.anyio
async def test_an_object_of_another_length_is_not_believed(room: Room, store: RemoteStore) -> None:
    data = random_bytes(CHUNK)
    await room.put(data)
    (location,) = store.locations()
    store.delete(location)
    write(store, location, data[:100])
    store.distrust(location)
    content = await room.put(data)
    assert await room.get(content) == data


@pytest.mark.anyio
async def test_bytes_that_the_network_changed_are_read_again(room: Room, proxy: Proxy) -> None:
    data = random_bytes(CHUNK)
    content = await room.put(data)
    faults = iter(["flip"])
    proxy.fault = lambda method, path: next(faults, "")
    assert await room.get(content) == data


@pytest.mark.anyio
@pytest.mark.parametrize("length", [1000, CHUNK, 3 << 20])
async def test_bytes_that_stay_wrong_are_never_served(room: Room, proxy: Proxy, length: int) -> None:
    data = random_bytes(length + CHUNK)
    writer = room.new_writer("second", chunk_size=8 << 20)
    content = await room.put(data, writer)
    await writer.close()
    with failing(proxy, "flip"), pytest.raises(DamagedChunk):
        await room.get(content, 0, length)
    assert await room.get(content) == data


@pytest.mark.parametrize("kind", ["refuse", "throttle", "hang"])
def test_a_store_that_is_away_is_told_within_the_time_limit(
    impatient_store: RemoteStore, proxy: Proxy, kind: str
) -> None:
    store = impatient_store
    write(store, HERE, b"x")
    began = time.monotonic()
    with failing(proxy, kind), pytest.raises(StoreUnavailable) as refused:
        read(store, HERE, 0, 1)
    assert refused.value.again
    assert time.monotonic() - began < 3


def test_a_store_that_falls_silent_is_not_taken_for_well_until_the_time_limit(
    impatient_store: RemoteStore, proxy: Proxy
) -> None:
    outage = impatient_store.objects.outage
    write(impatient_store, HERE, b"x")
    assert outage.has_answered_lately()
    with failing(proxy, "hang"), ThreadPoolExecutor(1) as thread:
        asked = thread.submit(read, impatient_store, HERE, 0, 1)
        while outage.has_answered_lately():
            assert not asked.done()
            time.sleep(0.01)
        assert outage.reason is None, "no call has failed yet"
        assert isinstance(asked.exception(), StoreUnavailable)


def test_while_a_store_is_away_one_asks_and_the_others_do_not_wait(impatient_store: RemoteStore, proxy: Proxy) -> None:
    store = impatient_store
    write(store, HERE, b"x")
    with failing(proxy, "throttle"):
        with pytest.raises(StoreUnavailable):
            read(store, HERE, 0, 1)
        proxy.asked()
        began = time.monotonic()
        with ThreadPoolExecutor(8) as threads:
            asked = [threads.submit(read, store, HERE, 0, 1) for _ in range(200)]
        assert all(isinstance(one.exception(), StoreUnavailable) for one in asked)
        assert time.monotonic() - began < 1
        assert proxy.asked() == []


def test_a_store_that_is_back_is_asked_again(impatient_store: RemoteStore, proxy: Proxy) -> None:
    store = impatient_store
    store.objects.outage = Outage(rest=0)
    write(store, HERE, b"x")
    with failing(proxy, "throttle"), pytest.raises(StoreUnavailable):
        read(store, HERE, 0, 1)
    assert store.objects.outage.reason is not None
    assert read(store, HERE, 0, 1) == b"x"
    assert store.objects.outage.reason is None


def test_a_chunk_that_could_not_be_sent_leaves_nothing(impatient_store: RemoteStore, proxy: Proxy) -> None:
    store = impatient_store
    store.objects.outage = Outage(rest=0)
    write(store, THERE, b"first")
    sink = store.create(HERE)
    sink.write(0, b"x")
    with failing(proxy, "throttle", "PUT"), pytest.raises(StoreUnavailable):
        sink.commit()
    sink.discard()
    assert list(store.locations()) == [THERE]


def test_wrong_credentials_and_a_missing_bucket_are_not_worth_trying_again(
    proxy: Proxy, credentials: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_bucket = RemoteStore(new_objects(proxy, "s3://no-such-bucket/x"), tmp_path)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    refused = RemoteStore(new_objects(proxy), tmp_path)
    for store in (no_bucket, refused):
        for method in (lambda store: read(store, HERE, 0, 1), lambda store: write(store, HERE, b"x")):
            with pytest.raises(StoreUnavailable) as told:
                method(store)
            assert not told.value.again
        store.close()


def test_no_secret_is_told(impatient_store: RemoteStore, proxy: Proxy) -> None:
    store = impatient_store
    with failing(proxy, "throttle"), pytest.raises(StoreUnavailable) as refused:
        read(store, HERE, 0, 1)
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in str(refused.value)
    assert len(str(refused.value)) <= 300


@pytest.mark.parametrize(
    "url", ["", "s3://", "s3:///x", "http://bucket/x", "s3://bucket/../x", "s3://bucket/x?y", "s3://b@h/x", "file:///x"]
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be s3://"):
        parse_store_url(url)


@pytest.mark.parametrize(
    ("place", "other", "is_in_it"),
    [
        ("s3://bucket/a/", "s3://bucket/a", True),
        ("s3://bucket/a/b", "s3://bucket/a", True),
        ("s3://bucket/a", "s3://bucket", True),
        ("s3://bucket", "s3://bucket/a", False),
        ("s3://bucket/ab", "s3://bucket/a", False),
        ("s3://other/a", "s3://bucket/a", False),
        ("gs://bucket/a", "s3://bucket/a", False),
        ("folder", "folder", True),
        ("folder", "s3://bucket", False),
    ],
)
def test_which_place_lies_in_another(place: str, other: str, is_in_it: bool) -> None:
    assert is_within(place, other) is is_in_it


def test_a_prefix_has_no_empty_folders() -> None:
    assert parse_store_url("s3://bucket//a//b/") == ("s3", "bucket", "a/b")
    assert parse_store_url("gs://bucket") == ("gs", "bucket", "")
