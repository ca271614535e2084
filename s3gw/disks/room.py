"""Whether there is room for new bytes: a floor of free space below which they are refused, before the disk is full.

What is left below the floor is for what makes room again: SQLite writes before it deletes. The disks are looked at
once a second at most, so asking costs nothing. Blobs and database may lie on two disks; each has the floor.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from s3gw.disks.reserve import Reserve
from s3gw.errors import InsufficientStorage, S3Error, ServiceUnavailable

_FRESH = 1.0  # seconds
# Where no floor is set: enough for days of deletes, but at most a twentieth of a small disk.
_FLOOR, _SHARE = 256 << 20, 20
_INODES, _INODE_SHARE = 1000, 100


class _Seen(NamedTuple):
    at: float
    disks: list[_Disk]
    was_full: bool


class _Disk(NamedTuple):
    """`room`: bytes above the floor, below zero where there are fewer."""

    room: int
    has_inodes: bool
    is_read_only: bool


class Room:
    """Of the disks of blobs and database (None: a server's). `floor` is in bytes; 0: none; None: by the size of each.

    A reserve that was given up counts as a full disk: it shows a used-up quota, which no figure does. May be asked in
    any thread: `_seen` is replaced by one assignment, and threads that look at the same time see the same.
    """

    def __init__(self, blobs: Path, database: Path | None, floor: int | None, reserves: Iterable[Reserve] = ()) -> None:
        self._folders = (blobs,) if database is None else (blobs, database)
        self._floor = floor
        self._reserves = tuple(reserves)
        self._seen = _Seen(-_FRESH, [], False)

    def require(self, size: int = 0) -> None:
        """Raise the refusal of a body of that size where there is no room for it."""
        refusal = self.refusal(size)
        if refusal is not None:
            raise refusal

    def require_for_file(self) -> None:
        """As `require`, for the store, which knows no S3: a body that is longer than was foreseen ends here."""
        if isinstance(self.refusal(), InsufficientStorage):
            raise OSError(errno.ENOSPC, "the disk has less than S3GW_MIN_FREE_SPACE")

    def refusal(self, size: int = 0) -> S3Error | None:
        seen = self._look()
        disks = seen.disks
        if any(disk.is_read_only for disk in disks):
            return ServiceUnavailable("The disk is read-only: what is stored can be read, but nothing can be written.")
        if self._floor == 0:
            return None
        needed = (size, 0)  # blobs, database
        is_short = any(disk.room < most or not disk.has_inodes for disk, most in zip(disks, needed, strict=False))
        return InsufficientStorage() if is_short or seen.was_full else None

    def _look(self) -> _Seen:
        seen, now = self._seen, time.monotonic()
        if now - seen.at >= _FRESH:
            disks = [_look_at(folder, self._floor) for folder in self._folders]
            seen = self._seen = _Seen(now, disks, any(reserve.was_given_up for reserve in self._reserves))
        return seen


def _look_at(folder: Path, floor: int | None) -> _Disk:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return _Disk(1 << 62, True, False)  # whatever is wrong there, the write raises it
    # Some file systems have no fixed number of inodes, and tell none.
    least = min(_INODES, disk.f_files // _INODE_SHARE)
    has_inodes = disk.f_files == 0 or disk.f_favail >= least
    return _Disk(disk.f_bavail * disk.f_frsize - _floor_of(disk, floor), has_inodes, bool(disk.f_flag & os.ST_RDONLY))


def _floor_of(disk: os.statvfs_result, floor: int | None) -> int:
    return min(_FLOOR, disk.f_blocks * disk.f_frsize // _SHARE) if floor is None else floor


def floor_of(folder: Path, floor: int | None) -> int:
    """Bytes that are kept free on the disk of that folder. Raises OSError."""
    return _floor_of(os.statvfs(folder), floor)
