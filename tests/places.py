"""Where what the tests write lies: in memory, where there is enough.

A flush to a disk takes milliseconds, and a first start alone flushes some 260 folders; together they were a third of
the suite's time. In memory a flush takes no time, so writes hardly come together in groups, and the page cache can't be
asked what it has. So `make soak` is on a disk, and so are, in each run, the blobs of the servers that many tests share,
the stores of tests/content, and the servers of tests/crash that are killed or loaded.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# "1": what asks the server that tests share asks three nodes by turns, through HAProxy. All else is skipped.
ASKS_CLUSTER = os.environ.get("S3GW_CLUSTER_SERVER") == "1"
_DISK = tempfile.gettempdir()  # as it is before conftest.py changes it
_MEMORY = Path("/dev/shm")


def memory_folder() -> Path | None:
    """None: on a machine without one, or without enough room, which then uses its disk."""
    try:
        there = os.statvfs(_MEMORY)
    except OSError:
        return None
    has_room = there.f_bavail * there.f_frsize > 2 << 30 and there.f_favail > 100_000
    return _MEMORY if has_room and os.access(_MEMORY, os.W_OK) else None


@contextmanager
def folder_on_disk() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="s3gw-tests-", dir=_DISK))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
