"""The floor of free space: of each disk for itself, by its size where nothing is set."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from s3gw.disks import room
from s3gw.disks.reserve import Reserve
from s3gw.disks.room import Room, floor_of
from s3gw.errors import InsufficientStorage, ServiceUnavailable
from tests.disks.small_disks import small_disk

MIB = 1 << 20


@pytest.fixture(autouse=True)
def looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_FRESH", 0.0)


def test_a_floor_that_is_not_set_is_a_part_of_a_small_disk_and_a_number_of_a_large_one(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "40m"):
        assert floor_of(tmp_path / "small", None) == 2 * MIB
        assert floor_of(tmp_path / "small", 7) == 7
    with small_disk(tmp_path / "large", "100g"):
        assert floor_of(tmp_path / "large", None) == 256 * MIB


def test_blobs_and_database_have_each_a_floor_on_its_own_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "blobs", "20m") as blobs, small_disk(tmp_path / "database", "20m") as database:
        asked = Room(blobs.folder, database.folder, 4 * MIB)
        asked.require(15 * MIB)
        with pytest.raises(InsufficientStorage):
            asked.require(17 * MIB)
        blobs.fill(leave=3 * MIB)
        assert isinstance(asked.refusal(), InsufficientStorage)
        with pytest.raises(OSError, match="S3GW_MIN_FREE_SPACE"):
            asked.require_for_file()
        blobs.empty()
        database.fill(leave=5 * MIB)
        asked.require(15 * MIB)  # which isn't the database's to hold
        database.fill(leave=3 * MIB)
        assert isinstance(asked.refusal(), InsufficientStorage)
        assert Room(blobs.folder, None, 4 * MIB).refusal() is None


def test_without_a_floor_nothing_is_refused_before_the_disk_does(tmp_path: Path) -> None:
    with small_disk(tmp_path / "blobs", "20m") as disk:
        disk.fill()
        assert Room(disk.folder, None, 0).refusal(1 << 40) is None
        disk.empty()
        disk.remount("ro")
        assert isinstance(Room(disk.folder, None, 0).refusal(), ServiceUnavailable)


def test_a_reserve_that_was_given_up_says_that_a_quota_was_met(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path)
    asked = Room(tmp_path, None, 1, [reserve])
    asked.require()  # where there never was one
    reserve.fill(0)
    asked.require()
    reserve.release()
    assert isinstance(asked.refusal(), InsufficientStorage)
    assert Room(tmp_path, None, 0, [reserve]).refusal() is None
    while reserve.release():
        pass
    assert isinstance(asked.refusal(), InsufficientStorage)
    reserve.fill(0)
    asked.require()


def test_the_disk_is_looked_at_once_a_second_however_often_it_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    looks: list[Path] = []
    look = room._look_at
    monkeypatch.setattr(room, "_look_at", lambda folder, floor: looks.append(folder) or look(folder, floor))
    asked, now = Room(tmp_path, None, 0), time.monotonic()
    for seconds in (0, 0.5, 0.9, 1.1, 1.2, 2.2):
        monkeypatch.setattr(room.time, "monotonic", lambda at=now + seconds: at)
        asked.require()
    assert len(looks) == 3
