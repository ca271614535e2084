"""The files of a zip or tar that somebody sent, one after the other, with their bytes as they are asked for.

Whoever sent it may mean harm: how many files it has, how large they are together and how much more than the archive is
bounded, before anything is made of them where that can be known; their names lead nowhere, links and devices are
refused, and so is what isn't as the archive says. Any of this is a BadArchive. All is done in the caller's thread.
What isn't read of a file is passed over, so whoever only counts them reads nothing but what describes them.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import re
import stat
import tarfile
from collections.abc import Callable, Iterator
from tarfile import TarFile, TarInfo
from typing import IO, NamedTuple, cast
from zipfile import ZipFile, ZipInfo

from s3gw.archives.stored_zip import BROKEN, LARGEST_DIRECTORY, BadArchive, BeforeBeginning, require_readable

_MOST_RATIO = 200  # the files together are so many times as large as the archive at most
_RATIO_FROM = 16 << 20  # bytes of the files: less harms nobody
# Bytes of a tar's header, which may be a long name or what pax says of a file; all together it has so many for each
# file. A pattern of tarfile's takes the square of one's length in Pythons before 3.11.10, 3.12.6 and 3.13.
_LARGEST_HEADER = 4096
_HEADER_OF_ZIP = 30  # bytes before an entry's name
_LEADS_AWAY = re.compile(r"[\x00-\x1f\x7f\\]|^/|^[A-Za-z]:|(?:^|/)\.\.(?:/|$)")
_ZIP, _GZIP = (b"PK\x03\x04", b"PK\x05\x06"), b"\x1f\x8b"
_BAD = (tarfile.TarError, gzip.BadGzipFile, *BROKEN)


class Bounds(NamedTuple):
    """`size` in bytes, of all files together."""

    files: int
    size: int


class Unpacked(NamedTuple):
    """`read` gives the next bytes, so many at most; b"" when all `size` of them came. To be read before the next."""

    path: str
    size: int
    read: Callable[[int], bytes]


def unpacked(file: IO[bytes], length: int, bounds: Bounds) -> Iterator[Unpacked]:
    """Of an archive of so many bytes. Raises BadArchive."""
    first = file.read(4)
    file.seek(0)
    kind = _of_zip if first in _ZIP else _of_tar
    found, names, left = 0, set[bytes](), min(bounds.size, max(_RATIO_FROM, _MOST_RATIO * length))
    try:
        for each in kind(file, first[:2] == _GZIP, bounds):
            left -= each.size
            if left < 0:
                raise BadArchive("its files are too large together")
            found += 1
            path = _path(each.path)
            name = hashlib.blake2b(path.encode(), digest_size=16).digest()  # in memory: a path may have 4 KiB
            if name in names:
                raise BadArchive(f"{_shown(path)} is in it twice")
            names.add(name)
            yield Unpacked(path, each.size, _guarded(each))
    except _BAD:
        raise BadArchive("it isn't a zip or tar, or is broken") from None
    if not found:
        raise BadArchive("there is no file in it")


def _guarded(file: Unpacked) -> Callable[[int], bytes]:
    left = file.size

    def read(most: int) -> bytes:
        nonlocal left
        try:
            piece = file.read(most)
        except _BAD:
            raise BadArchive(f"{_shown(file.path)} is broken") from None
        left -= len(piece)
        if left < 0 or (left and not piece):
            raise BadArchive(f"{_shown(file.path)} isn't as long as the archive says")
        return piece

    return read


def _of_zip(file: IO[bytes], is_gzip: bool, bounds: Bounds) -> Iterator[Unpacked]:
    """All that the directory tells is known to be good before the first of them comes."""
    with ZipFile(cast(IO[bytes], _BoundedReads(file))) as archive:
        entries = archive.infolist()
        if len(entries) > bounds.files:
            raise BadArchive(f"it has more than {bounds.files} files")
        _require_apart(entries, archive.start_dir)
        if any(not entry.filename for entry in entries):  # of which zipfile can't say whether it is a folder
            raise BadArchive("a file of it has no name")
        files = [entry for entry in entries if not entry.is_dir()]
        for entry in files:
            require_readable(entry)
            if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
                raise BadArchive(f"{_shown(entry.filename)} is no file")
            _path(entry.orig_filename)
        if sum(entry.file_size for entry in files) > bounds.size:
            raise BadArchive("its files are too large together")
        for entry in files:
            with _Entry(archive, entry) as opened:
                yield Unpacked(entry.filename, entry.file_size, opened.read)


class _Entry:
    """Of a zip, opened when it is first read: what stands before its bytes is somewhere in the middle."""

    def __init__(self, archive: ZipFile, entry: ZipInfo) -> None:
        self._archive, self._entry = archive, entry
        self._opened: IO[bytes] | None = None

    def read(self, most: int) -> bytes:
        if self._opened is None:
            self._opened = self._archive.open(self._entry)
        return self._opened.read(most)

    def __enter__(self) -> _Entry:
        return self

    def __exit__(self, *error: object) -> None:
        if self._opened is not None:
            self._opened.close()


def _require_apart(entries: list[ZipInfo], end: int) -> None:
    """None shares its bytes with another, as those of some bombs do."""
    ordered = sorted(entries, key=lambda entry: entry.header_offset)
    begins = [entry.header_offset for entry in ordered] + [end]
    for entry, following in zip(ordered, begins[1:], strict=True):
        if entry.header_offset + _HEADER_OF_ZIP + entry.compress_size > following:
            raise BadArchive("its entries overlap")


def _of_tar(file: IO[bytes], is_gzip: bool, bounds: Bounds) -> Iterator[Unpacked]:
    source = _TarSource(cast(IO[bytes], gzip.GzipFile(fileobj=file)) if is_gzip else file, bounds)
    archive = TarFile(fileobj=cast(IO[bytes], source), encoding="utf-8", errors="surrogateescape")
    found = 0
    while (entry := archive.next()) is not None:
        archive.members.clear()  # type: ignore[attr-defined]  # of as many as there may be they would take a kilobyte each
        found += 1
        if found > bounds.files:
            raise BadArchive(f"it has more than {bounds.files} files")
        if not entry.isdir():
            yield _of_entry(archive, entry, source)
        source.is_at_header = True
    if source.last.strip(b"\0"):
        raise BadArchive("it is broken in the middle")


def _of_entry(archive: TarFile, entry: TarInfo, source: _TarSource) -> Unpacked:
    if entry.size < 0:  # which would make room for others
        raise BadArchive(f"{_shown(entry.name)} is broken")
    opened = archive.extractfile(entry) if entry.isreg() and not entry.issparse() else None
    if opened is None:
        raise BadArchive(f"{_shown(entry.name)} is no file")
    source.is_at_header = False
    return Unpacked(entry.name, entry.size, opened.read)


class _BoundedReads:
    """The file of a zip, of which no more is read at once than a directory may have."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.tell, self.seekable = file.tell, file.seekable

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._file.seek(offset, whence)
        except OSError as error:
            if error.errno == errno.EINVAL:  # as files of the operating system say it
                raise BeforeBeginning from None
            raise

    def read(self, size: int = -1) -> bytes:
        if size > LARGEST_DIRECTORY:
            raise BadArchive("it has too many files")
        return self._file.read(LARGEST_DIRECTORY if size < 0 else size)


