"""What a backup holds, what it keeps from being deleted while it is made, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from s3gw.backup import create as create_module
from s3gw.backup import snapshots
from s3gw.backup.create import create
from s3gw.backup.folder import FolderPlace
from s3gw.backup.place import BackupError, NotInBackup
from s3gw.backup.verify import verify
from s3gw.content.stored_chunk import is_intact
from s3gw.metadata import blobs, contents
from tests.content.bodies import random_bytes
from tests.jobs.conftest import Process, process

pytestmark = pytest.mark.anyio
__all__ = ["process"]

BODY = random_bytes(50_000)


def ignore(line: str) -> None:
    pass


class PausedPlace(FolderPlace):
    """Waits when the first chunk is looked for, by when the rows were written; or, if asked to, is written."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.waits_to_write = False

    def write(self, name: str, data: bytes) -> None:
        if name.startswith("chunks/"):
            self.reached.set()
            assert self.go_on.wait(30)
        super().write(name, data)

    def names(self, folder: str) -> Iterator[str]:
        if folder.startswith("chunks/") and not self.waits_to_write:
            self.reached.set()
            assert self.go_on.wait(30)
        return super().names(folder)


@pytest.fixture
def place(tmp_path: Path) -> PausedPlace:
    made = PausedPlace(tmp_path / "backup")
    made.create()
    return made


@pytest.fixture
def backed_up(process: Process, database_url: str, place: PausedPlace, tmp_path: Path) -> Process:
    process.services.settings.database_url = database_url  # type: ignore[misc]
    return process


async def begun(process: Process, place: PausedPlace, tmp_path: Path) -> asyncio.Task[snapshots.Manifest]:
    (tmp_path / "scratch").mkdir(exist_ok=True)
    making = asyncio.create_task(create(process.services, place, tmp_path / "scratch", ignore))  # type: ignore[arg-type]
    assert await asyncio.to_thread(place.reached.wait, 30)
    return making


async def test_what_a_snapshot_needs_is_not_reaped_before_it_was_copied(
    backed_up: Process, place: PausedPlace, tmp_path: Path
) -> None:
    content = await backed_up.put(BODY)
    making = await begun(backed_up, place, tmp_path)
    await backed_up.database.write(contents.release, content.id)
    await backed_up.reap(5)
    assert len(backed_up.files()) == 1
    place.go_on.set()
    manifest = await making
    assert (manifest.chunks, manifest.bytes) == (1, len(BODY))
    assert verify(place, [manifest.id]).bad == []
    await backed_up.reap(4)
    assert backed_up.files() == []


