"""`BlobStore` in a bucket of S3, Google's or Azure's. Objects below the prefix:

    chunks/<process>/<counter>    a chunk, byte for byte the file that a folder has; listed by process for the sweep
    damaged/<location>            what scrubbing found bad, kept aside
    identity                      the name that database and store share
    create-once                   empty: tells whether the store refuses to create what exists

A chunk is kept on the local disk, in a file without a name, until it is whole, and goes up as one object while the
next one arrives. So a client that stalls holds no memory, what turns out to be stored already never goes up, and one
request creates the object or finds that it exists; an upload in parts couldn't be made to. Nothing is ever overwritten.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from s3gw.content.object_store import ObjectStore
from s3gw.content.remote_source import Ahead, RemoteSource, Tails
from s3gw.content.store import LOCATION, BlobNotFound, StoreUnavailable

_CHUNKS, _DAMAGED, _IDENTITY, _CREATE_ONCE = "chunks", "damaged", "identity", "create-once"
_LONGEST_IDENTITY = 100  # bytes
_DELETED = 1000  # at once


class RemoteStore:
    """See `BlobStore`. `folder` is where chunks wait that aren't whole; `require_room` raises OSError when none shall.

    Whether the store creates only what doesn't exist is found out once, under the lock.
    """

    is_remote = True

    def __init__(self, objects: ObjectStore, folder: Path, require_room: Callable[[], None] = lambda: None) -> None:
        self.objects = objects
        self._folder, self._require_room = folder, require_room
        self._ahead, self._tails = Ahead(), Tails()
        self._lock = threading.Lock()
        self._creates_once: bool | None = None

    def create(self, location: str, expected_size: int | None = None) -> RemoteSink:
        self._require_room()
        return RemoteSink(self, _name(location), self._folder)

    def create_whole(self, location: str, data: bytes | memoryview) -> None:
        self._require_room()
        self.create_object(_name(location), bytes(data))

    def open(self, location: str) -> RemoteSource:
        return RemoteSource(self.objects, _name(location), self._ahead, self._tails)

    def read_from_disk(self, location: str, buffer: memoryview) -> int:
        data = self.objects.read(_name(location), len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def keep_damaged(self, location: str) -> bool:
        try:
            self.objects.copy(_name(location), f"{_DAMAGED}/{location}")
        except BlobNotFound:
            return False
        return True

    def distrust(self, location: str) -> bool:
        self._tails.forget(_name(location))
        return True

    def delete(self, *locations: str) -> None:
        names = [_name(location) for location in locations]
        for start in range(0, len(names), _DELETED):
            self.objects.delete(names[start : start + _DELETED])

    def locations(self, process: str | None = None) -> Iterator[str]:
        for name in self.objects.names(_CHUNKS if process is None else f"{_CHUNKS}/{process}"):
            location = name.removeprefix(f"{_CHUNKS}/").replace("/", "-")
            if LOCATION.fullmatch(location) and name == _name(location):
                yield location

    def identity(self) -> str | None:
        try:
            return str(self.objects.read(_IDENTITY, _LONGEST_IDENTITY), "ascii", "replace").strip()
        except BlobNotFound:
            return None

    def identify(self, name: str) -> str:
        if self.identity() is None:
            with suppress(FileExistsError):
                self.create_object(_IDENTITY, f"{name}\n".encode("ascii"))
        return self.identity() or name

    def answers(self) -> bool:
        """Asked as often as one likes: it asks the store only when nothing else has lately."""
        if self.objects.outage.has_answered_lately():
            return True
        try:
            self.identity()
        except StoreUnavailable:
            return False
        return True

    def close(self) -> None:
        self._ahead.close()

    def create_object(self, name: str, data: bytes) -> None:
        """Raises FileExistsError; not where what is there is the same: a request of ours may have been done whose
        answer was lost, and that obstore sent again."""
        try:
            if self._may_create_at_once():
                self.objects.create(name, data)
            else:
                self._create_what_is_not_there(name, data)
        except FileExistsError:
            try:
                is_ours = self.objects.read(name, len(data) + 1) == data
            except BlobNotFound:
                raise StoreUnavailable(f"{name} is said to exist, and isn't there") from None
            if not is_ours:
                raise

    def _create_what_is_not_there(self, name: str, data: bytes) -> None:
        """In two steps, which another could come between: who writes has names that no other process uses."""
        try:
            self.objects.size(name)
        except BlobNotFound:
            self.objects.replace(name, data)
        else:
            raise FileExistsError(name)

    def _may_create_at_once(self) -> bool:
        with self._lock:
            if self._creates_once is None:
                self._creates_once = self._find_out()
            return self._creates_once

    def _find_out(self) -> bool:
        """A store that doesn't know the condition ignores it, and creates the same object twice."""
        try:
            for _ in range(2):
                self.objects.create(_CREATE_ONCE, b"")
        except FileExistsError:
            return True
        except NotImplementedError:
            return False
        return False


class RemoteSink:
    """See `BlobSink`. `_may_exist`: something of ours may lie in the store."""

    def __init__(self, store: RemoteStore, name: str, folder: Path) -> None:
        self._store, self._name = store, name
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed by commit or discard
        self._may_exist = False

    def write(self, offset: int, data: bytes | memoryview) -> None:
        rest, fd = memoryview(data), self._file.fileno()
        while len(rest):
            written = os.pwrite(fd, rest, offset)
            offset, rest = offset + written, rest[written:]

    def commit(self) -> None:
        fd = self._file.fileno()
        size = os.fstat(fd).st_size
        data = os.pread(fd, size, 0)
        assert len(data) == size, "nobody else has this file"
        self._may_exist = True
        try:
            self._store.create_object(self._name, data)
        except FileExistsError:
            self._may_exist = False
            raise
        self._file.close()

    def discard(self) -> None:
        """What can't be removed now is left to the sweep."""
        self._file.close()
        if self._may_exist:
            with suppress(StoreUnavailable):
                self._store.objects.delete([self._name])
            self._may_exist = False

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()


def _name(location: str) -> str:
    if LOCATION.fullmatch(location) is None:
        raise ValueError(f"not a location: {location!r}")
    process, _, counter = location.rpartition("-")
    return f"{_CHUNKS}/{process}/{counter}"
