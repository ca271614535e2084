"""A body that is being cut into chunks while it streams in.

What has arrived is handed to threads in buffers of 512 KiB: MD5 runs in one queue while BLAKE3, the requested checksums
and write() run in another and the next buffers fill. An upload holds at most four buffers (2 MiB), each reserved from
the budget of the process. A buffer is given up after a quarter of a second however little is in it, so a client that
stalls holds no memory. A chunk is made durable while the next one is being written.

An upload is bracketed: a CRC-64 over the bytes as they came from the client is compared with those over the bytes as
each thread saw them, the writing one after it wrote them. So whatever went wrong with the memory between, no row names
what was written.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from awscrt.checksums import crc64nvme

from s3gw.blobs.chunk import ChunkHasher
from s3gw.blobs.read_pins import Pin, ReadPins
from s3gw.blobs.serial_queue import SerialQueue
from s3gw.blobs.store import BlobSink, BlobStore
from s3gw.blobs.stored_chunk import is_intact
from s3gw.blobs.upload_buffers import BUFFER, BufferMisused, UploadBuffer, UploadBuffers
from s3gw.metadata import blobs
from s3gw.metadata.blobs import Blob
from s3gw.metadata.contents import Extent, NewChunk, NewContent, manifest
from s3gw.metadata.database import Database

_BUFFERS = 4  # of one upload: one being filled, the others with the threads
_HOLD = 0.25  # seconds that a buffer may wait to become full
_UNSETTLED = 2  # chunks of one upload on their way to the disk

T = TypeVar("T")


class Hasher(Protocol):
    """An algorithm of wire/checksums.py. `update` is given views of memory that is used again afterwards."""

    def update(self, data: memoryview, /) -> object: ...

    def digest(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class WriteServices:
    """What all uploads of a process share."""

    database: Database
    store: BlobStore
    pins: ReadPins
    buffers: UploadBuffers
    hashing: Executor
    disk: Executor
    new_location: Callable[[], str]
    chunk_size: int


class BodyMixedUp(Exception):
    """What was written or hashed isn't what was received. Nothing of the upload may be named by a row."""


class _Discarded(Exception):
    """What the jobs fail with that had not begun when their body was given up."""


class _NewFile:
    """A chunk being written. Its methods run in threads, one after the other: each waits for the future of the one
    before, or stands behind it in the upload's queue."""

    def __init__(self, store: BlobStore, location: str) -> None:
        self.location = location
        self._store = store
        self._sink: BlobSink | None = None
        self._hasher = ChunkHasher()

    @property
    def size(self) -> int:
        return self._hasher.size

    def append(self, data: memoryview) -> None:
        if self._sink is None:
            self._sink = self._store.create(self.location)
        self._hasher.update(data)
        self._sink.append(data)

    def finish(self) -> bytes:
        digest, blocks = self._hasher.finish()
        assert self._sink is not None, "a chunk is finished only when something is in it"
        self._sink.append(blocks)
        return digest

    def commit(self) -> None:
        assert self._sink is not None, "as in finish"
        self._sink.commit()

    def discard(self) -> None:
        if self._sink is not None:
            self._sink.discard()


