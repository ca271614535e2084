"""The local disk: the contract of every store, and what is flushed in which order."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from s3gw.content import filesystem
from s3gw.content.filesystem import FilesystemStore
from s3gw.content.store import BlobCorrupt
from tests.content.bodies import random_bytes
from tests.content.conformance import HERE, BlobStoreConformance, write


class TestConformance(BlobStoreConformance):
    @pytest.fixture
    def store(self, few_shards: None, tmp_path: Path) -> FilesystemStore:
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


@pytest.mark.parametrize("has_nameless_files", [True, False])
def test_what_is_created_whole_is_seen_when_it_is_flushed(
    has_nameless_files: bool, few_shards: None, tmp_path: Path, flushed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk that is copied may be read at any moment, from where it was until all of it is here."""
    seen: list[bool] = []
    fsync = os.fsync
    if not has_nameless_files:
        monkeypatch.setattr(filesystem, "_NAMELESS", 0)
    store = FilesystemStore(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda fd: (seen.append(bool(list(store.locations()))), fsync(fd)))
    flushed.clear()
    store.create_whole(HERE, random_bytes(100_000))
    assert seen == [False, True]
    assert flushed[0].startswith(str(tmp_path / "01")) and flushed[1] == str(tmp_path / "01")
    assert [path.name for path in (tmp_path / "01").iterdir()] == [HERE]
    assert (tmp_path / "01" / HERE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("has_nameless_files", [True, False])
def test_what_is_not_created_whole_leaves_nothing(
    has_nameless_files: bool, few_shards: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_nameless_files:
        monkeypatch.setattr(filesystem, "_NAMELESS", 0)
    store = FilesystemStore(tmp_path)

    def fails(fd: int) -> None:
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="the disk is broken"):
        store.create_whole(HERE, b"x")
    assert list((tmp_path / "01").iterdir()) == []


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


PAGES = memoryview(mmap.mmap(-1, 64 * 1024))  # at the beginning of a page, as slices are


@pytest.mark.skipif(sys.platform != "linux", reason="O_DIRECT and RWF_NOWAIT are Linux's")
def test_whole_pages_go_past_the_page_cache_and_a_files_end_through_it(disk_path: Path) -> None:
    store = FilesystemStore(disk_path)
    PAGES[:] = data = random_bytes(len(PAGES))
    write(store, HERE, PAGES, PAGES, PAGES[:100], PAGES[:8192])
    source, page = store.open(HERE), memoryview(bytearray(4096))
    assert [source.read_cached(page, 2 * len(PAGES) + offset) for offset in (0, 4096)] == [True, True]
    assert not source.read_cached(page, 0)
    source.close()
    assert (disk_path / "01" / HERE).read_bytes() == data + data + data[:100] + data[:8192]


@pytest.mark.skipif(sys.platform != "linux", reason="as above")
def test_what_is_expected_is_fetched(disk_path: Path) -> None:
    store = FilesystemStore(disk_path)
    PAGES[:] = data = random_bytes(len(PAGES))
    write(store, HERE, PAGES)
    source, page = store.open(HERE), memoryview(bytearray(4096))
    source.expect(8192, 4096)
    started = time.monotonic()
    while not source.read_cached(page, 8192):
        assert time.monotonic() < started + 20
        time.sleep(0.01)
    assert page == data[8192:12288]
    source.close()
    source.expect(0, 1)  # of a file that is closed: nothing


@pytest.mark.parametrize("pieces", [(PAGES[1:4097], PAGES), (PAGES[100:8292], PAGES[4096:8192], PAGES[:5])])
def test_pages_between_two_of_memory_are_written_all_the_same(tmp_path: Path, pieces: tuple[memoryview, ...]) -> None:
    PAGES[:] = random_bytes(len(PAGES))
    write(FilesystemStore(tmp_path), HERE, *pieces)
    assert (tmp_path / "01" / HERE).read_bytes() == b"".join(pieces)


@pytest.mark.skipif(sys.platform != "linux", reason="as above")
def test_a_file_system_that_writes_only_through_the_cache_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens = os.open

    def refuses(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "no O_DIRECT here")
        return opens(path, flags, mode)

    monkeypatch.setattr(os, "open", refuses)
    PAGES[:] = data = random_bytes(len(PAGES))
    write(FilesystemStore(tmp_path), HERE, PAGES, memoryview(b"end"))
    assert (tmp_path / "01" / HERE).read_bytes() == data + b"end"


@pytest.mark.parametrize(("number", "raised"), [(errno.EIO, BlobCorrupt), (errno.ENOMEM, OSError)])
def test_an_unreadable_sector_is_corruption_and_other_errors_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, raised: type[Exception]
) -> None:
    store = FilesystemStore(tmp_path)
    write(store, HERE, b"x")
    source = store.open(HERE)

    def fails(*_: object) -> int:
        raise OSError(number, "bad sector")

    monkeypatch.setattr(os, "preadv", fails)
    with pytest.raises(raised):
        source.read_into(memoryview(bytearray(1)), 0)


def test_an_open_file_goes_on_after_delete(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    write(store, HERE, b"x")
    source, buffer = store.open(HERE), bytearray(1)
    store.delete(HERE)
    source.read_into(memoryview(buffer), 0)
    assert buffer == b"x"


def test_what_exists_is_found_when_a_file_is_begun(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    store.create(HERE)
    with pytest.raises(FileExistsError):
        store.create(HERE)


def test_foreign_files_are_not_listed(tmp_path: Path) -> None:
    store = FilesystemStore(tmp_path)
    (tmp_path / "00" / "lost+found").touch()
    assert list(store.locations()) == []


def test_files_are_private(tmp_path: Path) -> None:
    write(FilesystemStore(tmp_path), HERE, b"x")
    assert (tmp_path / "01" / HERE).stat().st_mode & 0o777 == 0o600
