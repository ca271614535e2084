"""A body that is being cut into chunks while it streams in.

What has arrived is handed to threads in slices of at most 512 KiB: MD5 runs in one lane while BLAKE3, the requested
checksums and write() run in another and the next slices arrive. An upload holds at most four slices (2 MiB), each
reserved from the budget of the process. A slice is given up after a quarter of a second however little is in it, so
a client that stalls holds no memory. A chunk is made durable while the next one is being written.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from s3gw.blobs.chunk import ChunkHasher
from s3gw.blobs.lane import Lane
from s3gw.blobs.slices import SLICE, SlicePool
from s3gw.blobs.store import BlobSink, BlobStore
from s3gw.blobs.stored_chunk import is_intact
from s3gw.metadata import blobs
from s3gw.metadata.blobs import Blob
from s3gw.metadata.contents import Extent, NewChunk, NewContent, manifest
from s3gw.metadata.database import Database

_SLICES = 4  # of one upload: one being filled, the others in the lanes
_HOLD = 0.25  # seconds that a slice may wait to become full
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
    slices: SlicePool
    hashing: Executor
    disk: Executor
    new_location: Callable[[], str]
    chunk_size: int


class _Discarded(Exception):
    """What the jobs fail with that had not begun when their body was given up."""


class _NewFile:
    """A chunk being written. All methods but the first run in threads, one at a time."""

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
    """Feed it with `add`; it ends with `finish` or `discard`. For one event loop."""

    def __init__(self, services: WriteServices, hashers: Mapping[str, Hasher]) -> None:
        self._services = services
        self._loop = asyncio.get_running_loop()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._hashers = tuple(hashers.values())
        self._hash_lane = Lane(services.hashing)
        self._write_lane = Lane(services.disk)
        self._slice: memoryview | None = None
        self._filled = 0
        self._timer: asyncio.TimerHandle | None = None
        self._in_lanes = 0
        self._lane_done = asyncio.Event()
        self._file: _NewFile | None = None
        self._file_size = 0
        self._files: list[_NewFile] = []
        self._settling: list[asyncio.Task[tuple[Extent, NewChunk | None]]] = []
        self._own: set[bytes] = set()

    @property
    def locations(self) -> list[str]:
        """Everywhere that something of ours may lie."""
        return [file.location for file in self._files]

    async def add(self, piece: bytes) -> None:
        """Take a piece; waits while the lanes or the process's budget are full."""
        position = 0
        while position < len(piece):
            if self._slice is None:
                await self._open_slice()
            assert self._slice is not None, "opened above"
            size = min(len(piece) - position, SLICE - self._filled, self._services.chunk_size - self._file_size)
            # Copied, so that pieces of any size cost what they hold, and a thread takes the GIL once for many.
            self._slice[self._filled : self._filled + size] = (
                piece if size == len(piece) else memoryview(piece)[position : position + size]
            )
            self._filled += size
            self._file_size += size
            position += size
            if self._file_size == self._services.chunk_size:
                await self._end_file()
            elif self._filled == SLICE:
                self._submit_slice()

    async def finish(self) -> tuple[NewContent, str]:
        """The content, all of it durable, and the MD5 in hexadecimal digits."""
        if self._file_size:
            await self._end_file()
        await self._result(self._hash_lane.submit(lambda: None))
        settled = [await task for task in self._settling]
        chunks = [chunk for _, chunk in settled if chunk is not None]
        return manifest([extent for extent, _ in settled], chunks), self._md5.hexdigest()

    async def discard(self) -> None:
        """Remove every file, as soon as no thread works on one any more."""
        if self._slice is not None:
            self._services.slices.give_back(self._close_slice())
        for lane in (self._hash_lane, self._write_lane):
            lane.fail(_Discarded())
            await asyncio.gather(asyncio.wrap_future(lane.submit(lambda: None)), return_exceptions=True)
        while self._in_lanes:
            await self._next_lane_done()
        await asyncio.gather(*self._settling, return_exceptions=True)
        await self._on_disk(self._discard_files)

    def _discard_files(self) -> None:
        for file in self._files:
            file.discard()

    async def _open_slice(self) -> None:
        while self._in_lanes >= _SLICES - 1:
            await self._next_lane_done()
        if self._write_lane.error is not None:
            raise self._write_lane.error
        self._slice = await self._services.slices.take()
        self._timer = self._loop.call_later(_HOLD, self._submit_slice)

    def _close_slice(self) -> memoryview:
        assert self._slice is not None, "only an open slice is closed"
        assert self._timer is not None, "an open slice has a timer"
        self._timer.cancel()
        closed, self._slice, self._filled = self._slice, None, 0
        return closed

    def _submit_slice(self) -> None:
        data = memoryview(self._slice or b"")[: self._filled]
        memory = self._close_slice()
        if self._file is None:
            self._file = _NewFile(self._services.store, self._services.new_location())
            self._files.append(self._file)
        self._in_lanes += 1
        lanes = [self._hash_lane, self._write_lane]

        def done(_: Future[object]) -> None:
            lanes.pop()  # atomic: the lane that empties the list is the later one
            if not lanes:
                self._loop.call_soon_threadsafe(self._slice_done, memory)

        self._write_lane.submit(partial(self._write, self._file, data)).add_done_callback(done)
        self._hash_lane.submit(partial(self._md5.update, data)).add_done_callback(done)

    def _write(self, file: _NewFile, data: memoryview) -> None:
        file.append(data)
        for hasher in self._hashers:
            hasher.update(data)

    def _slice_done(self, memory: memoryview) -> None:
        self._in_lanes -= 1
        self._services.slices.give_back(memory)
        self._lane_done.set()

    async def _next_lane_done(self) -> None:
        self._lane_done.clear()
        await self._lane_done.wait()

    async def _end_file(self) -> None:
        """Hand the last slice of a chunk to the lanes and begin to make the chunk durable."""
        if self._slice is not None:
            self._submit_slice()
        file, self._file, self._file_size = self._file, None, 0
        assert file is not None, "a chunk that has bytes has a file"
        digest = self._write_lane.submit(file.finish)
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
        stored = await self._services.database.read(blobs.find, digest)
        chunk = await self._on_disk(partial(choose, self._services.store, stored, digest, file.location, file.size))
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
