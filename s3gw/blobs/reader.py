"""Verified bytes of a content, in pieces, the next one read and checked while the current one is being sent.

No byte is given before its block was checked. CorruptContent ends the read where something isn't what was stored;
the caller must not end its answer cleanly then. A read holds at most two pieces. What to read is looked up as the
read gets there, in batches, so an object of 10 000 parts starts as fast as one of one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from itertools import islice
from typing import TypeVar, cast

from s3gw.blobs.buffers import BufferPool
from s3gw.blobs.chunk import BLOCK
from s3gw.blobs.store import BlobCorrupt, BlobNotFound, BlobStore
from s3gw.blobs.stored_chunk import StoredChunk
from s3gw.metadata import blobs, layout
from s3gw.metadata.blobs import Blob
from s3gw.metadata.contents import INLINE, MANIFEST, Content, CorruptContent, load_children
from s3gw.metadata.database import Database
from s3gw.metadata.layout import Extent

SMALL_PIECE = 256 * 1024  # the first one, and all when the large buffers are in use
LARGE_PIECE = 1024 * 1024
_LARGE_BUFFERS = 32
_SMALL_BUFFERS = 64  # kept for the next reads; more are made as needed
_EXTENTS = 32  # looked up at once
_POINT_READ = 2  # children; more are read in a thread
_CHILDREN = 16  # loaded at once; a child's layout has at most half a megabyte
_MAX_DEPTH = 4  # of part lists in part lists; see contents.copy_range

Piece = bytes | memoryview
T = TypeVar("T")


class ContentReader:
    """One per process."""

    def __init__(self, database: Database, store: BlobStore) -> None:
        self._database = database
        self._store = store
        self._large = BufferPool(LARGE_PIECE, _LARGE_BUFFERS)
        self._small = BufferPool(SMALL_PIECE, _SMALL_BUFFERS)
        self._threads = ThreadPoolExecutor(max(8, 2 * (os.cpu_count() or 1)), "s3gw-read")

    async def read(self, content: Content, offset: int = 0, length: int | None = None) -> AsyncGenerator[Piece, None]:
        """Pieces of a range (by default all) of a content that is kept by `OpenReads`.

        A piece may be a view of a buffer; the buffer is used again when no view of it exists. Raises
        CorruptContent. Close the generator when it isn't read to its end.
        """
        length = content.size - offset if length is None else length
        if offset < 0 or length < 0 or offset + length > content.size:
            raise ValueError(f"no bytes {offset}+{length} in a content of {content.size}")
        if content.form == INLINE:
            yield content.layout[offset : offset + length]
            return
        pieces = self._pieces(content, offset, length)
        if length <= SMALL_PIECE:  # there is nothing to read ahead
            async with aclosing(pieces):
                async for piece in pieces:
                    yield piece
            return
        ahead = asyncio.ensure_future(_next(pieces))
        try:
            while (following := await asyncio.shield(ahead)) is not None:
                ahead = asyncio.ensure_future(_next(pieces))
                yield following
        finally:
            # The thread must have left the file before it is closed.
            await asyncio.wait([ahead])
            _ = ahead.cancelled() or ahead.exception()  # retrieved, or asyncio complains
            await pieces.aclose()

    async def _pieces(self, content: Content, offset: int, length: int) -> AsyncGenerator[Piece, None]:
        is_first = True
        async for data, blob in self._spans(content, offset, length, 0):
            if blob is None:
                yield cast(bytes, data)
                continue
            extent = cast(Extent, data)
            chunk = StoredChunk(self._store, blob)
            try:
                position, end = extent.offset, extent.offset + extent.length
                while position < end:
                    buffer = self._buffer(end - position, is_first)
                    is_first = False
                    # Pieces end where blocks do, so that no block is read twice.
                    stop = min(end, position // BLOCK * BLOCK + len(buffer))
                    yield await self._read(chunk, buffer, position, stop - position)
                    del buffer
                    position = stop
            finally:
                chunk.close()

    def _buffer(self, wanted: int, is_first: bool) -> memoryview:
        buffer = self._large.take() if wanted > SMALL_PIECE and not is_first else None
        return buffer or self._small.take() or memoryview(bytearray(SMALL_PIECE))

    async def _spans(
        self, content: Content, offset: int, length: int, depth: int
    ) -> AsyncGenerator[tuple[bytes | Extent, Blob | None], None]:
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

    async def _read(self, chunk: StoredChunk, buffer: memoryview, offset: int, length: int) -> memoryview:
        """A piece, read and verified in a thread. Where the file is gone or bad, its row may name another by now."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, chunk.read, buffer, offset, length)
        except (BlobNotFound, BlobCorrupt) as error:
            blob = await self._database.read(blobs.find, chunk.blob.digest)
            if blob is None or blob.location == chunk.blob.location:
                raise CorruptContent(str(error)) from error
            chunk.move(blob)
        try:
            return await loop.run_in_executor(self._threads, chunk.read, buffer, offset, length)
        except (BlobNotFound, BlobCorrupt) as error:
            raise CorruptContent(str(error)) from error

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)


async def _next(pieces: AsyncGenerator[Piece, None]) -> Piece | None:
    return await anext(pieces, None)


def _batches(items: Iterator[T], most: int) -> Iterator[list[T]]:
    """One at first, for a range that lies in one part or chunk and for an early start."""
    size = 1
    while batch := list(islice(items, size)):
        yield batch
        size = most
