"""A zip that is stored, of which only its directory and the entry that is asked for are read, by ranges.

It was put there by anybody: its directory has `LARGEST_DIRECTORY` bytes at most, an entry never gives more bytes than
the directory says, and none of what it gives last before its CRC and length were right. Methods of compression other
than deflate aren't read: what others take of memory is for the zip to say.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from s3gw.threads import in_thread

PIECE = 256 * 1024
LARGEST_DIRECTORY = 4 << 20  # bytes: some fifty thousand entries
_READ_AT_ONCE = 64 * 1024  # at least, as a zip is read in little bits from its end
_ENCRYPTED = 0x1 | 0x40  # flags
# Not the pools of what they may wait for: ranges that are read on the event loop.
THREADS = ThreadPoolExecutor(2, "s3gw-unzip")


class BeforeBeginning(OSError):
    """An archive leads to a place before its first byte. zipfile takes an OSError for the sign of a short file."""


# What reading a zip raises where its bytes are none.
BROKEN = (
    BadZipFile,
    BeforeBeginning,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
    zlib.error,
)

Fetch = Callable[[int, int], Awaitable[bytes]]  # offset and length


class BadArchive(Exception):
    """What is no archive, or none that is read here; the message says why to whoever sent it."""


class StoredZip:
    """`fetch` reads of it; what it raises arrives where it was read for."""

    def __init__(self, size: int, fetch: Fetch) -> None:
        self._file = Ranges(size, fetch, asyncio.get_running_loop())
        self._zip: ZipFile | None = None

    async def entries(self) -> list[ZipInfo]:
        """Raises BadArchive."""
        return (await self._opened()).infolist()

    async def find(self, name: str) -> ZipInfo | None:
        """Of several of that name the last. The others are forgotten: they take thirty megabytes, for as long as
        somebody takes to receive this one. Raises BadArchive.
        """
        opened = await self._opened()
        found = opened.NameToInfo.get(name)
        opened.filelist.clear()
        opened.NameToInfo.clear()
        return found

    async def _opened(self) -> ZipFile:
        try:
            self._zip = await in_thread(THREADS, ZipFile, cast(IO[bytes], self._file))
        except BROKEN:
            raise BadArchive("it isn't a zip, or none that can be read") from None
        return self._zip

    async def read(self, entry: ZipInfo) -> AsyncGenerator[bytes, None]:
        """What `find` gave, in pieces; raises BadArchive."""
        assert self._zip is not None, "it is one of its entries"
        require_readable(entry)
        left = entry.file_size
        try:
            with await in_thread(THREADS, self._zip.open, entry) as opened:
                while piece := await in_thread(THREADS, opened.read, PIECE):
                    left -= len(piece)
                    yield piece
        except BROKEN:
            raise BadArchive("the entry isn't what the zip says of it") from None
        if left:
            raise BadArchive("the entry isn't as long as the zip says")


def require_readable(entry: ZipInfo) -> None:
    if entry.flag_bits & _ENCRYPTED:
        raise BadArchive("it is encrypted")
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise BadArchive("it is compressed by a method that isn't read here")


class Ranges:
    """A file as far as zipfile and tarfile need one. Used in one thread at a time, beside the event loop; `ahead`: how
    many bytes are read at once at least.
    """

    def __init__(self, size: int, fetch: Fetch, loop: asyncio.AbstractEventLoop, ahead: int = _READ_AT_ONCE) -> None:
        self._size, self._fetch, self._loop, self._ahead = size, fetch, loop, ahead
        self._position = 0
        self._held, self._held_from = b"", 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        position = offset + (0, self._position, self._size)[whence]
        if position < 0:
            raise BeforeBeginning
        self._position = position
        return position

    def read(self, size: int = -1) -> bytes:
        left = max(self._size - self._position, 0)
        size = left if size < 0 else min(size, left)
        if size > LARGEST_DIRECTORY:
            raise BadZipFile("its directory is too large")
        start = self._position - self._held_from
        if not 0 <= start <= len(self._held) - size:
            length = min(max(size, self._ahead), left)
            reading = asyncio.run_coroutine_threadsafe(_read(self._fetch, self._position, length), self._loop)
            self._held, self._held_from, start = reading.result() if length else b"", self._position, 0
        self._position += size
        return self._held[start : start + size]


async def _read(fetch: Fetch, offset: int, length: int) -> bytes:
    return await fetch(offset, length)
