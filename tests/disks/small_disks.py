"""Real small file systems for tests: one can fill them, run them out of inodes, and make them read-only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """A tmpfs at `folder`. What fills it lies in a file of somebody else's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._hog = folder / "somebody-elses"

    def fill(self, leave: int = 0) -> None:
        """Until nothing is left, or so many bytes."""
        with self._hog.open("ab", buffering=0) as hog:
            try:
                while True:
                    hog.write(bytes(1 << 20))
            except OSError:
                pass
            try:
                while True:
                    hog.write(bytes(4096))
            except OSError:
                pass
        if leave:
            os.truncate(self._hog, self._hog.stat().st_size - leave)

    def use_up_inodes(self) -> None:
        number = 0
        try:
            while True:
                (self.folder / f"inode-{number}").touch()
                number += 1
        except OSError:
            pass

    def empty(self) -> None:
        """Remove what the other has stored."""
        for path in (self._hog, *self.folder.glob("inode-*")):
            path.unlink(missing_ok=True)

    def free(self) -> int:
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize

    def remount(self, mode: str) -> None:
        """Waits for those who have files open for writing to end: a killed server's processes take a moment."""
        command = ["mount", "-o", f"remount,{mode}", str(self.folder)]
        end = time.monotonic() + 10
        while subprocess.run(command, capture_output=True, check=False).returncode:
            assert time.monotonic() < end, "a file is still open for writing"
            time.sleep(0.05)


@contextmanager
def failing_disk(folder: Path) -> Iterator[Callable[[], None]]:
    """An ext4 at `folder`, and what makes the kernel hold its disk for broken: it is read-only from then on."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("only root may mount an ext4 of a file, and only on Linux")
    folder.mkdir(parents=True, exist_ok=True)
    image = folder.with_name(f"{folder.name}.image")
    with image.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True)
    command = ["mount", "-o", "loop,errors=remount-ro", str(image), str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"an ext4 can't be mounted here: {mounted.stderr.strip()}")

    def fail() -> None:
        subprocess.run(["mount", "-o", "remount,abort", str(folder)], check=True, capture_output=True)

    try:
        yield fail
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        image.unlink()


@contextmanager
def small_disk(folder: Path, size: str = "48m", inodes: int = 4096) -> Iterator[SmallDisk]:
    """Skips the test where mounting isn't allowed."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a small file system, and only on Linux")
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},nr_inodes={inodes},mode=700", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small file system can't be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
