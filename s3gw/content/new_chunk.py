"""A chunk of an upload: the file being written, its digest, and whether the same bytes lie somewhere already."""

from __future__ import annotations

import threading

from s3gw.content.chunk import ChunkHasher
from s3gw.content.store import BlobSink, BlobStore
from s3gw.content.stored_chunk import is_intact
from s3gw.metadata.contents import NewChunk
from s3gw.metadata.damaged_blobs import Found


class ChunkFile:
    """`size` and `read_size` are the event loop's: bytes that threads were given, and bytes that they have all read.

    `hash` is called by one thread at a time, in the order of the bytes; `write` by several at once. Which of them
    begins the file is decided under the lock.
    """

    def __init__(self, store: BlobStore, location: str, expected_size: int | None) -> None:
        self.location = location
        self.size = self.read_size = 0
        self._store, self._expected_size = store, expected_size
        self.is_discarded = False
        self._lock = threading.Lock()
        self._sink: BlobSink | None = None
        self._hasher = ChunkHasher()

    @property
    def is_read(self) -> bool:
        return self.read_size == self.size

    def hash(self, data: memoryview) -> None:
        self._hasher.update(data)

    def write(self, offset: int, data: memoryview) -> None:
        with self._lock:
            if self._sink is None:
                self._sink = self._store.create(self.location, self._expected_size)
        self._sink.write(offset, data)

    def finish(self) -> bytes:
        """All bytes were hashed and written: the digest."""
        digest, blocks = self._hasher.finish()
        assert self._sink is not None, "a chunk is finished only when something is in it"
        self._sink.write(self._hasher.size, blocks)
        return digest

    def commit(self) -> None:
        assert self._sink is not None, "as in finish"
        self._sink.commit()

    def discard(self) -> None:
        if self._sink is not None:
            self._sink.discard()
        self.is_discarded = True


def choose(store: BlobStore, found: Found | None, digest: bytes, ours: str, size: int) -> NewChunk:
    """What a content is to count on: a stored chunk that proves intact, or ours, which then must be made durable."""
    if found is None:
        return NewChunk(digest, ours, size)
    stored = found.blob
    if stored.size != size or found.is_damaged or not is_intact(store, stored):
        return NewChunk(digest, ours, size, replaces=stored.location)
    # Where nothing counts on it the reaper may be quicker than our commit: ours is kept for that case.
    return NewChunk(digest, None if stored.refs > 0 else ours, size)
