"""Backups in an object store, which is another s3gw: the same as in a folder."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from s3gw.backup import snapshots
from s3gw.backup.place import BackupError, NotInBackup
from s3gw.backup.remote import RemotePlace
from s3gw.backup.verify import verify
from tests.backup.restored import objects_of, put_master_key
from tests.cli.commands import asking, command, refusal
from tests.crash.client import BUCKET, open_gateway

BODIES = {"small": b"s" * 100, "inline": bytes(range(256)) * 40, "large": bytes(range(255)) * 4000}


@pytest.fixture(scope="module")
def data(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a server that has objects."""

    async def fill() -> None:
        async with open_gateway(folder, sqlite_template, chunk_size=65536) as gateway:
            for key, body in BODIES.items():
                assert (await gateway.request("PUT", f"{BUCKET}/{key}", body)).is_success

    folder = tmp_path_factory.mktemp("source") / "data"
    asyncio.run(fill())
    return folder


@pytest.mark.soak
def test_what_was_backed_up_is_restored(url: str, data: Path, tmp_path: Path) -> None:
    ask = asking(command("--data", str(data)))
    first = ask("backup", "create", url)
    second = ask("backup", "create", url)
    assert second["new_bytes"] < 10_000 < first["new_bytes"]
    listed = asking(command())("backup", "list", url)
    assert [each["id"] for each in listed] == [first["id"], second["id"]]
    verified = asking(command())("backup", "verify", url)
    assert (verified["snapshots"], verified["bad"]) == (2, [])
    assert asking(command())("backup", "prune", url, "--keep", "1")["snapshots"] == [first["id"]]
    asking(command("--data", str(tmp_path / "data")))("backup", "restore", url)
    put_master_key(data, tmp_path / "data")
    assert asyncio.run(objects_of(tmp_path / "data", None)) == BODIES


@pytest.mark.soak
def test_what_is_bad_is_told_and_set_aside(url: str, data: Path) -> None:
    ask = asking(command("--data", str(data)))
    ask("backup", "create", url)
    place = RemotePlace(url)
    shard = next(f"chunks/{number:02x}" for number in range(256) if list(place.names(f"chunks/{number:02x}")))
    (name, *_) = place.names(shard)
    place.write(f"{shard}/{name}", b"other")
    done = command()("backup", "verify", url, "--set-aside", "--json")
    assert done.exit_code == 1
    with pytest.raises(NotInBackup):
        place.read(f"{shard}/{name}")
    ask("backup", "create", url)
    assert verify(place, snapshots.ids(place)).bad == []


def test_a_bucket_with_other_things_or_that_is_not_there_is_refused(url: str, data: Path) -> None:
    place = RemotePlace(url)
    place.write("letters/one", b"x")
    run = command("--data", str(data))
    assert "not empty" in refusal(run("backup", "create", url))
    assert "no backup at" in refusal(command()("backup", "list", url))
    assert "no such bucket" in refusal(run("backup", "create", "s3://no-such-bucket/here"))
    assert "a backup is in a folder, or at" in refusal(run("backup", "create", "ftp://here"))


def test_one_command_at_a_time_changes_a_backup(url: str) -> None:
    holder, other = RemotePlace(url, beat=0.02), RemotePlace(url, beat=0.4, silence=30)
    with holder.locked(alone=True), pytest.raises(BackupError, match="another command uses the backup"):
        other.locked(alone=True).__enter__()
    with other.locked(alone=True):
        pass


def test_a_holder_that_stood_still_stops_before_others_may_take_its_lock(url: str) -> None:
    stopped = RemotePlace(url, beat=3600, silence=0.2)
    with stopped.locked(alone=True):
        time.sleep(0.12)
        with pytest.raises(BackupError, match="taken the backup"):
            stopped.write("chunks/ab/one", b"x")
        stopped._objects.replace("lock", b"another one's")
    assert stopped._objects.read("lock") == b"another one's"


def test_the_lock_of_a_command_that_was_killed_is_taken_over_and_its_holder_stops(url: str) -> None:
    threads = threading.active_count()
    killed, other = RemotePlace(url, beat=3600), RemotePlace(url, beat=0.02, silence=2)
    with killed.locked(alone=True), other.locked(alone=True):
        other.write("chunks/ab/one", b"x")
    killed = RemotePlace(url, beat=0.02)
    lost = killed._lost
    with killed.locked(alone=True):
        other._objects.replace("lock", b"another one's")
        assert lost.wait(10)
        with pytest.raises(BackupError, match="taken the backup"):
            killed.remove("chunks/ab/one")
    assert other._objects.read("lock") == b"another one's"
    assert threading.active_count() <= threads
