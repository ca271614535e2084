"""`BlobStore` on a local disk: one file per location in 256 shard folders, and what is damaged in one more.

The shard is the last two digits of the location's counter, so no path is built from anything a client says. All
folders are made and flushed once, parents included, when the store is created; a commit flushes the file, then its
folder.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from s3gw.content.direct_io import DirectIo
from s3gw.content.store import LOCATION, BlobCorrupt, BlobNotFound

_SHARDS = tuple(f"{number:02x}" for number in range(256))
# Made last: where it exists, everything else was flushed.
_COMPLETE = ".complete"
_IDENTITY = ".identity"
_DAMAGED = "damaged"  # hard links to chunks that were found bad, by location; never deleted
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)  # Linux
_DIRECT = getattr(os, "O_DIRECT", 0)  # Linux
_NAMELESS = getattr(os, "O_TMPFILE", 0)  # Linux, on most file systems
_PAGE = 4096  # no disk has larger ones, but see `append`
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_AT_ONCE = 1024 * 1024
# What is said of a file that can't be read: a bad sector, or structures of the file system that contradict themselves.
_UNREADABLE = frozenset(getattr(errno, name) for name in ("EIO", "EUCLEAN", "EBADMSG") if hasattr(errno, name))


class FilesystemStore:
    """See `BlobStore`. `require_room` raises OSError when no new file shall be begun."""

    is_remote = False

    def __init__(
        self, folder: Path, require_room: Callable[[], None] = lambda: None, direct_io: DirectIo | None = None
    ) -> None:
        self._require_room = require_room
        self._direct_io = direct_io or DirectIo()
        self._folder = os.fspath(folder.absolute())
        if not os.path.exists(os.path.join(self._folder, _COMPLETE)):
            _make_folders(folder.absolute())

    def create(self, location: str, expected_size: int | None = None) -> FileSink:
        self._require_room()
        return FileSink(self._path(location), expected_size, self._direct_io)

    def create_whole(self, location: str, data: bytes | memoryview) -> None:
        self._require_room()
        create_file_whole(self._path(location), data)

    def open(self, location: str) -> FileSource:
        return FileSource(self._path(location))

    def read_from_disk(self, location: str, buffer: memoryview) -> int:
        path = self._path(location)
        try:
            return _read_whole(path, _READ | _DIRECT, buffer)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        return _read_whole(path, _READ, buffer)  # this file system has no reads past the page cache

    def keep_damaged(self, location: str) -> bool:
        path, folder = self._path(location), os.path.join(self._folder, _DAMAGED)
        if not os.path.exists(os.path.join(self._folder, _COMPLETE)):
            raise FileNotFoundError(errno.ENOENT, "the folder of blobs isn't there", self._folder)
        _forget_cached(path)
        try:
            if not os.path.isdir(folder):
                with suppress(FileExistsError):
                    os.mkdir(folder, 0o700)
                flush_folder(self._folder)
            with suppress(FileExistsError):
                os.link(path, os.path.join(folder, location), follow_symlinks=False)
            flush_folder(folder)
        except OSError:  # there is no file, or the disk is full, failing or read-only
            return False
        return True

    def distrust(self, location: str) -> bool:
        return False  # the page cache has what the disk gave

    def delete(self, *locations: str) -> None:
        for location in locations:
            _unlink(self._path(location))

    def locations(self, process: str | None = None) -> Iterator[str]:
        for shard in _SHARDS:
            for name in os.listdir(os.path.join(self._folder, shard)):
                if LOCATION.fullmatch(name) and (process is None or name.rpartition("-")[0] == process):
                    yield name

    def identity(self) -> str | None:
        try:
            with open(os.path.join(self._folder, _IDENTITY), encoding="ascii") as file:
                return file.read().strip()
        except FileNotFoundError:
            return None

    def identify(self, name: str) -> str:
        scratch = os.path.join(self._folder, f"{_IDENTITY}.{os.getpid()}.{name}")
        with open(os.open(scratch, _CREATE, 0o600), "w", encoding="ascii") as file:
            file.write(f"{name}\n")
            file.flush()
            flush(file.fileno())
        try:
            os.link(scratch, os.path.join(self._folder, _IDENTITY))
        except FileExistsError:
            pass
        finally:
            os.unlink(scratch)
        flush_folder(self._folder)
        return self.identity() or name

    def answers(self) -> bool:
        try:
            with os.scandir(self._folder) as entries:
                next(entries, None)
        except OSError:
            return False
        return True

    def close(self) -> None:
        pass

    def _path(self, location: str) -> str:
        if LOCATION.fullmatch(location) is None:
            raise ValueError(f"not a location: {location!r}")
        return os.path.join(self._folder, location[-2:], location)


class FileSink:
    """See `BlobSink`.

    Whole pages go past the page cache where `direct_io` says so. What isn't whole pages, a file's end at the latest, is
    written as in any other file, through a descriptor of its own. `_busy`, `_since`, `_writing` and `_end`, up to where
    it was written, are under the lock. What is shorter than was foreseen is cut when it is committed.
    """

    def __init__(self, path: str, expected_size: int | None, direct_io: DirectIo) -> None:
        self._path, self._direct_io = path, direct_io
        self._lock = threading.Lock()
        self._writing, self._since, self._busy = 0, 0.0, 0.0  # calls now, since when there are any, seconds with any
        self._expected_size, self._end = expected_size, 0
        self._fd = self._direct_fd = -1
        self._fd = os.open(path, _CREATE, 0o600)
        if expected_size is not None:
            # Where a write doesn't make the file longer, ext4 and XFS let several go on at once.
            try:
                os.ftruncate(self._fd, expected_size)
            except OSError:  # nobody gets this object, so nobody else could remove the file
                self.discard()
                raise
        if (expected_size is None or expected_size >= _PAGE) and direct_io.is_wanted(expected_size):
            self._direct_fd = _open_direct(path)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        with self._measured(offset + len(data)):
            self._write(offset, memoryview(data))

    @contextmanager
    def _measured(self, end: int = 0) -> Iterator[None]:
        with self._lock:
            self._end = max(self._end, end)
            if not self._writing:
                self._since = time.monotonic()
            self._writing += 1
        try:
            yield
        finally:
            with self._lock:
                self._writing -= 1
                if not self._writing:
                    self._busy += time.monotonic() - self._since

    def _write(self, offset: int, rest: memoryview) -> None:
        fd = self._direct_fd
        if fd < 0 or offset % _PAGE or len(rest) % _PAGE:
            fd = self._fd
        while len(rest):
            try:
                written = os.pwrite(fd, rest, offset)
            except OSError as error:
                if error.errno != errno.EINVAL or fd == self._fd:
                    raise
                fd = self._fd  # the disk's pages are larger, or data is between two
                continue
            offset, rest = offset + written, rest[written:]

    def commit(self) -> None:
        with self._measured():
            if self._expected_size is not None and self._end < self._expected_size:
                os.ftruncate(self._fd, self._end)
            flush(self._fd)
        self._direct_io.measured(self._direct_fd >= 0, os.fstat(self._fd).st_size, self._busy)
        self._close()
        flush_folder(os.path.dirname(self._path))

    def discard(self) -> None:
        self._close()
        _unlink(self._path)

    def _close(self) -> None:
        descriptors, self._fd, self._direct_fd = (self._fd, self._direct_fd), -1, -1
        for fd in descriptors:
            if fd >= 0:
                os.close(fd)

    def __del__(self) -> None:
        if hasattr(self, "_direct_fd"):
            self._close()


class FileSource:
    """See `BlobSource`. An open file outlives its name, so a reader isn't disturbed by the reaper."""

    def __init__(self, path: str) -> None:
        self._fd = -1
        self._fd = _open_to_read(path, _READ)

    def read_into(self, buffer: memoryview, offset: int) -> None:
        done = 0
        while done < len(buffer):
            try:
                count = os.preadv(self._fd, [buffer[done:]], offset + done)
            except OSError as error:
                if error.errno not in _UNREADABLE:
                    raise
                raise BlobCorrupt("the disk can't read it") from error
            if count == 0:
                raise BlobCorrupt("the file is too short")
            done += count

    def read_cached(self, buffer: memoryview, offset: int) -> bool:
        if not _NOWAIT:
            return False
        try:
            return os.preadv(self._fd, [buffer], offset, _NOWAIT) == len(buffer)
        except OSError:  # EAGAIN: not in the page cache. Other errors are found again by who waits.
            return False

    def expect(self, offset: int, length: int) -> None:
        if hasattr(os, "posix_fadvise"):  # not on macOS
            with suppress(OSError):
                os.posix_fadvise(self._fd, offset, length, os.POSIX_FADV_WILLNEED)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()


