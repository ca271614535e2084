"""One server per data folder: a lock that the supervisor takes and every process of its tree inherits.

flock belongs to the open file, so the folder stays locked until the last process of a killed tree is gone.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from s3gw.content.filesystem import make_folder
from s3gw.disks.faults import is_read_only
from s3gw.disks.reserve import spending

FILE_NAME = "server.lock"


class DataFolderInUse(Exception):
    """Another server holds the data folder."""


def lock_data_folder(data: Path, patience: float = 2.0) -> int:
    """Make the folder if need be, lock it, and return the lock's descriptor (inheritable).

    `patience` is how long to wait, in seconds: the children of a killed server need a moment to die.
    """
    deadline = time.monotonic() + patience
    descriptor = -1
    while True:
        if descriptor < 0:
            make_folder(data.absolute())
            descriptor = spending(data, lambda: _open(data / FILE_NAME))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(descriptor, data / FILE_NAME):
                break
            os.close(descriptor)  # a refused start has removed the file meanwhile; a lock on it excludes nobody
            descriptor = -1
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise DataFolderInUse(
                f"{data} is in use by another s3gw server (process {holder or 'unknown'}); "
                "a data folder belongs to one server at a time: stop that one, or choose another by --data (S3GW_DATA)"
            ) from None
    with suppress(OSError):  # the disk is full or read-only; the number only serves the message above
        length = os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        os.ftruncate(descriptor, length)
    os.set_inheritable(descriptor, True)
    return descriptor


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _open(path: Path) -> int:
    if is_read_only(path.parent):
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
