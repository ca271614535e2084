"""A file system in user space that fails when it is told to: by a quota, or with an error of a test's choice.

It shows another folder. What is to fail stands in a file: lines of `write EIO blobs/` (operation, error, beginning of
the path) or `quota BYTES`. The file system is a process of its own (shown_folder.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class FaultyDisk:
    """`folder` is where it is mounted."""

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
    # Of a missing libfuse the module says so with an OSError, when it is imported.
    pytest.importorskip("mfusepy", reason="libfuse is missing (scripts/install-fuse.sh)", exc_type=Exception)
    shown, control = folder.with_name(f"{folder.name}.shown"), folder.with_name(f"{folder.name}.control")
    shown.mkdir(parents=True)
    folder.mkdir()
    control.touch()
    command = [sys.executable, "-m", "tests.disks.shown_folder", str(shown), str(folder), str(control)]
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
