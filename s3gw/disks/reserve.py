"""The reserve: files beside the database that are removed when the disk is full, so that deletes can be committed.

SQLite writes the pages of a DELETE before anything becomes free, and a start creates files. There are several small
files, because a disk can have bytes left and no inodes: each removed file frees one. The process that finds the disk
full removes some; the job process makes them again when there is room (jobs/keep_reserve.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from s3gw.disks.faults import is_full

T = TypeVar("T")

FOLDER = "reserve"
FILES = 16
_SIZE, _SHARE = 16 << 20, 32  # bytes in all, but no more than that part of a small disk
_PAGE = 4096


class Reserve:
    """The reserve in one folder, that of the database or of the data. Several processes may use it at the same time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._was_whole = self._folder / "was-whole"  # exists for ever once all files did
        self._paths = [self._folder / f"{number:02}" for number in range(FILES)]

    def release(self) -> bool:
        """Remove half of the files, so that a start leaves some for later deletes. False when there are none.

        The first file goes first and is made last, so it alone tells whether all are there.
        """
        there = [path for path in self._paths if os.path.exists(path)]  # which raises nothing, unlike a path's
        for path in there[: (len(there) + 1) // 2]:
            with suppress(OSError):
                path.unlink()
        return bool(there)

    @property
    def was_given_up(self) -> bool:
        """Whether files were removed and not all are back. Until all have existed once, nothing counts as given up."""
        return not os.path.exists(self._paths[0]) and os.path.exists(self._was_whole)

    def fill(self, floor: int) -> bool:
        """Make all missing files or none, if `floor` bytes and the size of these files once more stay free: otherwise
        the room just given up would be taken back before a delete could use it. False when files are still missing.
        Raises OSError, since only a write shows that a quota is used up.
        """
        missing = [path for path in self._paths if not path.exists()]
        if missing:
            disk = os.statvfs(self._folder.parent)
            each = max(1, min(_SIZE, disk.f_blocks * disk.f_frsize // _SHARE) // FILES // _PAGE) * _PAGE
            if disk.f_bavail * disk.f_frsize < floor + 2 * each * len(missing):
                return False
            self._folder.mkdir(mode=0o700, exist_ok=True)
            made: list[Path] = []
            try:
                for path in reversed(missing):
                    made.append(path)
                    _write(path, each)
            except OSError:
                for path in made:
                    path.unlink(missing_ok=True)
                raise
            self._was_whole.touch()
        return True


def spending(folder: Path, do: Callable[[], T]) -> T:
    """Call `do`; whenever it fails because the folder's disk is full, release more of the reserve and call it again."""
    while True:
        try:
            return do()
        except OSError as error:
            if not is_full(error) or not Reserve(folder).release():
                raise


def _write(path: Path, size: int) -> None:
    """Random bytes: zeros would take no room on a file system that compresses."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        rest = memoryview(os.urandom(size))
        while len(rest):
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
