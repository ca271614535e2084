"""Where the SQLite database may lie, and how its connections are set up."""

from __future__ import annotations

import os
import select
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from s3gw.metadata import sqlite_files
from s3gw.metadata.database import UnsuitableDatabase
from s3gw.metadata.sqlite_files import WriterLock, connect, read_only_uri, refuse_network_file_system

LOCKS = Path("/proc/locks")
_MOUNTS = """\
server:/run /run/nfs nfs4 rw 0 0
/dev/sda1 / ext4 rw 0 0
server:/export /mnt/nfs nfs4 rw 0 0
//server/share /mnt/with\\040space cifs rw 0 0
host:/ /mnt/sshfs fuse.sshfs rw 0 0
bucket /mnt/unknown fuse.some-bucket rw 0 0
overlay /mnt/overlay fuse.fuse-overlayfs rw 0 0
/dev/sdb1 /mnt/nfs/local xfs rw 0 0
/dev/sdc1 /mnt/ntfs fuseblk rw 0 0
server:/twice /mnt/twice nfs4 rw 0 0
/dev/sdd1 /mnt/twice ext4 rw 0 0
"""


@pytest.mark.parametrize("folder", ["/mnt/nfs", "/mnt/with space/a/b", "/mnt/sshfs/x", "/mnt/unknown", "/run/nfs"])
def test_a_network_file_system_is_refused(folder: str) -> None:
    with pytest.raises(UnsuitableDatabase, match="network file system"):
        refuse_network_file_system(Path(folder), _MOUNTS)


@pytest.mark.parametrize(
    "folder", ["/", "/mnt/nfs2", "/mnt/nfs/local/data", "/mnt/overlay/x", "/mnt/ntfs", "/mnt/twice"]
)
def test_a_local_file_system_is_not_refused(folder: str) -> None:
    refuse_network_file_system(Path(folder), _MOUNTS)


def test_the_folder_of_the_tests_is_not_refused(tmp_path: Path) -> None:
    refuse_network_file_system(tmp_path)


@pytest.mark.parametrize("writes", [True, False])
def test_a_connection_is_durable_and_leaves_checkpoints_to_the_writer(sqlite_url: str, writes: bool) -> None:
    conn = connect(Path(sqlite_url.removeprefix("sqlite:///")), writes=writes)
    expected = {
        "journal_mode": "wal",
        "synchronous": 2,
        "auto_vacuum": 2,
        "wal_autocheckpoint": 0,
        "foreign_keys": 1,
        "query_only": int(not writes),
    }
    assert {name: conn.execute(f"PRAGMA {name}").fetchone()[0] for name in expected} == expected
    conn.close()


@pytest.mark.parametrize("writes", [True, False])
def test_a_connection_is_opened_while_another_writes(
    sqlite_url: str, writes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_files, "BUSY_TIMEOUT_MS", 0)
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    other = connect(path, writes=True)
    other.execute("BEGIN IMMEDIATE")
    connect(path, writes=writes).close()
    other.close()


def test_what_is_no_database_is_refused_and_not_kept_open(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database\n" * 1000)
    before = os.listdir("/dev/fd")
    with pytest.raises(sqlite3.DatabaseError):
        connect(tmp_path / "text", writes=True)
    assert len(os.listdir("/dev/fd")) == len(before)


def test_on_a_read_only_disk_a_database_that_was_closed_never_changes(tmp_path: Path) -> None:
    path, wal, shm = (tmp_path / f"s3gw.db{suffix}" for suffix in ("", "-wal", "-shm"))
    for file in (path, wal):
        file.touch()  # a -wal that is empty holds nothing
        assert read_only_uri(path) == f"{path.as_uri()}?immutable=1"
    wal.write_bytes(b"pages")
    with pytest.raises(UnsuitableDatabase, match="-shm"):
        read_only_uri(path)
    shm.touch()
    assert read_only_uri(path) == f"{path.as_uri()}?mode=ro"


def test_one_at_a_time_may_write_and_a_closed_lock_is_nobodys(tmp_path: Path) -> None:
    before = os.listdir("/dev/fd")
    lock, other = WriterLock(tmp_path / "db"), WriterLock(tmp_path / "db")
    waiter = threading.Thread(target=other.acquire, daemon=True)
    with lock.held():
        waiter.start()
        waiter.join(0.05)
        assert waiter.is_alive()
    waiter.join(10)
    assert not waiter.is_alive()
    lock.close()
    other.close()
    assert len(os.listdir("/dev/fd")) == len(before)


def test_a_process_that_has_just_written_lets_another_go_first(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from s3gw.metadata.sqlite_files import WriterLock\n"
        "lock = WriterLock(Path(sys.argv[1])); print('ready', flush=True); lock.acquire(); print('mine', flush=True)"
    )
    lock = WriterLock(tmp_path / "db")
    lock.acquire()
    command = [sys.executable, "-c", script, str(tmp_path / "db")]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert other.stdout is not None
    assert other.stdout.readline() == b"ready\n"
    _await_waiter(other.pid)
    lock.release()
    lock.acquire()  # returns only after the other has had it, and has ended
    assert select.select([other.stdout], [], [], 0)[0], "the other has not had it"
    lock.release()
    assert other.wait(10) == 0
    assert other.stdout.read() == b"mine\n"
    other.stdout.close()
    lock.close()


def _await_waiter(pid: int) -> None:
    """Until the process waits for the lock: Linux shows it as `1: -> FLOCK ADVISORY WRITE pid …`."""
    deadline = time.monotonic() + (5 if LOCKS.exists() else 0.5)
    while time.monotonic() < deadline:
        if LOCKS.exists() and any("->" in line and f" {pid} " in line for line in LOCKS.read_text().splitlines()):
            return
        time.sleep(0.01)
