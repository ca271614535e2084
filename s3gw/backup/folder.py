"""`Place` in a folder of a disk. A file is written elsewhere, flushed and then renamed: none is half there."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from s3gw.backup.format import MARKER, MARKER_TEXT, check_marker
from s3gw.backup.place import BackupError, NotInBackup
from s3gw.content.filesystem import flush, flush_folder

_NAME = re.compile(r"[a-z0-9]+(/[0-9a-f]{2})?/[0-9A-Za-z-]+(\.json)?", re.ASCII)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SCRATCH, _LOCK, _DAMAGED = "tmp", "lock", "damaged"


class FolderPlace:
    """See `Place`. `_touched`, the folders that are to be flushed, is under the lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._lock = threading.Lock()
        self._touched: set[Path] = set()

    def create(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (self.folder / MARKER).exists():
            others = set(os.listdir(self.folder)) - {_SCRATCH, _LOCK}
            if others:
                raise BackupError(f"{self.folder} is no backup, and not empty: there is {min(others)} in it")
            with self.locked(alone=True):
                self._put(self.folder / MARKER, MARKER_TEXT.encode())
                self.flush()
                flush_folder(os.fspath(self.folder.parent))
        self.require()

    def require(self) -> None:
        try:
            text = (self.folder / MARKER).read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            raise BackupError(f"there is no backup in {self.folder}") from None
        check_marker(text)

    @contextmanager
    def locked(self, *, alone: bool) -> Iterator[None]:
        descriptor = self._open_lock(alone)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            if alone:
                self._take_over()
            yield
        except BlockingIOError:
            raise BackupError(f"another command uses the backup in {self.folder} just now") from None
        finally:
            os.close(descriptor)  # which unlocks

    def _take_over(self) -> None:
        """After a command that was killed: what it left goes, and what it has renamed may not be durable yet."""
        shutil.rmtree(self.folder / _SCRATCH, ignore_errors=True)
        below = (path for pattern in ("*", "*/??") for path in self.folder.glob(pattern))
        folders = {self.folder, *(path for path in below if path.is_dir())}
        with self._lock:
            self._touched |= folders

    def _open_lock(self, alone: bool) -> int:
        path = self.folder / _LOCK
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            if alone:
                raise
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # a disk that is mounted read-only

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for what isn't to stay."""
        path = self.folder / _SCRATCH / secrets.token_hex(8)
        path.mkdir(mode=0o700, parents=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def names(self, folder: str) -> Iterator[str]:
        try:
            found = os.scandir(self.folder / folder)
        except FileNotFoundError:
            return
        with found:
            for entry in found:
                if entry.is_file(follow_symlinks=False):
                    yield entry.name

    def read(self, name: str) -> bytes:
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            raise NotInBackup(f"{name} isn't in the backup") from None

    def write(self, name: str, data: bytes) -> None:
        self._put(self._path(name), data)

    def _put(self, path: Path, data: bytes) -> None:
        scratch = self.folder / _SCRATCH / secrets.token_hex(16)
        self._make(scratch.parent)
        self._make(path.parent)
        try:
            with open(os.open(scratch, _NEW, 0o600), "wb", buffering=0) as file:
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) :]
                flush(file.fileno())
            scratch.rename(path)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise
        with self._lock:
            self._touched.add(path.parent)

    def _make(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._lock:
                self._touched |= (
                    {folder.parent, folder.parent.parent} if folder.parent != self.folder else {self.folder}
                )

    def flush(self) -> None:
        with self._lock:
            touched, self._touched = self._touched, set()
        for folder in sorted(touched):
            flush_folder(os.fspath(folder))

    def remove(self, name: str) -> None:
        path = self._path(name)
        with suppress(FileNotFoundError):
            path.unlink()
            with self._lock:
                self._touched.add(path.parent)

    def set_aside(self, name: str) -> None:
        path = self._path(name)
        aside = self.folder / _DAMAGED / f"{path.name}.{secrets.token_hex(4)}"
        self._make(aside.parent)
        with suppress(FileNotFoundError):
            path.rename(aside)
            with self._lock:
                self._touched |= {path.parent, aside.parent}

    def _path(self, name: str) -> Path:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"not a name in a backup: {name!r}")
        return self.folder / name
