"""A chunk that lies in a store, read with verification.

The file is opened and its list of block digests verified once, by the first read; after that a read costs the blocks
it touches. For one thread at a time, but `close` may come while a thread reads; knows neither database nor event loop.
"""

from __future__ import annotations

from s3gw.content.chunk import BLOCK, block_count, blocks_match, list_matches, list_size
from s3gw.content.store import BlobCorrupt, BlobNotFound, BlobSource, BlobStore
from s3gw.metadata.blobs import Blob

_STEP = 1024 * 1024


class StoredChunk:
    """One chunk file. What is `expected` of it, as offset and length, is fetched ahead of the reads."""

    def __init__(self, store: BlobStore, blob: Blob, expected: tuple[int, int] | None = None) -> None:
        self.blob = blob
        self._expected = expected
        self._store = store
        self._source: BlobSource | None = None
        self._blocks = b""
        self.is_cached = True  # as far as we know

    @property
    def is_open(self) -> bool:
        return self._source is not None

    def open(self) -> None:
        """Before the first read, or instead of it. Raises as `read`."""
        if self._source is None:
            self._open()

    def read(self, buffer: memoryview, offset: int, length: int) -> memoryview:
        """The verified bytes as a part of `buffer`, which must have room for all of the blocks they touch.

        Raises BlobNotFound, and BlobCorrupt when anything isn't what its digest says, the second time too where the
        store may give other bytes then.
        """
        try:
            return self._read(buffer, offset, length)
        except BlobCorrupt:
            if not self._store.distrust(self.blob.location):
                raise
        self.close()
        return self._read(buffer, offset, length)

    def _read(self, buffer: memoryview, offset: int, length: int) -> memoryview:
        source = self._source or self._open()
        start, whole = self._blocks_around(buffer, offset, length)
        source.read_into(whole, start)
        return self._verified(whole, start, offset, length)

    def read_cached(self, buffer: memoryview, offset: int, length: int) -> memoryview | None:
        """As `read`, of an open file, on the event loop: None when it would have to be waited for, or isn't what was
        stored, which `read` then finds, too."""
        assert self._source is not None, "the caller asks is_open"
        start, whole = self._blocks_around(buffer, offset, length)
        if not self._source.read_cached(whole, start):
            self.is_cached = False
            return None
        try:
            return self._verified(whole, start, offset, length)
        except BlobCorrupt:
            self.is_cached = False
            return None

    def _blocks_around(self, buffer: memoryview, offset: int, length: int) -> tuple[int, memoryview]:
        size = self.blob.size
        if offset + length > size:
            raise BlobCorrupt(f"{self.blob.location} has {size} bytes, not {offset + length}")
        start = offset // BLOCK * BLOCK
        return start, buffer[: min(block_count(offset + length) * BLOCK, size) - start]

    def _verified(self, whole: memoryview, start: int, offset: int, length: int) -> memoryview:
        if not blocks_match(self._blocks, start // BLOCK, whole):
            raise BlobCorrupt(f"{self.blob.location}: a block at {start} isn't what was stored")
        return whole[offset - start : offset - start + length]

    def _open(self) -> BlobSource:
        source = self._store.open(self.blob.location)
        try:
            if self._expected is not None:
                source.expect(*self._expected)
            buffer = bytearray(list_size(self.blob.size))
            source.read_into(memoryview(buffer), self.blob.size)
            blocks = bytes(buffer)
            if not list_matches(blocks, self.blob.digest):
                raise BlobCorrupt(f"{self.blob.location}: the list of block digests isn't what was stored")
        except BaseException:
            source.close()
            raise
        self._blocks, self._source = blocks, source
        return source

    def move(self, blob: Blob) -> None:
        """Go on with the same bytes at another location."""
        self.close()
        self.blob = blob

    def close(self) -> None:
        """Let go of the file. Whoever lets go last closes it: a thread may be reading it for a cancelled request."""
        self._source = None


def is_intact(store: BlobStore, blob: Blob) -> bool:
    """Whether all of a stored chunk is what was stored.

    On a disk all of it is read. A remote store is believed what it keeps: only the list of block digests is fetched and
    held to the chunk's digest. So what lies there was written by us for this digest, as a whole, and isn't shorter than
    it was; that its blocks are still the same is for the store's own checksums, for scrubbing, and for every read.
    """
    chunk = StoredChunk(store, blob, None if store.is_remote else (0, blob.size))
    buffer = memoryview(bytearray(min(_STEP, block_count(blob.size) * BLOCK)))
    try:
        if store.is_remote:
            chunk.open()
            return True
        for offset in range(0, blob.size, _STEP):
            chunk.read(buffer, offset, min(_STEP, blob.size - offset))
    except (BlobNotFound, BlobCorrupt):
        return False
    finally:
        chunk.close()
    return True
