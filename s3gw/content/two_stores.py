"""A store, and another one that its chunks are being moved from or to: what isn't in the first is read in the second.

New chunks go to the first. Deletes go to both, since a chunk that was copied lies in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from s3gw.content.store import BlobNotFound, BlobSink, BlobSource, BlobStore


class TwoStores:
    """See `BlobStore`."""

    def __init__(self, first: BlobStore, second: BlobStore) -> None:
        self._first, self._second = first, second
        self.is_remote = first.is_remote or second.is_remote

    def create(self, location: str, expected_size: int | None = None) -> BlobSink:
        return self._first.create(location, expected_size)

    def create_whole(self, location: str, data: bytes | memoryview) -> None:
        self._first.create_whole(location, data)

    def open(self, location: str) -> BlobSource:
        try:
            return FirstOrSecond(self._first.open(location), self._second, location)
        except BlobNotFound:
            return self._second.open(location)

    def read_from_disk(self, location: str, buffer: memoryview) -> int:
        try:
            return self._first.read_from_disk(location, buffer)
        except BlobNotFound:
            return self._second.read_from_disk(location, buffer)

    def keep_damaged(self, location: str) -> bool:
        return self._first.keep_damaged(location) or self._second.keep_damaged(location)

    def distrust(self, location: str) -> bool:
        first, second = self._first.distrust(location), self._second.distrust(location)
        return first or second

    def delete(self, *locations: str) -> None:
        for store in (self._first, self._second):
            store.delete(*locations)

    def locations(self, process: str | None = None) -> Iterator[str]:
        """What lies in both comes twice."""
        return chain(self._first.locations(process), self._second.locations(process))

    def identity(self) -> str | None:
        """The second's is given to a first that has none: chunks are about to be moved there. Raises ValueError where
        the two have different ones."""
        first, second = self._first.identity(), self._second.identity()
        if None not in (first, second) and first != second:
            raise ValueError("S3GW_BLOBS and S3GW_BLOBS_OTHER have chunks of two databases")
        return first or (None if second is None else self._first.identify(second))

    def identify(self, name: str) -> str:
        return self.identity() or self._first.identify(name)

    def answers(self) -> bool:
        return self._first.answers() and self._second.answers()

    def close(self) -> None:
        self._first.close()
        self._second.close()


class FirstOrSecond:
    """See `BlobSource`. Of a first store that finds out only by the first read whether it has the chunk."""

    def __init__(self, source: BlobSource, second: BlobStore, location: str) -> None:
        self._source, self._location = source, location
        self._second: BlobStore | None = second
        self._expected = (0, 0)

    def expect(self, offset: int, length: int) -> None:
        self._expected = (offset, length)
        self._source.expect(offset, length)

    def read_into(self, buffer: memoryview, offset: int) -> None:
        try:
            self._source.read_into(buffer, offset)
        except BlobNotFound:
            if self._second is None:
                raise
            self._source.close()
            self._source, self._second = self._second.open(self._location), None
            self._source.expect(*self._expected)
            self._source.read_into(buffer, offset)

    def read_cached(self, buffer: memoryview, offset: int) -> bool:
        return self._source.read_cached(buffer, offset)

    def close(self) -> None:
        self._source.close()
