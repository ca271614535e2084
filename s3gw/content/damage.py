"""What is wrong with a stored chunk: its file, read as a whole and from the disk, is held to its digest.

Reads of clients verify what they touch, from the page cache where it is there; this looks at what lies on the disk.
For one thread at a time; knows neither database nor event loop.
"""

from __future__ import annotations

import mmap
from typing import NamedTuple

from s3gw.content.chunk import BLOCK, blocks_match, list_matches, list_size
from s3gw.content.store import BlobCorrupt, BlobNotFound, BlobStore
from s3gw.metadata.blobs import Blob

_LONGEST = 8 * 1024 * 1024  # no chunk has more bytes
_ROOM = _LONGEST + list_size(_LONGEST) + mmap.PAGESIZE

MISSING, UNREADABLE, CHANGED = "missing", "unreadable", "changed"


class Fault(NamedTuple):
    """`kind` is missing, unreadable or changed."""

    kind: str
    detail: str


class Inspector:
    """Has memory for one chunk, which begins at a page, as reads past the page cache need it."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._memory = memoryview(mmap.mmap(-1, _ROOM))

    def fault_of(self, blob: Blob) -> Fault | None:
        """None: all of it is what was stored. Raises OSError where that can't be told."""
        size = blob.size
        if not 0 < size <= _LONGEST:
            return Fault(CHANGED, f"its row says that it has {size} bytes")
        end = size + list_size(size)
        whole_pages = -(-end // mmap.PAGESIZE) * mmap.PAGESIZE
        try:
            count = self._store.read_from_disk(blob.location, self._memory[:whole_pages])
        except BlobNotFound:
            return Fault(MISSING, "there is no file")
        except BlobCorrupt as error:
            return Fault(UNREADABLE, str(error))
        if count < end:
            return Fault(CHANGED, f"its file has {count} bytes, not {end}")
        blocks = bytes(self._memory[size:end])
        if not list_matches(blocks, blob.digest):
            return Fault(CHANGED, "the list of block digests isn't what was stored")
        for start in range(0, size, BLOCK):
            if not blocks_match(blocks, start // BLOCK, self._memory[start : min(start + BLOCK, size)]):
                return Fault(CHANGED, f"the block at {start} isn't what was stored")
        return None

    def file_of(self, blob: Blob) -> memoryview:
        """All bytes of its file, as the last `fault_of`, which found none, has read them; until the next one."""
        return self._memory[: blob.size + list_size(blob.size)]
