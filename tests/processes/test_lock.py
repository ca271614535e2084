"""The lock on a data folder: one server at a time, and the children of a killed one count."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from s3gw.processes.lock import FILE_NAME, DataFolderInUse, lock_data_folder


def test_the_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    os.close(lock_data_folder(tmp_path / "new" / "data"))
    assert (tmp_path / "new" / "data").stat().st_mode & 0o777 == 0o700


def test_a_second_server_is_told_who_is_the_first(tmp_path: Path) -> None:
    first = lock_data_folder(tmp_path)
    with pytest.raises(DataFolderInUse, match=f"process {os.getpid()}"):
        lock_data_folder(tmp_path, patience=0)
    os.close(first)
    os.close(lock_data_folder(tmp_path, patience=0))


def test_a_child_keeps_the_folder_locked(tmp_path: Path) -> None:
    first = lock_data_folder(tmp_path)
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[first]) as child:
        os.close(first)
        with pytest.raises(DataFolderInUse):
            lock_data_folder(tmp_path, patience=0.1)
        child.kill()
    os.close(lock_data_folder(tmp_path, patience=1))


def test_the_children_of_a_killed_server_are_waited_for(tmp_path: Path) -> None:
    first = lock_data_folder(tmp_path)
    threading.Timer(0.2, os.close, [first]).start()
    os.close(lock_data_folder(tmp_path, patience=5))


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path: Path) -> None:
    """A start that is refused removes what it made: who waited for it must not hold the lock of a file that is gone."""
    refused = lock_data_folder(tmp_path)

    def leave() -> None:
        (tmp_path / FILE_NAME).unlink()
        os.close(refused)

    threading.Timer(0.2, leave).start()
    ours = lock_data_folder(tmp_path, patience=5)
    with pytest.raises(DataFolderInUse):
        lock_data_folder(tmp_path, patience=0)
    os.close(ours)
