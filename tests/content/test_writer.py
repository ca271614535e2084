"""Bodies become contents: what is durable when, what is left after a failure, and how much memory it takes."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import threading
import tracemalloc
from typing import Any

import pytest

from s3gw.checksums import ALGORITHMS
from s3gw.content.new_chunk import ChunkFile
from s3gw.content.upload import Upload
from s3gw.content.upload_buffers import BUFFER, BodyMixedUp, BufferMisused, UploadBuffer, UploadBuffers
from s3gw.content.writer import BodyWriter
from s3gw.errors import BadDigest, IncompleteBody
from s3gw.metadata import blobs, contents
from s3gw.metadata.contents import INLINE, MANIFEST, ContentLost
from s3gw.metadata.database import Connection, DatabaseUnavailable
from tests.content.bodies import PiecedBody, StallingBody, body_of, random_bytes
from tests.content.conftest import BLOCK, CHUNK, Room

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("size", [0, 1, 1023, 1024])
async def test_a_small_body_is_inline_and_touches_no_disk(room: Room, size: int) -> None:
    data = random_bytes(size)
    async with room.writer.storing(body_of(data, 100)) as stored:
        assert stored.content.form == INLINE
        assert stored.content.layout == data
        assert (stored.size, stored.md5) == (size, hashlib.md5(data).hexdigest())
    assert room.files() == []


@pytest.mark.parametrize(
    ("size", "piece"),
    [(1025, 1025), (BLOCK, 1000), (CHUNK - 1, 2**20), (CHUNK, BLOCK), (CHUNK + 1, CHUNK), (3 * CHUNK + 12345, 10_000)],
)
async def test_a_larger_body_is_cut_into_chunks(room: Room, size: int, piece: int) -> None:
    data = random_bytes(size)
    async with room.writer.storing(body_of(data, piece)) as stored:
        assert (stored.content.form, stored.content.size, stored.size) == (MANIFEST, size, size)
        assert stored.md5 == hashlib.md5(data).hexdigest()
        content = await room.add(stored.content)
    assert [extent.length for extent in content.extents[:-1]] == [CHUNK] * (len(content.extents) - 1)
    assert len(room.files()) == -(-size // CHUNK)
    assert await room.get(content) == data


@pytest.mark.parametrize("piece", [10_000, 2**21])
async def test_a_chunk_has_several_buffers_and_they_stay_in_their_order(room: Room, piece: int) -> None:
    chunk = 3 * BUFFER + BLOCK
    data, writer = random_bytes(2 * chunk + BUFFER + 7), room.new_writer("second", chunk_size=chunk)
    async with writer.storing(body_of(data, piece)) as stored:
        assert stored.md5 == hashlib.md5(data).hexdigest()
        content = await room.add(stored.content)
    await writer.close()
    assert [extent.length for extent in content.extents] == [chunk, chunk, BUFFER + 7]
    assert len(room.files()) == 3
    assert await room.get(content) == data


@pytest.mark.parametrize("size", [100, 2 * CHUNK + 5])
async def test_requested_checksums_run_over_the_same_bytes(room: Room, size: int) -> None:
    data = random_bytes(size)
    async with room.writer.storing(body_of(data), {"SHA1": hashlib.sha1(), "SHA256": hashlib.sha256()}) as stored:
        assert stored.checksums == {"SHA1": hashlib.sha1(data).digest(), "SHA256": hashlib.sha256(data).digest()}


async def test_a_checksum_of_other_bytes_than_were_received_ends_the_upload(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a buffer never gets to the queue that hashes it."""
    data, digest, digested = random_bytes(2 * CHUNK), Upload._digest, list[int]()

    def all_but_the_first(upload: Any, chunk: ChunkFile, buffer: memoryview) -> None:
        digested.append(len(buffer))
        if len(digested) > 1:
            digest(upload, chunk, buffer)
        else:
            chunk.hash(buffer)

    monkeypatch.setattr(Upload, "_digest", all_but_the_first)
    with pytest.raises(BodyMixedUp):
        async with room.writer.storing(body_of(data, 2**20), {"CRC64NVME": ALGORITHMS["CRC64NVME"].hasher()}):
            pass
    assert room.files() == []
    monkeypatch.undo()
    async with room.writer.storing(body_of(data, 2**20), {"CRC64NVME": ALGORITHMS["CRC64NVME"].hasher()}) as stored:
        assert stored.content.size == 2 * CHUNK