@pytest.mark.parametrize("most", [create_module.MOST_PINNED, 0])
async def test_what_is_in_the_backup_already_is_reaped_while_a_few_others_are_copied(
    backed_up: Process, place: PausedPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(create_module, "MOST_PINNED", most)
    place.go_on.set()
    old = await backed_up.put(BODY)
    await (await begun(backed_up, place, tmp_path))
    new = await backed_up.put(random_bytes(40_000, 1))
    place.go_on.clear()
    place.reached.clear()
    place.waits_to_write = True
    making = await begun(backed_up, place, tmp_path)
    for content in (old, new):
        await backed_up.database.write(contents.release, content.id)
    await backed_up.reap(5)
    assert len(backed_up.files()) == (1 if most else 2)
    place.go_on.set()
    assert verify(place, [(await making).id]).bad == []


async def test_what_was_written_after_the_rows_were_read_is_not_in_the_snapshot(
    backed_up: Process, place: PausedPlace, tmp_path: Path
) -> None:
    await backed_up.put(BODY)
    making = await begun(backed_up, place, tmp_path)
    await backed_up.put(random_bytes(40_000, 1))
    place.go_on.set()
    assert (await making).chunks == 1
    assert (await (await begun(backed_up, place, tmp_path))).chunks == 2


async def test_a_chunk_that_is_bad_where_the_snapshot_says_is_read_where_it_is_by_now(
    backed_up: Process, place: PausedPlace, tmp_path: Path
) -> None:
    await backed_up.put(BODY)
    (file,) = backed_up.files()
    making = await begun(backed_up, place, tmp_path)
    file.write_bytes(b"other")
    await backed_up.put(BODY)  # finds it bad, and puts its own in its place
    place.go_on.set()
    assert verify(place, [(await making).id]).bad == []


async def test_without_a_chunk_there_is_no_snapshot(backed_up: Process, place: PausedPlace, tmp_path: Path) -> None:
    await backed_up.put(BODY)
    (file,) = backed_up.files()
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    place.go_on.set()
    with pytest.raises(BackupError, match="can't be read"):
        await (await begun(backed_up, place, tmp_path))
    assert snapshots.ids(place) == []


async def test_only_what_is_new_is_copied(backed_up: Process, place: PausedPlace, tmp_path: Path) -> None:
    place.go_on.set()
    await backed_up.put(BODY)
    first = await (await begun(backed_up, place, tmp_path))
    await backed_up.put(random_bytes(20_000, 1))
    second = await (await begun(backed_up, place, tmp_path))
    assert first.new_bytes > len(BODY)
    assert 20_000 < second.new_bytes < 30_000
    assert second.bytes == len(BODY) + 20_000


async def test_what_verify_sets_aside_is_brought_by_the_next_snapshot(
    backed_up: Process, place: PausedPlace, tmp_path: Path
) -> None:
    place.go_on.set()
    content = await backed_up.put(BODY)
    first = await (await begun(backed_up, place, tmp_path))
    (chunk,) = place.folder.glob("chunks/??/*")
    for change in (lambda data: data[:-1], lambda data: b"?" + data[1:]):
        chunk.write_bytes(change(chunk.read_bytes()))
        (bad,) = verify(place, [first.id]).bad
        assert (bad.name, bad.fault, bad.snapshots) == (str(chunk.relative_to(place.folder)), "changed", (first.id,))
        await (await begun(backed_up, place, tmp_path))
        assert verify(place, [first.id]).bad == [bad], "it is believed by its name"
        verify(place, [first.id], set_aside=True)
        assert verify(place, [first.id]).bad == [bad._replace(fault="missing")]
        await (await begun(backed_up, place, tmp_path))
        assert verify(place, snapshots.ids(place)).bad == []
    blob = await backed_up.database.read(blobs.find, content.extents[0].digest)
    assert blob is not None
    assert is_intact(backed_up.services.store, blob)


async def test_a_changed_piece_or_manifest_is_found(backed_up: Process, place: PausedPlace, tmp_path: Path) -> None:
    place.go_on.set()
    await backed_up.put(BODY)
    manifest = await (await begun(backed_up, place, tmp_path))
    for path in (*place.folder.glob("pieces/??/*"), *place.folder.glob("snapshots/*")):
        data = path.read_bytes()
        path.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
        (bad,) = verify(place, [manifest.id]).bad
        assert bad.name == str(path.relative_to(place.folder))
        path.write_bytes(data)
    assert verify(place, [manifest.id]).bad == []


async def test_pruning_keeps_the_newest_and_all_that_they_need(
    backed_up: Process, place: PausedPlace, tmp_path: Path
) -> None:
    place.go_on.set()
    gone = await backed_up.put(BODY)
    await backed_up.put(random_bytes(20_000, 1))
    made = [await (await begun(backed_up, place, tmp_path))]
    await backed_up.database.write(contents.release, gone.id)
    await backed_up.reap(4)
    made += [await (await begun(backed_up, place, tmp_path)) for _ in range(2)]
    with pytest.raises(BackupError, match="no snapshot's id"):
        snapshots.load(place, "../../etc/passwd")
    pruned = snapshots.prune(place, 2)
    assert pruned.snapshots == [made[0].id]
    kept = snapshots.ids(place)
    assert len(kept) == 2
    assert verify(place, kept).bad == []
    snapshots.prune(place, 1)
    assert len(list(place.folder.glob("chunks/??/*"))) == 1
    assert verify(place, snapshots.ids(place)).bad == []
    with pytest.raises(NotInBackup):
        snapshots.load(place, pruned.snapshots[0])


def test_a_folder_with_other_things_and_a_newer_format_are_refused(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "one").touch()
    with pytest.raises(BackupError, match="not empty"):
        FolderPlace(tmp_path / "letters").create()
    with pytest.raises(BackupError, match="no backup in"):
        FolderPlace(tmp_path / "nothing").require()
    place = FolderPlace(tmp_path / "backup")
    place.create()
    (tmp_path / "backup" / "s3gw-backup").write_text(json.dumps({"format": 2}))
    with pytest.raises(BackupError, match="format 2"):
        place.require()


def test_who_changes_a_backup_has_it_alone(tmp_path: Path) -> None:
    place, other = FolderPlace(tmp_path), FolderPlace(tmp_path)
    place.create()
    with place.locked(alone=False), other.locked(alone=False), pytest.raises(BackupError, match="another command"):
        FolderPlace(tmp_path).locked(alone=True).__enter__()
    with place.locked(alone=True), pytest.raises(BackupError, match="another command"):
        other.locked(alone=False).__enter__()


@pytest.mark.parametrize(
    "name", ["../outside", "chunks/../../outside", "/etc/passwd", "chunks/ab/", "snapshots/a/b.json"]
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        FolderPlace(tmp_path).read(name)