def _open_to_read(path: str, flags: int) -> int:
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        raise BlobNotFound(path) from None
    except OSError as error:
        if error.errno not in _UNREADABLE:
            raise
        raise BlobCorrupt("the disk can't read it") from error


def _read_whole(path: str, flags: int, buffer: memoryview) -> int:
    """Gives how many bytes were read. Raises EINVAL where the file system can't read like that."""
    fd = _open_to_read(path, flags)
    try:
        end = min(os.fstat(fd).st_size, len(buffer))
        done = 0
        while done < end:
            count = os.preadv(fd, [buffer[done : done + _READ_AT_ONCE]], done)
            if count == 0:  # it became shorter meanwhile
                break
            done += count
        return done
    except OSError as error:
        if error.errno not in _UNREADABLE:
            raise
        raise BlobCorrupt("the disk can't read it") from error
    finally:
        os.close(fd)


def _forget_cached(path: str) -> None:
    """What the page cache has may differ from the disk; an upload of the same content should see what is wrong."""
    if hasattr(os, "posix_fadvise"):  # not on macOS
        with suppress(OSError):
            fd = os.open(path, _READ)
            try:
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(fd)


def _open_direct(path: str) -> int:
    """A descriptor whose writes go past the page cache; -1 where the file system has none."""
    if not _DIRECT:
        return -1
    try:
        return os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | _DIRECT)
    except OSError:
        return -1


