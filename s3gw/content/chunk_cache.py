"""Chunks of a store in the network, kept on the local disk when they were read as a whole.

A location is never used for other bytes, so nothing here is ever stale, and what reads it verifies it as if it came
from the store: a file that a crash left short, or that the disk changed, is removed and fetched again. So nothing is
flushed. All processes of a server share the folder; the least recently used files go when they are too many.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from s3gw.content.filesystem import FileSource
from s3gw.content.store import LOCATION, BlobNotFound

if TYPE_CHECKING:  # which need a library that is an extra
    from s3gw.content.remote import RemoteSink, RemoteStore
    from s3gw.content.remote_source import RemoteSource

_LOCK, _NEW = ".lock", "new"
_SHARD = re.compile(r"[0-9a-f]{2}", re.ASCII)
_SHARE = 16  # so much of the limit is filled by one process until the folder is looked through
_KEPT = 0.9  # of the limit, when files had to go
_USED = 60.0  # seconds within which using a file again isn't noted
_ABANDONED = 3600.0  # seconds after which a file that isn't whole has no writer any more

_watchers: list[Callable[[bool], None]] = []  # filled before any chunk is opened


def watch(watcher: Callable[[bool], None]) -> None:
    """Have somebody told of each chunk that is opened whether it was here, by the thread that opens it."""
    _watchers.append(watcher)


class _Seen(NamedTuple):
    used_at: float
    size: int
    path: str


class ChunkCache:
    """The folder. `require_room` raises OSError when the disk has too little left. `_added` is under the lock."""

    def __init__(self, folder: Path, limit: int, require_room: Callable[[], None] = lambda: None) -> None:
        self._folder, self._limit, self._require_room = os.fspath(folder), limit, require_room
        self._lock = threading.Lock()
        self._added = limit  # by this process since the folder was looked through, which is due
        os.makedirs(os.path.join(self._folder, _NEW), 0o700, exist_ok=True)

    def open(self, location: str) -> FileSource | None:
        path = self._path(location)
        try:
            source = FileSource(path)
        except (BlobNotFound, OSError):
            return None
        with suppress(OSError):
            found = os.stat(path)
            if not stat.S_ISREG(found.st_mode):  # a folder can be opened, and not read
                source.close()
                return None
            if time.time() - found.st_mtime > _USED:
                os.utime(path)
        return source

    def begin(self, location: str, size: int) -> NewFile | None:
        """None: there is no room for it."""
        if size > self._limit // _SHARE:
            return None
        try:
            self._require_room()
            path = os.path.join(self._folder, _NEW, f"{location}.{secrets.token_hex(8)}")
            try:
                return NewFile(self, location, path)
            except FileNotFoundError:  # somebody has deleted the cache
                os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
                return NewFile(self, location, path)
        except OSError:
            return None

    def keep(self, path: str, location: str, size: int) -> None:
        """It is whole."""
        place = self._path(location)
        os.makedirs(os.path.dirname(place), 0o700, exist_ok=True)
        os.rename(path, place)
        with self._lock:
            self._added += size
            is_due = self._added >= self._limit // _SHARE
            if is_due:
                self._added = 0
        if is_due:
            self._trim()

    def forget(self, location: str) -> None:
        with suppress(OSError):
            os.unlink(self._path(location))

    def _path(self, location: str) -> str:
        if LOCATION.fullmatch(location) is None:
            raise ValueError(f"not a location: {location!r}")
        return os.path.join(self._folder, location[-2:], location)

    def _trim(self) -> None:
        """Remove what wasn't used for longest, unless another process is at it."""
        lock = os.open(os.path.join(self._folder, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._remove_least_used()
        except BlockingIOError:
            pass
        finally:
            os.close(lock)

    def _remove_least_used(self) -> None:
        files = list(self._files())
        total = sum(file.size for file in files)
        if total > self._limit:
            for file in sorted(files):
                with suppress(OSError):
                    os.unlink(file.path)
                total -= file.size
                if total <= self._limit * _KEPT:
                    break

    def _files(self) -> Iterator[_Seen]:
        """Those that count. Removes what a process that died has left. What others have put here is left alone."""
        for shard in os.listdir(self._folder):
            if shard != _NEW and _SHARD.fullmatch(shard) is None:
                continue
            with (
                suppress(FileNotFoundError, NotADirectoryError),
                os.scandir(os.path.join(self._folder, shard)) as entries,
            ):
                for entry in entries:
                    with suppress(FileNotFoundError):
                        found = entry.stat(follow_symlinks=False)
                        if shard == _NEW and time.time() - found.st_mtime > _ABANDONED:
                            os.unlink(entry.path)
                        elif stat.S_ISREG(found.st_mode):
                            yield _Seen(found.st_mtime, found.st_size, entry.path)


class NewFile:
    """A chunk on its way into the cache. It ends with `keep` or `give_up`."""

    def __init__(self, cache: ChunkCache, location: str, path: str) -> None:
        self._cache, self._location, self._path = cache, location, path
        self._fd = -1
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, offset: int, data: memoryview) -> None:
        while len(data):
            written = os.pwrite(self._fd, data, offset)
            offset, data = offset + written, data[written:]

    def keep(self) -> None:
        size = os.fstat(self._fd).st_size
        self._close()
        self._cache.keep(self._path, self._location, size)

    def give_up(self) -> None:
        """May be called again."""
        if self._fd >= 0:
            self._close()
            with suppress(OSError):
                os.unlink(self._path)

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        os.close(fd)

    def __del__(self) -> None:
        self.give_up()


class CachedStore:
    """See `BlobStore`: the store behind it, with this cache before it."""

    is_remote = True

    def __init__(self, store: RemoteStore, cache: ChunkCache) -> None:
        self._store, self._cache = store, cache
        # What the cache has no part in.
        self.read_from_disk, self.keep_damaged = store.read_from_disk, store.keep_damaged
        self.locations, self.answers, self.close = store.locations, store.answers, store.close
        self.identity, self.identify, self.create_whole = store.identity, store.identify, store.create_whole

    def create(self, location: str, expected_size: int | None = None) -> RemoteSink:
        return self._store.create(location, expected_size)

    def open(self, location: str) -> FileSource | FillingSource:
        found = self._cache.open(location)
        for watcher in _watchers:
            watcher(found is not None)
        return found or FillingSource(self._store.open(location), self._cache, location)

    def distrust(self, location: str) -> bool:
        self._cache.forget(location)
        return self._store.distrust(location)

    def delete(self, *locations: str) -> None:
        self._store.delete(*locations)
        for location in locations:
            self._cache.forget(location)


class FillingSource:
    """See `BlobSource`. What is read of a chunk from its beginning to its end, behind the list, is kept."""

    def __init__(self, source: RemoteSource, cache: ChunkCache, location: str) -> None:
        self._source, self._cache, self._location = source, cache, location
        self._expected = (0, 0)
        self._is_begun = False
        self._file: NewFile | None = None
        self._next = self._size = 0  # bytes that the file has, and that the chunk has without its list

    def expect(self, offset: int, length: int) -> None:
        self._expected = (offset, length)
        self._source.expect(offset, length)

    def read_into(self, buffer: memoryview, offset: int) -> None:
        self._source.read_into(buffer, offset)
        try:
            self._note(buffer, offset)
        except OSError:  # the disk is full, or fails: the cache can do without this chunk
            self._give_up()

    def _note(self, data: memoryview, offset: int) -> None:
        if not self._is_begun:
            self._is_begun = True
            if 0 < offset == self._expected[1] and self._expected[0] == 0:  # the list of a chunk that is wanted whole
                self._size, self._file = offset, self._cache.begin(self._location, offset + len(data))
                if self._file is not None:
                    self._file.write(offset, data)
        elif self._file is not None:
            if offset != self._next:
                self._give_up()
                return
            self._file.write(offset, data)
            self._next += len(data)
            if self._next >= self._size:
                file, self._file = self._file, None
                file.keep()

    def _give_up(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.give_up()

    def read_cached(self, buffer: memoryview, offset: int) -> bool:
        return False  # what is read is written, which may wait for the disk

    def close(self) -> None:
        self._give_up()
        self._source.close()
