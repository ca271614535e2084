"""The folder in which all processes of a server keep what they count, so that each of them can tell of all: what
prometheus_client calls its multiprocess mode. The supervisor makes and removes it, and loads no library for that.

It lies in memory where that can be had: the files are mapped, and a process that writes to a mapped file on a full disk
is killed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # the library's own, which the children inherit
_MEMORY = "/dev/shm"
_PREFIX = "s3gw-metrics-"


def make() -> Path | None:
    """Nothing where it can't be made: then each worker tells what it has counted itself."""
    parent = Path(_MEMORY if os.access(_MEMORY, os.W_OK) else tempfile.gettempdir())
    _remove_left_behind(parent)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    except OSError:
        return None
    os.environ[VARIABLE] = str(folder)
    return folder


def forget(folder: Path, pid: int) -> None:
    """What a process that has ended had at that moment. What it has counted stays."""
    for path in folder.glob(f"gauge_live*_{pid}.db"):
        path.unlink(missing_ok=True)


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _remove_left_behind(parent: Path) -> None:
    """Of supervisors that were killed."""
    for folder in parent.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        with suppress(OSError):
            if pid.isdigit() and folder.stat().st_uid == os.geteuid() and not _lives(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
