"""A zip that is written from its beginning to its end, by the standard library's zipfile, which gives what it has so
far. (It is pushed, and so waits for nobody on a thread; the libraries that stream zips pull their files.)

Every entry is deflated, what is compressed already at level 0, which only frames the bytes: an entry that is merely
stored, and whose length comes behind it, can't be read by who reads a zip as it arrives (java.util.zip, libarchive from
a pipe). Only text is worth more, and level 1 is most of what there is to gain.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import IO, NamedTuple, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

_UNIX = 3
_FILE, _FOLDER = 0o100644 << 16, 0o040755 << 16 | 0x10
_FRAMED, _COMPRESSED = 0, 1  # levels of zlib
_ZIP64_FROM = 0xF000_0000  # bytes: less than 4 GiB, since what can't be compressed becomes longer


class Entry(NamedTuple):
    """`modified` in microseconds since the epoch; `size` in bytes, which decides whether it is ZIP64."""

    name: str
    modified: int
    size: int = 0
    is_compressible: bool = False


class ZipWriter:
    """One entry after the other: `begin`, `write` as often as needed, `end`. Not to be used by two at once."""

    def __init__(self) -> None:
        self._written = _Written()
        self._zip = ZipFile(cast(IO[bytes], self._written), "w", ZIP_DEFLATED)
        self._entry: IO[bytes] | None = None

    @property
    def waiting(self) -> int:
        """Bytes that `take` would give."""
        return len(self._written.pieces)

    def folder(self, entry: Entry) -> None:
        """Its name ends with a slash."""
        self._zip.mkdir(_info(entry, _FOLDER))

    def begin(self, entry: Entry) -> None:
        info = _info(entry, _FILE)
        info._compresslevel = _COMPRESSED if entry.is_compressible else _FRAMED  # type: ignore[attr-defined]
        self._entry = self._zip.open(info, "w", force_zip64=entry.size > _ZIP64_FROM)

    def write(self, piece: bytes | memoryview) -> None:
        assert self._entry is not None, "an entry was begun"
        self._entry.write(piece)

    def end(self) -> None:
        assert self._entry is not None, "an entry was begun"
        self._entry.close()
        self._entry = None

    def close(self) -> None:
        """The directory at the end is written."""
        self._zip.close()

    def discard(self) -> None:
        """It is left as it is. May be called whatever came before."""
        if self._entry is not None:
            self._entry.close()
        self._zip.fp = None  # or it would write the directory when it is collected

    def take(self) -> bytes:
        """What was written since it was called last."""
        pieces, self._written.pieces = self._written.pieces, bytearray()
        return bytes(pieces)


class _Written:
    """A file as far as zipfile needs one. It can't seek, so lengths and CRC come behind each entry."""

    def __init__(self) -> None:
        self.pieces = bytearray()

    def write(self, piece: bytes) -> int:
        self.pieces += piece
        return len(piece)

    def flush(self) -> None:
        """There is nothing behind it."""


def _info(entry: Entry, kind: int) -> ZipInfo:
    at = datetime.fromtimestamp(entry.modified / 1_000_000, UTC)
    info = ZipInfo(entry.name, (min(max(at.year, 1980), 2107), *at.timetuple()[1:6]))  # all that it has numbers for
    info.create_system, info.external_attr, info.CRC = _UNIX, kind, 0
    info.compress_type = ZIP_DEFLATED if kind == _FILE else ZIP_STORED
    return info
