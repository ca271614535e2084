"""One server per data folder: a lock that the supervisor takes and every process of its tree inherits.

flock belongs to the open file, so the folder stays locked until the last process of a killed tree is gone.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from s3gw.blobs.filesystem import make_folder

FILE_NAME = "server.lock"


class DataFolderInUse(Exception):
    """Another server holds the data folder."""


def lock_data_folder(data: Path, patience: float = 2.0) -> int:
    """Make the folder if need be, lock it, and return the lock's descriptor (inheritable).

    `patience` is how long to wait, in seconds: the children of a killed server need a moment to die.
    """
    make_folder(data.absolute())
    descriptor = os.open(data / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise DataFolderInUse(
                f"{data} is in use by another s3gw server (process {holder or 'unknown'}); "
                "a data folder belongs to one server at a time"
            ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    os.set_inheritable(descriptor, True)
    return descriptor