def flush(fd: int) -> None:
    """Return when the file is on the medium. On macOS fsync stops at the drive's cache; F_FULLFSYNC doesn't."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is None:
        os.fsync(fd)
    else:
        fcntl.fcntl(fd, full)


def create_file_whole(path: str, data: bytes | memoryview) -> None:
    """In a file without a name, which is given one when all of it is on the medium. See `BlobStore.create_whole`."""
    folder = os.path.dirname(path)
    fd, scratch = _open_scratch(folder, path)
    try:
        rest, offset = memoryview(data), 0
        while len(rest):
            written = os.pwrite(fd, rest, offset)
            offset, rest = offset + written, rest[written:]
        flush(fd)
        # Only linkat follows the symbolic link that /proc has, and only with a descriptor does Python call it.
        os.link(scratch or f"/proc/self/fd/{fd}", path, src_dir_fd=fd, follow_symlinks=True)
    finally:
        os.close(fd)
        if scratch is not None:
            _unlink(scratch)
    flush_folder(folder)


def _open_scratch(folder: str, path: str) -> tuple[int, str | None]:
    """Where files need a name, it is one that is no location; a crash may leave such a file behind."""
    if _NAMELESS:
        try:
            return os.open(folder, os.O_WRONLY | _NAMELESS | os.O_CLOEXEC, 0o600), None
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                raise
    scratch = f"{path}.{secrets.token_hex(8)}"
    return os.open(scratch, _CREATE, 0o600), scratch


def flush_folder(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flush(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path) -> None:
    """With the parents that are missing, each flushed into the one above it."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in missing:
        flush_folder(str(path.parent))


def _make_folders(folder: Path) -> None:
    """Idempotent, and safe beside another process that does the same."""
    make_folder(folder)
    for shard in _SHARDS:
        (folder / shard).mkdir(exist_ok=True)
    for shard in _SHARDS:
        flush_folder(os.path.join(folder, shard))
    # A parent found existing may have been made by one who died before flushing.
    for path in (folder, folder.parent, folder.parent.parent):
        flush_folder(str(path))
    (folder / _COMPLETE).touch()
    flush_folder(str(folder))


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