async def test_files_and_folders_are_flushed_before_the_body_counts_as_stored(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, write = os.fsync, os.pwrite

    def recorded_fsync(fd: int) -> None:
        fsync(fd)
        events.append("flush " + os.readlink(f"/proc/self/fd/{fd}"))

    def recorded_write(fd: int, data: bytes, offset: int) -> int:
        events.append("write " + os.readlink(f"/proc/self/fd/{fd}"))
        return write(fd, data, offset)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "pwrite", recorded_write)
    async with room.writer.storing(body_of(random_bytes(3 * CHUNK))) as stored:
        at_the_end = list(events)
        for chunk in stored.content.chunks:
            path = str(room.folder / str(chunk.location)[-2:] / str(chunk.location))
            folder = path.rpartition("/")[0]
            last_write = max(index for index, event in enumerate(at_the_end) if event == f"write {path}")
            assert last_write < at_the_end.index(f"flush {path}") < at_the_end.index(f"flush {folder}")


@pytest.mark.parametrize("sent", [2000, CHUNK // 2, CHUNK, 3 * CHUNK + 1])
async def test_a_body_that_turns_out_wrong_leaves_nothing(room: Room, sent: int) -> None:
    with pytest.raises(IncompleteBody):
        async with room.writer.storing(PiecedBody([random_bytes(sent)], IncompleteBody())):
            pytest.fail("the body isn't complete")
    assert room.files() == []


async def test_a_refusal_after_the_body_leaves_nothing(room: Room) -> None:
    with pytest.raises(BadDigest):
        async with room.writer.storing(body_of(random_bytes(2 * CHUNK))):
            raise BadDigest
    assert room.files() == []


async def test_a_refused_transaction_leaves_nothing(room: Room) -> None:
    def refuse(conn: Connection, new: contents.NewContent) -> None:
        contents.insert(conn, new)
        raise BadDigest

    with pytest.raises(BadDigest):
        async with room.writer.storing(body_of(random_bytes(2 * CHUNK))) as stored:
            await room.database.write(refuse, stored.content)
    assert room.files() == []


@pytest.mark.parametrize("error", [DatabaseUnavailable("lost"), asyncio.CancelledError()])
async def test_files_of_an_unknown_outcome_are_left_to_the_sweep(room: Room, error: BaseException) -> None:
    with pytest.raises(type(error)):
        async with room.writer.storing(body_of(random_bytes(2 * CHUNK))):
            raise error
    assert len(room.files()) == 2


@pytest.mark.parametrize("sent", [10, 2000, CHUNK, 2 * CHUNK + 100])
async def test_a_cancelled_upload_leaves_nothing(room: Room, sent: int) -> None:
    body = StallingBody([random_bytes(sent)])

    async def upload() -> None:
        async with room.writer.storing(body):
            pytest.fail("the body never ends")

    task = asyncio.ensure_future(upload())
    await body.stalled.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert room.files() == []
    assert room.writer.buffers.free == 64 * 2**20 // BUFFER


@pytest.mark.parametrize("stage", ["finish", "commit"])
async def test_an_upload_cancelled_at_its_end_closes_its_file_after_the_thread_that_uses_it(
    room: Room, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """Else the thread would write to, or flush, whatever file has got the same descriptor meanwhile."""
    work, begun, go = getattr(ChunkFile, stage), threading.Event(), threading.Event()
    discard, order = ChunkFile.discard, list[str]()

    def slow(self: ChunkFile) -> object:
        begun.set()
        go.wait(20)
        order.append("worked")
        return work(self)

    def discarded(self: ChunkFile) -> None:
        order.append("discarded")
        discard(self)

    monkeypatch.setattr(ChunkFile, stage, slow)
    monkeypatch.setattr(ChunkFile, "discard", discarded)

    async def upload() -> None:
        async with room.writer.storing(body_of(random_bytes(CHUNK))):
            pytest.fail("it was cancelled")

    task = asyncio.ensure_future(upload())
    await asyncio.to_thread(begun.wait, 20)
    task.cancel()
    await asyncio.sleep(0.2)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert order == ["worked", "discarded"]
    assert room.files() == []


async def test_a_full_disk_fails_the_upload_and_leaves_nothing(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    write, room_left = os.pwrite, [2 * CHUNK]

    def fills_up(fd: int, data: bytes, offset: int) -> int:
        room_left[0] -= len(data)
        if room_left[0] < 0:
            raise OSError(28, "No space left on device")
        return write(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", fills_up)
    with pytest.raises(OSError, match="No space"):
        async with room.writer.storing(body_of(random_bytes(20 * CHUNK))):
            pytest.fail("there was no space")
    assert room.files() == []
    assert room.writer.buffers.free == 64 * 2**20 // BUFFER


async def test_a_file_that_cannot_be_made_long_enough_is_removed(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, size: int) -> None:
        raise OSError(27, "File too large")

    class SizedBody(PiecedBody):
        size = 2000

    monkeypatch.setattr(os, "ftruncate", refuse)
    with pytest.raises(OSError, match="File too large"):
        async with room.writer.storing(SizedBody([random_bytes(2000)])):
            pytest.fail("its file couldn't be made")
    assert room.files() == []


async def test_the_same_bytes_are_stored_once(room: Room) -> None:
    data = random_bytes(2 * CHUNK)
    first = await room.put(data)
    files = room.files()
    async with room.writer.storing(body_of(data)) as stored:
        assert [chunk.location for chunk in stored.content.chunks] == [None, None]
        second = await room.add(stored.content)
    assert room.files() == files
    assert first.id != second.id
    blob = await room.database.read(blobs.find, first.extents[0].digest)
    assert blob is not None
    assert blob.refs == 2


async def test_a_chunk_that_occurs_twice_in_a_body_is_stored_and_counted_once(room: Room) -> None:
    chunk = random_bytes(CHUNK)
    content = await room.put(chunk * 5)
    assert len(room.files()) == 1
    blob = await room.database.read(blobs.find, content.extents[0].digest)
    assert blob is not None
    assert blob.refs == 1
    assert await room.get(content) == chunk * 5


async def test_two_uploads_of_the_same_bytes_at_once_keep_one_file(room: Room) -> None:
    data = random_bytes(CHUNK)
    async with room.writer.storing(body_of(data)) as one, room.writer.storing(body_of(data)) as other:
        assert len(room.files()) == 2
        first, second = await room.add(one.content), await room.add(other.content)
    assert len(room.files()) == 1
    assert await room.get(first) == await room.get(second) == data


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
async def test_a_stored_chunk_found_bad_is_replaced(room: Room, damage: str) -> None:
    data = random_bytes(CHUNK)
    first = await room.put(data)
    (bad,) = room.files()
    stored = bytearray(bad.read_bytes())
    stored[BLOCK] ^= 1
    if damage == "gone":
        bad.unlink()
    else:
        bad.write_bytes(stored if damage == "flipped" else stored[:-1])
    second = await room.put(data)
    (good,) = room.files()
    assert good.name != bad.name
    assert await room.get(first) == await room.get(second) == data


async def test_a_chunk_nobody_counts_on_is_counted_again(room: Room) -> None:
    data = random_bytes(CHUNK)
    before = await room.put(data)
    await room.database.write(contents.release, before.id)
    assert await room.database.write(contents.unwind, before.id)
    await room.database.write(blobs.mark, [before.extents[0].digest], 1)
    after = await room.put(data)
    blob = await room.database.read(blobs.find, after.extents[0].digest)
    assert blob is not None
    assert blob.refs == 1
    assert len(room.files()) == 1
    assert await room.database.write(blobs.delete_blobs_released_before, 10**18, 100) == []


async def test_a_chunk_that_lost_its_row_by_the_commit_fails_the_request(room: Room) -> None:
    data = random_bytes(CHUNK)
    before = await room.put(data)

    async def upload() -> None:
        async with room.writer.storing(body_of(data)) as stored:
            await room.database.write(contents.release, before.id)
            await room.database.write(contents.unwind, before.id)
            await room.database.write(blobs.mark, [before.extents[0].digest], 1)
            await room.database.write(blobs.delete_blobs_released_before, 2, 100)
            await room.add(stored.content)

    with pytest.raises(ContentLost):
        await upload()


async def test_a_chunk_reaped_while_nobody_counted_on_it_is_inserted_by_the_upload(room: Room) -> None:
    data = random_bytes(CHUNK)
    before = await room.put(data)
    await room.database.write(contents.release, before.id)
    await room.database.write(contents.unwind, before.id)
    await room.database.write(blobs.mark, [before.extents[0].digest], 1)
    async with room.writer.storing(body_of(data)) as stored:
        for location in await room.database.write(blobs.delete_blobs_released_before, 2, 100):
            room.store.delete(location)
        content = await room.add(stored.content)
    assert await room.get(content) == data


async def test_an_upload_pins_the_stored_chunks_it_counts_on_until_its_outcome_is_known(room: Room) -> None:
    known, new = random_bytes(CHUNK), random_bytes(CHUNK, 1)
    content = await room.put(known)
    async with room.writer.storing(body_of(known + new)):
        assert [pin.blob for pin in room.pins.lasting()] == [] and len(room.pins) == 1
        assert [pin.blob for pin in room.pins._open] == [content.extents[0].digest]
    assert len(room.pins) == 0


async def test_an_upload_that_fails_lets_go_of_the_stored_chunks_it_counted_on(room: Room) -> None:
    known = random_bytes(2 * CHUNK)
    await room.put(known)
    pieces = [known[first : first + BLOCK] for first in range(0, len(known), BLOCK)]
    with pytest.raises(RuntimeError, match="gone"):
        async with room.writer.storing(PiecedBody(pieces, RuntimeError("gone"))):
            pass
    assert len(room.pins) == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("stage", ["hash", "write"])
async def test_an_upload_whose_memory_changes_under_it_ends_and_leaves_nothing(
    room: Room, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """Whatever the reason, what was received isn't what was written (or hashed): no row may name it."""
    work = getattr(ChunkFile, stage)

    def spoil(self: ChunkFile, *args: Any) -> None:
        (buffer,) = [lent for lent in gc.get_objects() if isinstance(lent, UploadBuffer) and lent._view is args[-1]]
        assert buffer._memory is not None
        buffer._memory[buffer.filled // 2] ^= 1
        work(self, *args)

    monkeypatch.setattr(ChunkFile, stage, spoil)
    with pytest.raises(BodyMixedUp):
        async with room.writer.storing(body_of(random_bytes(3 * CHUNK))):
            pass
    assert room.files() == []
    assert room.writer.buffers.free == 64 * 2**20 // BUFFER


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_upload_whose_buffer_was_given_back_by_another_ends(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = ChunkFile.write
    loop = asyncio.get_running_loop()

    def give_back_too_early(self: ChunkFile, offset: int, data: memoryview) -> None:
        monkeypatch.setattr(ChunkFile, "write", write)
        (buffer,) = [lent for lent in gc.get_objects() if isinstance(lent, UploadBuffer) and lent._view is data]
        asyncio.run_coroutine_threadsafe(give_back(buffer), loop).result()
        write(self, offset, data)

    async def give_back(buffer: UploadBuffer) -> None:
        room.writer.buffers.give_back(buffer)

    monkeypatch.setattr(ChunkFile, "write", give_back_too_early)
    with pytest.raises((BodyMixedUp, BufferMisused, ValueError)):
        async with room.writer.storing(body_of(random_bytes(CHUNK))):
            pass
    assert room.files() == []
    assert room.writer.buffers.free == 64 * 2**20 // BUFFER


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_upload_whose_last_buffer_was_given_back_twice_ends(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffers = type(room.writer.buffers)
    give_back = buffers.give_back

    def twice(self: UploadBuffers, buffer: UploadBuffer) -> None:
        give_back(self, buffer)
        give_back(self, buffer)

    monkeypatch.setattr(buffers, "give_back", twice)
    with pytest.raises(BufferMisused):
        async with room.writer.storing(body_of(random_bytes(2000))):
            pass
    assert room.files() == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_clients_that_stall_do_not_hold_up_others(room: Room) -> None:
    small = BodyWriter(room.database, room.store, "second", room.pins, memory=4 * BUFFER)
    stalling = [StallingBody([random_bytes(300_000, seed)]) for seed in range(20)]

    async def upload(body: StallingBody) -> int:
        async with small.storing(body) as stored:
            return stored.size

    uploads = [asyncio.ensure_future(upload(body)) for body in stalling]
    await asyncio.gather(*(body.stalled.wait() for body in stalling))
    data = random_bytes(5_000_000, 99)
    async with asyncio.timeout(10):
        async with small.storing(body_of(data)) as stored:
            assert stored.md5 == hashlib.md5(data).hexdigest()
        buffers = [await small.buffers.take() for _ in range(4)]  # all of them came back
    for buffer in buffers:
        small.buffers.give_back(buffer)
    for body in stalling:
        body.resumed.set()
    assert await asyncio.gather(*uploads) == [300_000] * 20
    await small.close()
    assert room.files() == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_nothing_is_kept_of_what_a_stalled_client_sent_first(room: Room) -> None:
    size, count = 300_000, 10
    bodies = [StallingBody(random_bytes(size, seed) for seed in range(number, number + 1)) for number in range(count)]

    async def upload(body: StallingBody) -> None:
        async with room.writer.storing(body):
            pass

    tracemalloc.start()
    try:
        uploads = [asyncio.ensure_future(upload(body)) for body in bodies]
        await asyncio.gather(*(body.stalled.wait() for body in bodies))
        for buffer in [await room.writer.buffers.take() for _ in range(64 * 2**20 // BUFFER)]:  # all have come back
            room.writer.buffers.give_back(buffer)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < size * count / 4
    for body in bodies:
        body.resumed.set()
    await asyncio.gather(*uploads)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_upload_holds_at_most_two_mebibytes(room: Room) -> None:
    free: list[int] = []

    class Watched(PiecedBody):
        async def read(self) -> bytes:
            free.append(room.writer.buffers.free)
            return await super().read()

    data = random_bytes(6_000_000)
    async with room.writer.storing(Watched(data[first : first + 50_000] for first in range(0, len(data), 50_000))):
        pass
    assert 64 * 2**20 - min(free) * BUFFER <= 2 * 2**20


async def test_a_layout_with_a_replaced_chunk_survives_a_second_repair(room: Room) -> None:
    # Two uploads found the same stored chunk bad: the second one's repair must not undo the first one's.
    data = random_bytes(CHUNK)
    first = await room.put(data)
    (bad,) = room.files()
    bad.write_bytes(b"")
    async with room.writer.storing(body_of(data)) as one, room.writer.storing(body_of(data)) as other:
        assert [new.replaces for stored in (one, other) for new in stored.content.chunks] == [bad.name] * 2
        await room.add(one.content)
        await room.add(other.content)
    assert len(room.files()) == 1
    assert await room.get(first) == data
