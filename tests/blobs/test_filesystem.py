"""The local disk: the contract of every store, and what is flushed in which order."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from s3gw.blobs.filesystem import FilesystemStore
from s3gw.blobs.store import BlobCorrupt
from tests.blobs.conformance import HERE, BlobStoreConformance, write


class TestConformance(BlobStoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> FilesystemStore:
        return FilesystemStore(tmp_path / "blobs")


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that were flushed, in order, by the real fsync."""
    paths: list[str] = []
    fsync = os.fsync

    def recorded(fd: int) -> None:
        fsync(fd)
        paths.append(os.readlink(f"/proc/self/fd/{fd}"))

    monkeypatch.setattr(os, "fsync", recorded)
    return paths


def test_a_new_store_flushes_each_shard_before_its_parents(tmp_path: Path, flushed: list[str]) -> None:
    folder = tmp_path / "new" / "data" / "blobs"
    FilesystemStore(folder)
    shards = [str(folder / f"{number:02x}") for number in range(256)]
    new, data = tmp_path / "new", tmp_path / "new" / "data"
    assert sorted(flushed[:3]) == sorted(map(str, (tmp_path, new, data)))  # each new folder in the one above it
    assert flushed[3:259] == shards
    assert flushed[259:] == [str(folder), str(data), str(new), str(folder)]


def test_a_complete_store_is_not_flushed_again(tmp_path: Path, flushed: list[str]) -> None:
    FilesystemStore(tmp_path)
    flushed.clear()
    FilesystemStore(tmp_path)
    assert flushed == []


def test_a_store_whose_making_was_interrupted_is_completed(tmp_path: Path, flushed: list[str]) -> None:
    (tmp_path / "blobs" / "00").mkdir(parents=True)
    FilesystemStore(tmp_path / "blobs")
    assert str(tmp_path / "blobs" / "00") in flushed
    assert str(tmp_path) in flushed


def test_commit_flushes_the_file_and_then_its_folder(tmp_path: Path, flushed: list[str]) -> None:
    store = FilesystemStore(tmp_path)
    flushed.clear()
    write(store, HERE, b"x")
    assert flushed == [str(tmp_path / "01" / HERE), str(tmp_path / "01")]


def test_a_failed_flush_fails_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FilesystemStore(tmp_path)
    sink = store.create(HERE)

    def fails(fd: int) -> None:
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="broken"):
        sink.commit()
    sink.discard()
    assert list(store.locations()) == []


def test_macos_flushes_the_drive_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FilesystemStore(tmp_path)
    calls: list[Any] = []
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", lambda fd, command: calls.append(command))
    write(store, HERE, b"x")
    assert calls == [51, 51]


def test_an_unreadable_sector_is_corruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FilesystemStore(tmp_path)
    write(store, HERE, b"x")
    source = store.open(HERE)

    def fails(*_: object) -> int:
        raise OSError(errno.EIO, "bad sector")

    monkeypatch.setattr(os, "preadv", fails)
    with pytest.raises(BlobCorrupt):
        source.read_into(memoryview(bytearray(1)), 0)


def test_foreign_files_are_not_listed(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    (tmp_path / "00" / "lost+found").touch()
    assert list(store.locations()) == []


def test_files_are_private(tmp_path: Path) -> None:
    write(FilesystemStore(tmp_path), HERE, b"x")
    assert (tmp_path / "01" / HERE).stat().st_mode & 0o777 == 0o600
