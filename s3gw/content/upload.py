"""A long body becomes a content, in stages that work at the same time:

    receive   bytes of the client into a buffer, and their CRC-64           on the event loop
    digest    MD5 | the checksums asked for and the blocks of the chunk     two serial queues, in threads
    write     the buffer to its place in the file of the chunk              threads, several buffers at once
    settle    the chunk's digest; find it stored already, or flush it       beside the chunks that follow

A buffer is lent to digest and write together, and comes back when the last of them has read it. That one compares the
CRC-64 of the memory with that of the bytes received: whatever went wrong with the memory meanwhile, no row will name
what was hashed or written. What verifies the body (signatures, length) is the body itself, at `receive`; its digests
are compared by who asked for them, when all has been stored and before anything is visible.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from s3gw.content.new_chunk import ChunkFile, choose
from s3gw.content.read_pins import Pin, ReadPins
from s3gw.content.receive import Body, Receiver
from s3gw.content.serial_queue import SerialQueue, submit
from s3gw.content.store import BlobStore
from s3gw.content.upload_buffers import BodyMixedUp, UploadBuffer, UploadBuffers
from s3gw.content.upload_window import UploadWindow
from s3gw.metadata import damaged_blobs
from s3gw.metadata.contents import Extent, NewChunk, NewContent, manifest
from s3gw.metadata.database import Database

_UNSETTLED = 2  # chunks of one upload on their way to the disk

T = TypeVar("T")


class Hasher(Protocol):
    """An algorithm of checksums.py. `update` is given views of memory that is used again afterwards."""

    def update(self, data: memoryview, /) -> object: ...

    def digest(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class UploadServices:
    """What all uploads of a process share."""

    database: Database
    store: BlobStore
    pins: ReadPins
    buffers: UploadBuffers
    hashing: Executor
    disk: Executor
    new_location: Callable[[], str]
    chunk_size: int


class Discarded(Exception):
    """What the jobs fail with that had not begun when their upload was given up."""


class Upload:
    """`receive` it, then `close` or `discard` it. For one event loop, which alone touches all that is here; the threads
    have the MD5 and the hashers, each in a queue of its own, and are awaited before these are read."""

    def __init__(self, services: UploadServices, hashers: Mapping[str, Hasher]) -> None:
        self._services = services
        self._window = UploadWindow(services.buffers)
        self._md5, self._hashers = hashlib.md5(usedforsecurity=False), tuple(hashers.values())
        self._crc = hashers.get("CRC64NVME")  # that of the bytes received is known, too
        self._md5_queue, self._digest_queue = SerialQueue(services.hashing), SerialQueue(services.hashing)
        self._chunks: list[ChunkFile] = []
        self._settling: list[asyncio.Task[tuple[Extent, NewChunk | None]]] = []
        self._own: set[bytes] = set()  # digests of the chunks so far
        self._pins: list[Pin] = []

    @property
    def locations(self) -> list[str]:
        """Everywhere that something of ours may lie."""
        return [chunk.location for chunk in self._chunks if not chunk.is_discarded]

    async def receive(self, body: Body, begun: list[bytes]) -> tuple[NewContent, str]:
        """The content, all of it durable, and the MD5 in hexadecimal digits. `begun` was read of the body already; it
        is emptied. Raises BodyMixedUp, BufferMisused, and what the body does.
        """
        receiver = Receiver(body, begun, self._window, self._services.chunk_size)
        chunk: ChunkFile | None = None
        while (buffer := await receiver.next()) is not None:
            chunk = chunk or self._begin_chunk(body.size)
            self._digest_and_write(chunk, buffer)
            if chunk.size == self._services.chunk_size:
                await self._end_chunk(chunk)
                chunk = None
        if chunk is not None:
            await self._end_chunk(chunk)
        # Shielded: cancelled here, a task would leave its thread at work on a file that `discard` then closes.
        settled = [await asyncio.shield(task) for task in self._settling]
        if self._crc is not None and self._crc.digest() != receiver.crc.to_bytes(8, "big"):
            raise BodyMixedUp("a checksum was computed of other bytes than were received")
        chunks = [new for _, new in settled if new is not None]
        return manifest([extent for extent, _ in settled], chunks), self._md5.hexdigest()

    def _begin_chunk(self, size: int | None) -> ChunkFile:
        services = self._services
        left = None if size is None else size - len(self._chunks) * services.chunk_size
        expected = None if left is None else min(left, services.chunk_size)
        self._chunks.append(ChunkFile(services.store, services.new_location(), expected))
        return self._chunks[-1]

    def _digest_and_write(self, chunk: ChunkFile, buffer: UploadBuffer) -> None:
        offset, size = chunk.size, buffer.filled
        chunk.size += size

        def when_read() -> None:
            chunk.read_size += size

        jobs = (
            (self._md5_queue.submit, self._md5.update),
            (self._digest_queue.submit, partial(self._digest, chunk)),
            (partial(submit, self._services.disk), partial(chunk.write, offset)),
        )
        self._window.lend(buffer, jobs, when_read)

    def _digest(self, chunk: ChunkFile, data: memoryview) -> None:
        for hasher in self._hashers:
            hasher.update(data)
        chunk.hash(data)

    async def _end_chunk(self, chunk: ChunkFile) -> None:
        """Begin to make it durable, beside the chunks that follow, unless too many are on their way."""
        self._settling.append(asyncio.get_running_loop().create_task(self._settle(chunk)))
        if len(self._settling) > _UNSETTLED:
            await asyncio.shield(self._settling[-1 - _UNSETTLED])

    async def _settle(self, chunk: ChunkFile) -> tuple[Extent, NewChunk | None]:
        """None: its bytes occurred in this body before."""
        await self._window.until(lambda: chunk.is_read)
        digest = await self._on_disk(chunk.finish)
        extent = Extent(digest, 0, chunk.size)
        if digest in self._own:
            await self._on_disk(chunk.discard)
            return extent, None
        self._own.add(digest)
        with self._services.pins.open() as pin:
            stored = await self._services.database.read(damaged_blobs.find_stored, digest)
            pin.keep_blob(digest)
            new = await self._on_disk(partial(choose, self._services.store, stored, digest, chunk.location, chunk.size))
            if new.location is None:
                self._pins.append(pin.pass_on())
        await self._on_disk(chunk.discard if new.location is None else chunk.commit)
        return extent, new

    async def discard(self) -> None:
        """Remove every file, as soon as no thread works on one any more, and close."""
        self._window.fail(Discarded())
        for queue in (self._md5_queue, self._digest_queue):
            queue.fail(Discarded())
        await self._window.drain()
        await asyncio.gather(*self._settling, return_exceptions=True)
        self.close()
        await self._on_disk(self._discard_files)

    def close(self) -> None:
        """The transaction has ended, or nobody waits for it: let go of the stored chunks that it was to count on."""
        for pin in self._pins:
            pin.close()

    def _discard_files(self) -> None:
        for chunk in self._chunks:
            chunk.discard()

    async def _on_disk(self, job: Callable[[], T]) -> T:
        # Shielded: who is cancelled must not leave before the thread does, but `discard` waits for the tasks.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._services.disk, job))
