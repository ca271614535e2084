"""A file system in user space that fails when it is told to: by a quota, or with an error of a test's choice.

It shows another folder. What is to fail stands in a file: lines of `write EIO blobs/` (operation, error, beginning of
the path) or `quota BYTES`. Run as a process of its own: python -m tests.disks.faulty_disk FOLDER MOUNT CONTROL
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_ATTRIBUTES = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_ino", "st_blocks", "st_blksize")


class FaultyDisk:
    """The tests' side."""

    def __init__(self, shown: Path, folder: Path, control: Path) -> None:
        self.folder = folder
        self._shown, self._control = shown, control

    def used(self) -> int:
        return used(self._shown)

    def fail(self, *lines: str) -> None:
        """From now on as these lines say; none: work again."""
        scratch = self._control.with_suffix(".new")
        scratch.write_text("\n".join(lines))
        scratch.rename(self._control)


def used(folder: Path | str) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except FileNotFoundError:
                pass
    return total


@contextmanager
def faulty_disk(folder: Path) -> Iterator[FaultyDisk]:
    if sys.platform != "linux" or os.geteuid() != 0 or not os.access("/dev/fuse", os.W_OK):
        pytest.skip("a file system in user space needs root, and /dev/fuse")
    try:
        pytest.importorskip("mfusepy", reason="libfuse is missing (scripts/install-fuse.sh)", exc_type=Exception)
    except Exception as error:
        pytest.skip(f"libfuse is missing: {error}")
    shown, control = folder.with_name(f"{folder.name}.shown"), folder.with_name(f"{folder.name}.control")
    shown.mkdir(parents=True)
    folder.mkdir()
    control.touch()
    command = [sys.executable, "-m", "tests.disks.faulty_disk", str(shown), str(folder), str(control)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    try:
        end = time.monotonic() + 20
        while not os.path.ismount(folder):
            assert process.poll() is None and time.monotonic() < end, "the file system wasn't mounted"
            time.sleep(0.05)
        yield FaultyDisk(shown, folder, control)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
        process.terminate()
        process.wait(20)


def _serve(shown: str, folder: str, control: str) -> None:
    from mfusepy import FUSE, FuseOSError, Operations

    class Shown(Operations):
        use_ns = True

        def _real(self, path: str) -> str:
            return shown + path

        def _check(self, operation: str, path: str, growth: int = 0) -> None:
            with open(control, encoding="ascii") as lines:
                for line in lines:
                    what, value, *start = line.split()
                    if what == operation and path[1:].startswith(tuple(start) or ""):
                        raise FuseOSError(getattr(errno, value))
                    if what == "quota" and growth and used(shown) + growth > int(value):
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

    # bindfs is one of the local file systems that the server trusts with SQLite.
    options = {"fsname": "faulty", "subtype": "bindfs", "hard_remove": True}
    FUSE(Shown(), folder, foreground=True, nothreads=True, **options)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
