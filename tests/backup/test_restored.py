"""A restored server has everything that was there at one moment, whichever database it is on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from s3gw.backup import snapshots
from s3gw.backup.folder import FolderPlace
from s3gw.backup.format import Saved, piece_name, pieces_of
from s3gw.backup.restore import restore as restore_snapshot
from s3gw.config import load_settings
from s3gw.content.filesystem import FilesystemStore
from s3gw.metadata.database import UnsuitableDatabase
from s3gw.processes.first_start import prepare
from tests.backup.conftest import Made
from tests.backup.restored import objects_of, put_master_key, rows_in, steps_of
from tests.cli.commands import asking, command, refusal
from tests.crash.storage import settle
from tests.postgresql import Server
from tests.stores import Proxy, new_url


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, postgresql: Server) -> Iterator[str | None]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield None
        return
    name = postgresql.create_database("template0")
    yield postgresql.url(name)
    postgresql.drop_database(name)


def restore(made: Made, data: Path, url: str | None, *options: str) -> None:
    asking(command("--data", str(data), *(["--database-url", url] if url else [])))(
        "backup", "restore", str(made.place), *options
    )
    put_master_key(made.data, data)


def test_what_was_made_under_load_is_the_state_at_one_moment(made: Made, target: str | None, tmp_path: Path) -> None:
    restore(made, tmp_path / "data", target, "--snapshot", made.under_load["id"])
    found = asyncio.run(objects_of(tmp_path / "data", target))
    steps = steps_of(found, made.first, made.last)
    assert None not in steps, (steps, made.first, made.last)
    assert settle(tmp_path / "data", target) == []


def test_all_rows_are_as_they_were_in_a_place_that_was_empty(made: Made, target: str | None, tmp_path: Path) -> None:
    restore(made, tmp_path / "data", target)
    again = command("--data", str(tmp_path / "data"), *(["--database-url", target] if target else []))
    line = refusal(again("backup", "restore", str(made.place)))
    assert "there is a database already" in line or "isn't empty" in line
    assert rows_in(target, tmp_path / "data") == made.rows
    assert settle(tmp_path / "data", target) == []


def test_no_server_starts_where_a_restore_has_not_ended(made: Made, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "restoring").touch()
    with pytest.raises(UnsuitableDatabase, match="hasn't ended"):
        asyncio.run(prepare(load_settings(data=data)))
    assert not (data / "s3gw.db").exists()
    other = command("--data", str(data))
    (data / "restoring").write_text("20260101T000000-000000Z")
    assert "another snapshot" in refusal(other("backup", "restore", str(made.place)))


@pytest.mark.parametrize("was_begun", [False, True])
def test_chunks_of_two_databases_are_never_in_one_place(made: Made, tmp_path: Path, was_begun: bool) -> None:
    """Begun elsewhere, and gone on with where another server has its chunks, or is about to have some."""
    data = tmp_path / "data"
    FilesystemStore(data / "blobs").identify("another-database")
    if was_begun:
        (data / "restoring").write_text(f"{made.quiet['id']}\nthis-database\n")
    line = refusal(command("--data", str(data))("backup", "restore", str(made.place)))
    assert "belongs to another database" in line
    assert (data / "restoring").exists() == was_begun
    assert not (data / "s3gw.db").exists()


def test_the_master_key_is_in_a_backup_only_where_that_was_asked_for(made: Made, tmp_path: Path) -> None:
    where = ["--data", str(made.data), *(["--database-url", made.url] if made.url else [])]
    place, data = str(tmp_path / "backup"), tmp_path / "data"
    asking(command(*where))("backup", "create", place)
    key = (made.data / "master.key").read_text().strip()
    files = [path for path in (tmp_path / "backup").rglob("*") if path.is_file()]
    assert not any(key.encode() in path.read_bytes() for path in files)
    asking(command(*where))("backup", "create", place, "--with-master-key")
    told = asking(command("--data", str(data)))("backup", "restore", place)
    assert told["master_key_put"] == str(data / "master.key")
    assert (data / "master.key").read_text().strip() == key
    assert (data / "master.key").stat().st_mode & 0o777 == 0o600
    assert [each["with_master_key"] for each in asking(command())("backup", "list", place)] == [False, True]


def test_a_snapshot_of_an_older_schema_is_migrated(made: Made, target: str | None, tmp_path: Path) -> None:
    """As of before the revision that gave `scans` to buckets: without those tables and that column."""
    place = FolderPlace(made.place)
    manifest = snapshots.load(place, made.quiet["id"])
    of_later = {"scans", "scanned_objects", "damaged_blobs", "previews", "preview_sources", "reports", "job_pieces"}
    of_later |= {"console_sessions", "samples", "schedules"}  # of schedules later revisions add rows
    tables = [_without(place, table, "scan_policy") for table in manifest.tables if table.name not in of_later]
    older = replace(manifest, revision="0019", tables=tuple(tables))
    options = {"data": tmp_path / "data", "database_url": target}
    restore_snapshot(place, older, load_settings(**options), lambda line: None)
    found = rows_in(target, tmp_path / "data")
    assert {name: found[name] for name in ("objects", "contents", "buckets")} == {
        name: made.rows[name] for name in ("objects", "contents", "buckets")
    }


def _without(place: FolderPlace, table: Saved, column: str) -> Saved:
    if column not in table.columns:
        return table
    at = table.columns.index(column)
    rows = [[*row[:at], *row[at + 1 :]] for row in snapshots.rows(place, table)]
    names = tuple(name for name in table.columns if name != column)
    pieces = list(pieces_of(rows, table.binary, (0,)))
    for piece in pieces:
        place.write(piece_name(piece.digest), piece.data)
    return table._replace(columns=names, pieces=tuple(piece.digest for piece in pieces))


@pytest.mark.soak
def test_the_bytes_are_restored_into_another_object_store(
    made: Made, tmp_path: Path, proxy: Proxy, credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3GW_BLOBS", new_url())
    monkeypatch.setenv("S3GW_BLOBS_ENDPOINT", proxy.url)
    restore(made, tmp_path / "data", None, "--snapshot", made.under_load["id"])
    assert not list((tmp_path / "data").glob("blobs/*/*"))
    found = asyncio.run(objects_of(tmp_path / "data", None))
    assert None not in steps_of(found, made.first, made.last)
