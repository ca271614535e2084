"""`BlobStore`: where chunk files lie. The contract of every implementation, as tests/content/conformance.py tests it.

A store moves bytes and makes them durable. It knows neither digests nor who counts on a location. All methods block
and are called from worker threads; but for `BlobSink.write` a sink or source is used by one thread at a time.

Whatever a method is said to raise, it raises StoreUnavailable too where the store is reached by a network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

LOCATION = re.compile(r"[0-9A-Za-z_-]{1,120}-[0-9a-f]{8,16}", re.ASCII)


class StoreUnavailable(OSError):
    """The store can't be asked: it is down or slow, throttles, or refuses us. Nothing is known of what was asked.

    `again`: whether asking again soon may help; else a person must mend something first, such as credentials.
    """

    def __init__(self, message: str, *, again: bool = True) -> None:
        super().__init__(message)
        self.again = again


class BlobNotFound(Exception):
    """Nothing lies at the location."""


class BlobCorrupt(Exception):
    """What lies at the location can't be read or isn't what was stored."""


class BlobSink(Protocol):
    """A file being written. It ends with `commit` or `discard`; until then nothing counts on it."""

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write all of it there. Several threads may do so at once, each to a range of its own. Raises OSError."""

    def commit(self) -> None:
        """Return when bytes and name outlive a loss of power. After an exception, `discard`.

        Raises FileExistsError where `create` couldn't know; what is there stays, after `discard` too.
        """

    def discard(self) -> None:
        """Leave nothing behind. May be called again, and after `commit`."""


class BlobSource(Protocol):
    """A file being read. When the location is deleted meanwhile, its bytes stay readable or are BlobNotFound.

    It is closed by `close`, or when nobody refers to it any more.
    """

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill all of the buffer with the bytes at `offset`. BlobCorrupt: there are too few, or unreadable.

        Raises BlobNotFound where `open` couldn't know.
        """

    def read_cached(self, buffer: memoryview, offset: int) -> bool:
        """As `read_into` if that takes no waiting for a disk or network, else False. For the event loop."""

    def expect(self, offset: int, length: int) -> None:
        """These bytes will be read, in order: a store may begin to fetch them. Doesn't wait, and raises nothing."""

    def close(self) -> None:
        """May be called again."""


class BlobStore(Protocol):
    """Places named by location: "<process>-<counter, at least 8 hex digits>"; any other raises ValueError.

    `is_remote`: reading costs requests, and the store holds what it keeps to checksums of its own.
    """

    is_remote: bool

    def create(self, location: str, expected_size: int | None = None) -> BlobSink:
        """Begin a file at a location that was never used. `expected_size` is a hint.

        Raises FileExistsError, here or when it is committed.
        """

    def create_whole(self, location: str, data: bytes | memoryview) -> None:
        """Create a file that rows may name already, durably: who opens it meanwhile finds nothing or all of it.

        Raises FileExistsError, and OSError; after a crash nothing or all of it is there.
        """

    def open(self, location: str) -> BlobSource:
        """Raises BlobNotFound, here or when it is read."""

    def read_from_disk(self, location: str, buffer: memoryview) -> int:
        """Read the file from its beginning, past caches where the store can; gives how many bytes that were.

        `buffer` is whole pages and begins at one. Raises BlobNotFound, and BlobCorrupt where it can't be read.
        """

    def keep_damaged(self, location: str) -> bool:
        """Keep what lies there durably under another name too, which no method deletes; may be called again.

        False: nothing lies there, or it can't be kept. Raises OSError where the whole store is gone.
        """

    def distrust(self, location: str) -> bool:
        """What was read there isn't what was stored: forget copies of it. True: the next read may give other bytes."""

    def delete(self, *locations: str) -> None:
        """Nothing happens when there is nothing. Need not be durable: the sweep finds what comes back."""

    def locations(self, process: str | None = None) -> Iterator[str]:
        """All that there is, or what that process wrote, in no order. What appears or goes meanwhile may be missed.

        What was begun and never committed may be there.
        """

    def identity(self) -> str | None:
        """The name that was given to this store with `identify`."""

    def identify(self, name: str) -> str:
        """Name this store, durably, unless it has a name; gives the name that it has then."""

    def answers(self) -> bool:
        """Whether what is stored can be read just now."""

    def close(self) -> None:
        """Nothing is read or written any more. May be called again."""
