"""What an error of the operating system says about a disk: that it is full, that it is read-only, or that it fails.

A used-up quota counts as a full disk. No other room looks at `errno`.
"""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

# EFBIG: the largest file of a file system, or RLIMIT_FSIZE.
FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


def is_full(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno in FULL


def is_disk_fault(error: BaseException) -> bool:
    """Whether it is the system's: a TimeoutError or a broken connection that we raise ourselves has no number."""
    return isinstance(error, OSError) and error.errno is not None


def in_words(error: BaseException) -> str:
    """Of an error of the system its file and its reason, without a number; of any other its message."""
    if not is_disk_fault(error):
        return str(error)
    assert isinstance(error, OSError)
    reason = error.strerror or str(error)
    is_named = isinstance(error.filename, str | bytes | os.PathLike) and error.filename  # it may be a descriptor
    return f"{error.filename}: {reason}" if is_named else reason


def is_read_only(folder: Path | str) -> bool:
    """Whether the file system is mounted read-only, or the kernel has made it so because its disk failed.

    Not every kernel shows the latter in the mount's flags, so a file is created there, which then fails with EROFS.
    """
    try:
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            return True
    except OSError:
        return False  # whatever is wrong, opening a file there raises it
    fault = write_fault(folder, size=0)
    return fault is not None and fault.errno == errno.EROFS


def write_fault(folder: Path | str, size: int = 4096) -> OSError | None:
    """Why nothing can be written there just now: a page is written and removed again.

    SQLite and statvfs don't tell a quota from a broken disk; the error of a write does.
    """
    path = os.path.join(folder, f".probe-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        return error
    try:
        try:
            os.write(descriptor, bytes(size))
        finally:
            os.close(descriptor)  # some file systems report a failed write only here
    except OSError as error:
        return error
    finally:
        with suppress(OSError):
            os.unlink(path)
    return None
