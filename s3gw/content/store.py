"""`BlobStore`: where chunk files lie. The contract of every implementation, as tests/content/conformance.py tests it.

A store moves bytes and makes them durable. It knows neither digests nor who counts on a location. All methods block
and are called from worker threads; but for `BlobSink.write` a sink or source is used by one thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class BlobNotFound(Exception):
    """Nothing lies at the location."""


class BlobCorrupt(Exception):
    """What lies at the location can't be read or isn't what was stored."""


class BlobSink(Protocol):
    """A file being written. It ends with `commit` or `discard`; until then nothing counts on it."""

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write all of it there. Several threads may do so at once, each to a range of its own. Raises OSError."""

    def commit(self) -> None:
        """Return when bytes and name outlive a loss of power. After an exception, `discard`."""

    def discard(self) -> None:
        """Leave nothing behind. May be called again, and after `commit`."""


class BlobSource(Protocol):
    """A file being read. Its bytes stay readable when the location is deleted meanwhile.

    It is closed by `close`, or when nobody refers to it any more.
    """

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill all of the buffer with the bytes at `offset`. BlobCorrupt: there are too few, or unreadable."""

    def read_cached(self, buffer: memoryview, offset: int) -> bool:
        """As `read_into` if that takes no waiting for a disk or network, else False. For the event loop."""

    def expect(self, offset: int, length: int) -> None:
        """These bytes will be read, in order: a store may begin to fetch them. Doesn't wait, and raises nothing."""

    def close(self) -> None:
        """May be called again."""


class BlobStore(Protocol):
    """Places named by location: "<process>-<counter, at least 8 hex digits>"; any other raises ValueError."""

    def create(self, location: str, expected_size: int | None = None) -> BlobSink:
        """Begin a file at a location that was never used. `expected_size` is a hint. Raises FileExistsError."""

    def open(self, location: str) -> BlobSource:
        """Raises BlobNotFound."""

    def read_from_disk(self, location: str, buffer: memoryview) -> int:
        """Read the file from its beginning, past caches where the store can; gives how many bytes that were.

        `buffer` is whole pages and begins at one. Raises BlobNotFound, and BlobCorrupt where it can't be read.
        """

    def keep_damaged(self, location: str) -> bool:
        """Keep what lies there durably under another name too, which no method deletes; may be called again.

        False: nothing lies there, or it can't be kept. Raises OSError where the whole store is gone.
        """

    def delete(self, location: str) -> None:
        """Nothing happens when there is nothing. Need not be durable: the sweep finds what comes back."""

    def locations(self) -> Iterator[str]:
        """All that there is, committed or not, in no order. What appears or goes meanwhile may be missed."""
