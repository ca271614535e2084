"""Verified bytes of a content, in pieces; what must wait for the disk is read ahead while a piece is being sent.

No byte is given before its block was checked. CorruptContent ends the read where something isn't what was stored;
the caller must not end its answer cleanly then. A read holds at most two pieces. What to read is looked up as the
read gets there, in batches, so an object of 10 000 parts starts as fast as one of one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import NamedTuple, TypeVar, cast

from s3gw.content.buffers import BufferPool
from s3gw.content.chunk import BLOCK
from s3gw.content.open_content import OpenContent, Piece
from s3gw.content.read_pins import Pin
from s3gw.content.store import BlobCorrupt, BlobNotFound, BlobStore
from s3gw.content.stored_chunk import StoredChunk
from s3gw.metadata import blobs, layout
from s3gw.metadata.blobs import Blob
from s3gw.metadata.contents import INLINE, MANIFEST, Content, CorruptContent, load_children
from s3gw.metadata.database import Database
from s3gw.metadata.layout import Extent
from s3gw.threads import in_thread

PIECE = 256 * 1024  # stays in a core's cache from the disk's pages through BLAKE3 to the socket
_BUFFERS = 128  # kept for the next reads; more are made as needed
_EXTENTS = 32  # looked up at once
_POINT_READ = 2  # children; more are read in a thread
_CHILDREN = 16  # loaded at once; a child's layout has at most half a megabyte
_OPENS_NEXT_AT = 2  # the piece of a chunk before which the next chunk is looked for; not the first, which shall go out
_REMOTE = 32  # threads where they wait for a network
_MAX_DEPTH = 4  # of part lists in part lists; see contents.copy_range

T = TypeVar("T")


_Span = tuple[bytes | Extent, Blob | None]


class _Step(NamedTuple):
    """One piece to be: inline bytes (no chunk), or a buffer and the slice of a chunk to read into it."""

    chunk: StoredChunk | None
    data: Piece
    offset: int
    length: int
    is_last: bool  # of its span
    end: int  # of the span, in the chunk
    opening: asyncio.Future[None] | None = None  # of its chunk, begun while the one before was being read

    def close(self) -> None:
        if self.chunk is not None:
            self.chunk.close()


class DamagedChunk(CorruptContent):
    """The bytes of a chunk aren't what was stored, or are gone; scrubbing finds whose they are.

    `is_remote`: they came by a network, and from one of several copies perhaps, so trying again may help.
    """

    def __init__(self, blob: Blob, error: BlobNotFound | BlobCorrupt, is_remote: bool) -> None:
        self.is_remote = is_remote
        what = "there is no file" if isinstance(error, BlobNotFound) else str(error)
        super().__init__(f"the chunk {blob.digest.hex()} at {blob.location} is damaged: {what}")


class ContentReader:
    """One per process. All is done on the event loop but `StoredChunk.read`: one thread at a time, and the read waits
    until that has ended before it touches the chunk or its buffer again."""

    def __init__(self, database: Database, store: BlobStore) -> None:
        self._database = database
        self._store = store
        self._buffers = BufferPool(PIECE, _BUFFERS)
        threads = _REMOTE if store.is_remote else max(8, 2 * (os.cpu_count() or 1))
        self._threads = ThreadPoolExecutor(threads, "s3gw-read")

    def open(self, content: Content, pin: Pin, offset: int, length: int) -> OpenContent:
        """A range of a content, for an owner who closes it. The pin was opened before the content was found; it is
        passed on to what is returned, unless all bytes are there already."""
        if content.form == INLINE:
            return OpenContent(whole=content.layout[offset : offset + length])
        pin.keep_content(content.id)
        return OpenContent(pieces=self.read(content, offset, length), pin=pin.pass_on())

    async def read(self, content: Content, offset: int = 0, length: int | None = None) -> AsyncGenerator[Piece, None]:
        """Pieces of a range (by default all) of a content that a pin keeps.

        A piece may be a view of a buffer; the buffer is used again when no view of it exists. Raises
        CorruptContent. Close the generator when it isn't read to its end.
        """
        length = content.size - offset if length is None else length
        if offset < 0 or length < 0 or offset + length > content.size:
            raise ValueError(f"no bytes {offset}+{length} in a content of {content.size}")
        if content.form == INLINE:
            yield content.layout[offset : offset + length]
            return
        steps = self._steps(content, offset, length)
        step = ahead = None
        try:
            step = await anext(steps, None)
            while step is not None:
                piece = await (self._read(step) if ahead is None else asyncio.shield(ahead))
                if step.is_last:
                    step.close()
                step = await anext(steps, None)
                ahead = self._begin(step)
                yield piece
        finally:
            if ahead is not None:  # the thread must have left the file before it is closed
                await asyncio.wait([ahead])
                _ = ahead.cancelled() or ahead.exception()  # retrieved, or asyncio complains
            if step is not None:
                step.close()
            await steps.aclose()

    async def _steps(self, content: Content, offset: int, length: int) -> AsyncGenerator[_Step, None]:
        spans = self._spans(content, offset, length, 0)
        upcoming: _Step | None = None
        try:
            first = await self._first_step(spans)
            while first is not None:
                upcoming, step, number = None, first, 1
                while True:
                    yield step
                    if step.is_last:
                        break
                    if number == _OPENS_NEXT_AT:
                        upcoming = self._open_ahead(await self._first_step(spans))
                    step, number = self._step_after(step), number + 1
                first = upcoming or await self._first_step(spans)
                upcoming = None
        finally:
            if upcoming is not None:
                if upcoming.opening is not None:
                    await asyncio.wait([upcoming.opening])
                upcoming.close()
            await spans.aclose()

    async def _first_step(self, spans: AsyncGenerator[_Span, None]) -> _Step | None:
        """Of the next span."""
        span = await anext(spans, None)
        if span is None:
            return None
        data, blob = span
        if blob is None:
            return _Step(None, cast(bytes, data), 0, 0, True, 0)
        extent = cast(Extent, data)
        chunk = StoredChunk(self._store, blob, (extent.offset, extent.length))
        return self._step(chunk, extent.offset, extent.offset + extent.length)

    def _step_after(self, step: _Step) -> _Step:
        assert step.chunk is not None, "inline bytes are one step"
        return self._step(step.chunk, step.offset + step.length, step.end)

    def _step(self, chunk: StoredChunk, position: int, end: int) -> _Step:
        # Pieces end where blocks do, so that no block is read twice.
        stop = min(end, position // BLOCK * BLOCK + PIECE)
        return _Step(chunk, self._buffers.take(), position, stop - position, stop == end, end)

    def _open_ahead(self, step: _Step | None) -> _Step | None:
        """The disk fetches a chunk while the one before it is being sent."""
        if step is None or step.chunk is None:
            return step
        return step._replace(opening=asyncio.ensure_future(in_thread(self._threads, _try_to_open, step.chunk)))

    async def _spans(self, content: Content, offset: int, length: int, depth: int) -> AsyncGenerator[_Span, None]:
        """The inline bytes and the extents, with their rows, that a range consists of."""
        if content.form == INLINE:
            yield content.layout[offset : offset + length], None
        elif content.form == MANIFEST:
            for batch in _batches(layout.extents_between(content.layout, offset, length), _EXTENTS):
                rows = await self._database.read(blobs.locate, [extent.digest for extent in batch])
                for extent in batch:
                    if extent.digest not in rows:
                        raise CorruptContent(f"content {content.id}: a chunk has no row")
                    yield extent, rows[extent.digest]
        elif depth == _MAX_DEPTH:
            raise CorruptContent(f"content {content.id}: part lists are nested too deeply")
        else:
            for slices in _batches(layout.parts_between(content.layout, offset, length), _CHILDREN):
                parts = [covered.part for covered in slices]
                load = self._database.read if len(parts) <= _POINT_READ else self._database.scan
                for covered, child in zip(slices, await load(load_children, parts), strict=True):
                    async for span in self._spans(child, covered.offset, covered.length, depth + 1):
                        yield span

    def _begin(self, step: _Step | None) -> asyncio.Future[Piece] | None:
        """Read ahead in a thread, if the step needs one: to open a file, or to wait for the disk."""
        if step is None or step.chunk is None or (step.chunk.is_open and step.chunk.is_cached):
            return None
        return asyncio.ensure_future(self._read(step))

    async def _read(self, step: _Step) -> Piece:
        """A piece, read and verified. Where the file is gone or bad, its row may name another by now.

        What lies in the page cache is read on the event loop: a thread would cost more than it saves, because both
        of them need the GIL for each block.
        """
        if step.chunk is None:
            return step.data
        if step.opening is not None:
            await asyncio.wait([step.opening])
        chunk, data = step.chunk, memoryview(step.data)
        try:
            if chunk.is_open and chunk.is_cached:
                cached = chunk.read_cached(data, step.offset, step.length)
                if cached is not None:
                    return cached
            return await in_thread(self._threads, chunk.read, data, step.offset, step.length)
        except (BlobNotFound, BlobCorrupt) as error:
            blob = await self._database.read(blobs.find, chunk.blob.digest)
            if blob is None or blob.location == chunk.blob.location:
                raise DamagedChunk(chunk.blob, error, self._store.is_remote) from error
            chunk.move(blob)
        try:
            return await in_thread(self._threads, chunk.read, data, step.offset, step.length)
        except (BlobNotFound, BlobCorrupt) as error:
            raise DamagedChunk(chunk.blob, error, self._store.is_remote) from error

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)


def _try_to_open(chunk: StoredChunk) -> None:
    """What fails is found again by the read."""
    with suppress(BlobNotFound, BlobCorrupt, OSError):
        chunk.open()


def _batches(items: Iterator[T], most: int) -> Iterator[list[T]]:
    """One at first, for a range that lies in one part or chunk and for an early start."""
    size = 1
    while batch := list(islice(items, size)):
        yield batch
        size = most
