"""The reserve: given up by halves, made again when there is room for it twice."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from s3gw.disks.reserve import FILES, Reserve, spending
from tests.disks.small_disks import small_disk

MIB = 1 << 20


def count(folder: Path) -> int:
    return len(list((folder / "reserve").glob("[0-9][0-9]")))


def test_it_is_given_up_by_halves_until_nothing_is_left(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path)
    assert not reserve.release()
    assert reserve.fill(0)
    left = [count(tmp_path)]
    while reserve.release():
        left.append(count(tmp_path))
    assert left == [FILES, 8, 4, 2, 1, 0]


def test_it_is_filled_above_the_floor_only_and_is_small_on_a_small_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "32m") as disk:
        reserve = Reserve(disk.folder)
        disk.fill(leave=8 * MIB)
        assert not reserve.fill(7 * MIB)
        assert count(disk.folder) == 0
        before = disk.free()
        assert reserve.fill(5 * MIB)
        assert MIB <= before - disk.free() < MIB + 65536
        assert reserve.fill(8 * MIB), "nothing is missing"
        reserve.release()
        disk.fill()
        assert not reserve.fill(0)


def test_it_is_made_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a quota, which no figure tells, leaves is for the deletes."""
    reserve = Reserve(tmp_path)
    reserve.fill(0)
    reserve.release()
    write = os.write

    def run_out(descriptor: int, data: bytes) -> int:
        if count(tmp_path) > 12:
            raise OSError(errno.EDQUOT, "quota")
        return write(descriptor, data)

    monkeypatch.setattr("s3gw.disks.reserve.os.write", run_out)
    with pytest.raises(OSError, match="quota"):
        reserve.fill(0)
    assert count(tmp_path) == 8
    assert reserve.was_given_up
    monkeypatch.undo()
    assert reserve.fill(0)
    assert not reserve.was_given_up


def test_one_that_is_being_made_for_the_first_time_was_not_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a slow disk would refuse all new bytes until it is there."""
    reserve, seen = Reserve(tmp_path), []
    flush = os.fsync
    monkeypatch.setattr("s3gw.disks.reserve.os.fsync", lambda fd: seen.append(reserve.was_given_up) or flush(fd))
    reserve.fill(0)
    assert seen == [False] * FILES
    reserve.release()
    assert reserve.was_given_up


def test_what_a_full_disk_refuses_is_tried_again_until_nothing_is_left_to_give_up(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "32m") as disk:
        Reserve(disk.folder).fill(0)
        disk.fill()
        file = disk.folder / "file"
        spending(disk.folder, lambda: file.write_bytes(os.urandom(700_000)))
        assert count(disk.folder) < FILES // 2
        with pytest.raises(OSError, match="No space left"):
            spending(disk.folder, lambda: (disk.folder / "another").write_bytes(os.urandom(700_000)))
        assert count(disk.folder) == 0


def test_other_errors_give_up_nothing(tmp_path: Path) -> None:
    Reserve(tmp_path).fill(0)
    with pytest.raises(FileNotFoundError):
        spending(tmp_path, (tmp_path / "nothing").read_bytes)
    assert count(tmp_path) == FILES