class _TarSource:
    """What tarfile reads of: of headers little, and nothing behind what may be in it. `last` is what was read last."""

    def __init__(self, file: IO[bytes], bounds: Bounds) -> None:
        self._file = file
        self._left = bounds.files * _LARGEST_HEADER  # of headers
        self._most = bounds.size + 2 * self._left
        self.tell, self.last, self.is_at_header = file.tell, b"", True

    def seek(self, position: int) -> int:
        if position < 0:
            raise BadArchive("it leads to a place before its beginning")
        if position > self._most:
            raise BadArchive("its files are too large together")
        return self._file.seek(position)

    def read(self, size: int = -1) -> bytes:
        if self.is_at_header:
            self._left -= size
            if not 0 <= size <= _LARGEST_HEADER or self._left < 0:
                raise BadArchive("a header of it is too long")
        self.last = self._file.read(size)
        return self.last


def _path(name: str) -> str:
    """Without segments that mean nothing. Raises BadArchive for one that leads elsewhere, or isn't text."""
    if _LEADS_AWAY.search(name):
        raise BadArchive(f"{_shown(name)} is no name that leads to a place below the folder")
    path = "/".join(segment for segment in name.split("/") if segment not in ("", "."))
    if not path or any("\ud800" <= character <= "\udfff" for character in path):
        raise BadArchive(f"{_shown(name)} is no name")
    return path


def _shown(name: str) -> str:
    """As a message has it."""
    return repr(name[:200].encode("utf-8", "backslashreplace").decode())
