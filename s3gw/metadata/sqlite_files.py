"""The SQLite database on the disk: where it may lie, how a connection to it is set up, who may write just now.

Nothing here, nor anywhere else in a process with a connection, opens the database, its -wal or its -shm by other
means than SQLite: closing such a file drops all POSIX locks that SQLite holds on it.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from s3gw.disks.faults import is_read_only
from s3gw.metadata.database import UnsuitableDatabase

MAPPED = 256 * 1024 * 1024
# Our processes exclude each other by `flock`. The timeout is for other programs (a sqlite3 shell), and for TRUNCATE
# checkpoints, which wait until readers of older snapshots have ended (a second at most).
BUSY_TIMEOUT_MS = 5000
CACHED_STATEMENTS = 512
# fmt: off
_NETWORK = frozenset((
    "nfs", "nfs3", "nfs4", "cifs", "smbfs", "smb2", "smb3", "afs", "auristorfs", "ceph", "coda", "gfs", "gfs2",
    "glusterfs", "gpfs", "lustre", "beegfs", "ncpfs", "ocfs2", "orangefs", "pvfs2", "davfs", "davfs2", "sshfs", "9p",
    "afpfs", "webdav", "vboxsf", "prl_fs", "acfs", "fuse"
))
_LOCAL_FUSE = frozenset((
    "fuse-overlayfs", "fuseblk", "ntfs-3g", "exfat", "mergerfs", "bindfs", "gocryptfs", "encfs", "zfs", "lxcfs"
))
# fmt: on


def connect(path: Path, *, writes: bool) -> sqlite3.Connection:
    """A connection in autocommit mode (transactions are begun by name), for one thread at a time."""
    uri = None if writes or not is_read_only(path.absolute().parent) else read_only_uri(path)
    is_new = not path.exists() or not path.stat().st_size
    conn = sqlite3.connect(
        uri or path,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=CACHED_STATEMENTS,
        timeout=0,
        uri=uri is not None,
    )
    try:
        for pragma, value in _pragmas(writes, is_new):
            conn.execute(f"PRAGMA {pragma} = {value}").close()
    except sqlite3.Error:
        conn.close()
        raise
    return conn


def read_only_uri(path: Path) -> str:
    """How to open a database whose disk is mounted read-only.

    SQLite reads what a -wal holds with the help of its -shm, which it can't make there. Without a -wal everything is in
    the database, but SQLite would make one to read in WAL mode, unless it is told that the file never changes.
    """
    wal = path.with_name(f"{path.name}-wal")
    if not wal.exists() or not wal.stat().st_size:
        return f"{path.absolute().as_uri()}?immutable=1"
    if not path.with_name(f"{path.name}-shm").exists():
        raise UnsuitableDatabase(
            f"{path} wasn't closed, and SQLite can't read its -wal on a read-only disk without the -shm, which is gone;"
            " mount the disk writable once"
        )
    return f"{path.absolute().as_uri()}?mode=ro"


def _pragmas(writes: bool, is_new: bool) -> Iterator[tuple[str, str]]:
    yield "busy_timeout", str(BUSY_TIMEOUT_MS)
    if writes and is_new:
        # Counts only while the file is empty, and before it is in WAL mode. It is a write transaction that gets no turn
        # among those of our processes: beside a busy server it would wait until the timeout.
        yield "auto_vacuum", "INCREMENTAL"
    if writes:
        yield "journal_mode", "WAL"
    yield "synchronous", "FULL"
    if sys.platform == "darwin":
        yield "fullfsync", "1"  # fsync alone leaves data in the drive's cache there
    yield "wal_autocheckpoint", "0"
    yield "foreign_keys", "ON"
    yield "temp_store", "MEMORY"  # savepoints keep the pages they may have to restore there
    yield "cache_size", "-16384" if writes else "-8192"
    if not writes:
        yield "mmap_size", str(MAPPED)  # a page that is mapped is read without a system call
    if not writes:
        yield "query_only", "ON"


class WriterLock:
    """Lets one process write at a time. The kernel frees it when its holder dies.

    `flock` isn't fair: a process that frees a lock and wants it again at once mostly gets it, before those that wait.
    So it must first get a second lock, the turn, which is held by the one process that waits for the first.
    """

    def __init__(self, path: Path) -> None:
        self._turn = _open_lock(path.with_name(f"{path.name}.turn.lock"))
        self._lock = _open_lock(path.with_name(f"{path.name}.writer.lock"))

    def acquire(self) -> None:
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def release(self) -> None:
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    @contextmanager
    def held(self) -> Iterator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def close(self) -> None:
        os.close(self._turn)
        os.close(self._lock)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def refuse_network_file_system(path: Path, mounts: str | None = None) -> None:
    """SQLite's WAL needs shared memory and locks that network file systems don't have."""
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text(errors="surrogateescape")
        except FileNotFoundError:
            return  # not Linux
    kind = _file_system(path.resolve(), mounts)
    name = kind.removeprefix("fuse.")
    if name in _NETWORK or (kind.startswith("fuse.") and name not in _LOCAL_FUSE):
        raise UnsuitableDatabase(
            f"{path} is on a network file system ({kind}), where SQLite can't keep its promises. "
            "Use a local disk, or PostgreSQL (postgresql://…)."
        )


def _file_system(path: Path, mounts: str) -> str:
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[1]))
        # Of several mounts on one folder the last hides the others.
        if len(point.parts) >= best and path.is_relative_to(point):
            best, kind = len(point.parts), fields[2]
    return kind