class ChunkedBody:
    """Feed it with `add`; it ends with `finish` and `close`, or with `discard`. For one event loop.

    What threads do with it: `_written` is the writing queue's, `_hashed` and `_md5` are the hashing queue's; both are
    read here only after the last job of their queue was awaited. All else is touched on the event loop only.
    """

    def __init__(self, services: WriteServices, hashers: Mapping[str, Hasher]) -> None:
        self._services = services
        self._loop = asyncio.get_running_loop()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._hashers = tuple(hashers.values())
        self._received = self._written = self._hashed = 0  # CRC-64 of the bytes so far
        self._hash_queue = SerialQueue(services.hashing)
        self._write_queue = SerialQueue(services.disk)
        self._buffer: UploadBuffer | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._lent = 0  # buffers that threads may be reading
        self._returned = asyncio.Event()
        self._misused: BufferMisused | None = None
        self._file: _NewFile | None = None
        self._file_size = 0
        self._files: list[_NewFile] = []
        self._settling: list[asyncio.Task[tuple[Extent, NewChunk | None]]] = []
        self._own: set[bytes] = set()
        self._pins: list[Pin] = []

    @property
    def locations(self) -> list[str]:
        """Everywhere that something of ours may lie."""
        return [file.location for file in self._files]

    async def add(self, piece: bytes) -> None:
        """Take a piece; waits while the threads are behind or the process's budget is used up."""
        self._received = crc64nvme(piece, self._received)
        position = 0
        while position < len(piece):
            if self._buffer is None:
                self._buffer = await self._open_buffer()
            buffer = self._buffer
            size = min(len(piece) - position, BUFFER - buffer.filled, self._services.chunk_size - self._file_size)
            # Copied, so that pieces of any size cost what they hold, and a thread takes the GIL once for many.
            buffer.fill(piece if size == len(piece) else memoryview(piece)[position : position + size])
            self._file_size += size
            position += size
            if self._file_size == self._services.chunk_size:
                await self._end_file()
            elif buffer.filled == BUFFER:
                self._submit_buffer()

    async def finish(self) -> tuple[NewContent, str]:
        """The content, all of it durable, and the MD5 in hexadecimal digits. Raises BodyMixedUp, BufferMisused."""
        if self._file_size:
            await self._end_file()
        await self._result(self._hash_queue.submit(lambda: None))
        settled = [await task for task in self._settling]
        await self._all_returned()
        if self._misused is not None:
            raise self._misused
        if not self._received == self._written == self._hashed:
            raise BodyMixedUp(
                f"the CRC-64 of the body received is {self._received:016x},"
                f" of the one written {self._written:016x}, of the one hashed {self._hashed:016x}"
            )
        chunks = [chunk for _, chunk in settled if chunk is not None]
        return manifest([extent for extent, _ in settled], chunks), self._md5.hexdigest()

    async def discard(self) -> None:
        """Remove every file, as soon as no thread works on one any more, and close."""
        if self._buffer is not None:
            self._give_back(self._close_buffer())
        for queue in (self._hash_queue, self._write_queue):
            queue.fail(_Discarded())
            await asyncio.gather(asyncio.wrap_future(queue.submit(lambda: None)), return_exceptions=True)
        await self._all_returned()
        await asyncio.gather(*self._settling, return_exceptions=True)
        self.close()
        await self._on_disk(self._discard_files)

    def close(self) -> None:
        """The transaction has ended, or nobody waits for it: let go of the stored chunks that it was to count on."""
        for pin in self._pins:
            pin.close()

    def _discard_files(self) -> None:
        for file in self._files:
            file.discard()

    async def _open_buffer(self) -> UploadBuffer:
        while self._lent >= _BUFFERS - 1:
            await self._next_returned()
        error = self._misused or self._write_queue.error
        if error is not None:
            raise error
        buffer = await self._services.buffers.take()
        self._timer = self._loop.call_later(_HOLD, self._submit_buffer)
        return buffer

    def _close_buffer(self) -> UploadBuffer:
        assert self._buffer is not None, "only an open buffer is closed"
        assert self._timer is not None, "an open buffer has a timer"
        self._timer.cancel()
        closed, self._buffer = self._buffer, None
        return closed

    def _submit_buffer(self) -> None:
        """Lend the buffer to both queues. It comes back when the event loop has heard of both."""
        buffer = self._close_buffer()
        if self._file is None:
            self._file = _NewFile(self._services.store, self._services.new_location())
            self._files.append(self._file)
        written, hashed = buffer.lend(), buffer.lend()
        buffer.readers = 2
        self._lent += 1

        def done(_: Future[object]) -> None:  # in a thread
            self._loop.call_soon_threadsafe(self._job_done, buffer)

        self._write_queue.submit(partial(self._write, self._file, written)).add_done_callback(done)
        self._hash_queue.submit(partial(self._hash, hashed)).add_done_callback(done)

    def _write(self, file: _NewFile, data: memoryview) -> None:
        file.append(data)
        for hasher in self._hashers:
            hasher.update(data)
        self._written = crc64nvme(data, self._written)  # last, so that it sees what the disk was given, or later

    def _hash(self, data: memoryview) -> None:
        self._md5.update(data)
        self._hashed = crc64nvme(data, self._hashed)

    def _job_done(self, buffer: UploadBuffer) -> None:
        buffer.readers -= 1
        if buffer.readers == 0:
            self._lent -= 1
            self._give_back(buffer)
            self._returned.set()

    def _give_back(self, buffer: UploadBuffer) -> None:
        try:
            self._services.buffers.give_back(buffer)
        except BufferMisused as error:
            self._misused = error

    async def _next_returned(self) -> None:
        self._returned.clear()
        await self._returned.wait()

    async def _all_returned(self) -> None:
        while self._lent:
            await self._next_returned()

    async def _end_file(self) -> None:
        """Hand the last buffer of a chunk to the threads and begin to make the chunk durable."""
        if self._buffer is not None:
            self._submit_buffer()
        file, self._file, self._file_size = self._file, None, 0
        assert file is not None, "a chunk that has bytes has a file"
        digest = self._write_queue.submit(file.finish)
        self._settling.append(self._loop.create_task(self._settle(file, digest)))
        if len(self._settling) > _UNSETTLED:
            await asyncio.shield(self._settling[-1 - _UNSETTLED])

    async def _settle(self, file: _NewFile, finished: Future[Any]) -> tuple[Extent, NewChunk | None]:
        """Make a written chunk durable, unless its bytes are stored already; None: it occurred in this body before."""
        digest: bytes = await self._result(finished)
        extent = Extent(digest, 0, file.size)
        if digest in self._own:
            await self._on_disk(file.discard)
            return extent, None
        self._own.add(digest)
        with self._services.pins.open() as pin:
            stored = await self._services.database.read(blobs.find, digest)
            pin.keep_blob(digest)
            chunk = await self._on_disk(partial(choose, self._services.store, stored, digest, file.location, file.size))
            if chunk.location is None:
                self._pins.append(pin.pass_on())
        await self._on_disk(file.discard if chunk.location is None else file.commit)
        return extent, chunk

    async def _on_disk(self, job: Callable[[], T]) -> T:
        # Shielded: who is cancelled must not leave before the thread does, but `discard` waits for the tasks.
        return await asyncio.shield(self._loop.run_in_executor(self._services.disk, job))

    async def _result(self, future: Future[object]) -> Any:
        return await asyncio.shield(asyncio.wrap_future(future))


def choose(store: BlobStore, stored: Blob | None, digest: bytes, ours: str, size: int) -> NewChunk:
    """What a content is to count on: a stored chunk that proves intact, or ours, which then must be made durable."""
    if stored is None:
        return NewChunk(digest, ours, size)
    if stored.size != size or not is_intact(store, stored):
        return NewChunk(digest, ours, size, replaces=stored.location)
    # Where nothing counts on it the reaper may be quicker than our commit: ours is kept for that case.
    return NewChunk(digest, None if stored.refs > 0 else ours, size)
