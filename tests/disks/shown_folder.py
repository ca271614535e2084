"""The process of a faulty disk (faulty_disk.py): a file system in user space that shows a folder, and fails as told.

python -m tests.disks.shown_folder FOLDER MOUNT CONTROL
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

from mfusepy import FUSE, FuseOSError, Operations

from tests.disks.faulty_disk import used

_ATTRIBUTES = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_ino", "st_blocks", "st_blksize")


class ShownFolder(Operations):
    use_ns = True

    def __init__(self, shown: str, control: str) -> None:
        self._shown, self._control = shown, control

    def _real(self, path: str) -> str:
        return self._shown + path

    def _check(self, operation: str, path: str, growth: int = 0) -> None:
        with open(self._control, encoding="ascii") as lines:
            for line in lines:
                what, value, *start = line.split()
                if what == operation and path[1:].startswith(tuple(start) or ""):
                    raise FuseOSError(getattr(errno, value))
                if what == "quota" and growth and used(self._shown) + growth > int(value):
                    raise FuseOSError(errno.EDQUOT)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        found = os.lstat(self._real(path)) if fh is None else os.fstat(fh)
        times = {f"st_{name}time": getattr(found, f"st_{name}time_ns") for name in "amc"}
        return {name: getattr(found, name) for name in _ATTRIBUTES} | times

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *os.listdir(self._real(path))]

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._real(path))
        return {name: getattr(found, name) for name in dir(found) if name.startswith("f_") and name != "f_fsid"}

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        self._check("create", path, growth=1)
        return os.open(self._real(path), os.O_RDWR | os.O_CREAT, mode)

    def open(self, path: str, flags: int) -> int:
        self._check("open", path)
        # Written through us, so O_DIRECT and O_APPEND are the kernel's business.
        return os.open(self._real(path), flags & (os.O_ACCMODE | os.O_TRUNC))

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        self._check("read", path)
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        growth = max(0, offset + len(data) - os.fstat(fh).st_size)
        self._check("write", path, growth)
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        real = self._real(path)
        self._check("write", path, max(0, length - os.lstat(real).st_size))
        os.truncate(real if fh is None else fh, length)
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._check("fsync", path)
        os.fsync(fh)
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        self._check("fsync", path)
        return 0

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0

    def unlink(self, path: str) -> int:
        self._check("unlink", path)
        os.unlink(self._real(path))
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        self._check("create", path, growth=1)
        os.mkdir(self._real(path), mode)
        return 0

    def rmdir(self, path: str) -> int:
        os.rmdir(self._real(path))
        return 0

    def rename(self, old: str, new: str) -> int:
        os.rename(self._real(old), self._real(new))
        return 0

    def link(self, target: str, source: str) -> int:
        os.link(self._real(source), self._real(target))
        return 0

    def chmod(self, path: str, mode: int) -> int:
        os.chmod(self._real(path), mode)
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        os.utime(self._real(path), ns=times)
        return 0


if __name__ == "__main__":
    shown, mount, control = sys.argv[1:]
    # bindfs is one of the local file systems that the server trusts with SQLite.
    options = {"fsname": "faulty", "subtype": "bindfs", "hard_remove": True}
    FUSE(ShownFolder(shown, control), mount, foreground=True, nothreads=True, **options)
