"""`s3gw backup`: snapshots of database and chunks in a place of their own, and servers made of them."""

from __future__ import annotations

import asyncio
import base64
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from s3gw.auth.key_file import open_keyring
from s3gw.backup import create as making
from s3gw.backup import restore as restoring
from s3gw.backup import snapshots
from s3gw.backup import verify as verifying
from s3gw.backup.folder import FolderPlace
from s3gw.backup.format import Manifest
from s3gw.backup.place import BackupError, Place
from s3gw.cli.command import Data, DatabaseUrl, Json, group, refusals, session, settings_of, show, tell, when
from s3gw.metadata import store_identity
from s3gw.processes.lock import lock_data_folder
from s3gw.storage import open_storage

app = group()

Where = Annotated[str, typer.Argument(metavar="DIR|s3://…", help="Where the backup is: another disk, or a bucket.")]
SnapshotId = Annotated[str | None, typer.Option("--snapshot", metavar="ID", help="As `backup list` tells it.")]
_COLUMNS = ("id", "database", "objects", "chunks", "bytes", "new_bytes", "fault")


@app.command()
def create(
    where: Where,
    with_master_key: Annotated[
        bool,
        typer.Option("--with-master-key", help="Put the master key into it: who has the backup reads all secrets."),
    ] = False,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Make a snapshot of database and chunks, while the server serves or not. Only what isn't there yet is copied."""
    with session(data, database_url, as_json) as metadata:
        metadata.read(store_identity.known)
        place = _place(where)
        keys = _master_keys(metadata.settings) if with_master_key else None
        place.create()
        with place.locked(alone=True), place.scratch() as scratch:
            manifest = asyncio.run(_create(metadata.settings, place, scratch, keys, as_json))
        show(_told(manifest), as_json)


async def _create(settings: Any, place: Place, scratch: Path, keys: str | None, as_json: bool) -> Manifest:
    async with open_storage(settings, "backup") as storage:
        return await making.create(storage, place, scratch, _saying(as_json), keys)


def _master_keys(settings: Any) -> str:
    return "\n".join(base64.b64encode(key).decode() for key in open_keyring(settings).known().values())


@app.command("list")
def list_(where: Where, as_json: Json = False) -> None:
    """List the snapshots, the newest last."""
    with refusals(as_json):
        place = _place(where)
        place.require()
        show([_told_or_fault(place, id_) for id_ in snapshots.ids(place)], as_json, _COLUMNS)


@app.command()
def verify(
    where: Where,
    snapshot: SnapshotId = None,
    set_aside: Annotated[
        bool, typer.Option("--set-aside", help="Put what is damaged aside, so that the next snapshot copies it anew.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read back all that one snapshot needs, or all of them, and compare it with its digests. Exits with 1 if bad."""
    with refusals(as_json):
        place = _place(where)
        place.require()
        with place.locked(alone=set_aside):
            found = verifying.verify(place, [snapshot] if snapshot else snapshots.ids(place), set_aside=set_aside)
        bad = [each._asdict() for each in found.bad]
        if as_json:
            show(found._asdict() | {"bad": bad}, as_json)
        else:
            show(bad or {name: value for name, value in found._asdict().items() if name != "bad"}, as_json)
        if bad:
            tell("error", f"{len(bad)} files of the backup are missing or damaged", as_json)
            raise typer.Exit(1)


@app.command()
def restore(
    where: Where,
    snapshot: SnapshotId = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Restore a snapshot, the newest if none is named, into an empty data folder and an empty database of either kind.

    When it was interrupted, give the same command again. The master key is to be put back too.
    """
    with refusals(as_json):
        settings = settings_of(as_json, data=data, database_url=database_url)
        place = _place(where)
        place.require()
        os.umask(0o077)  # for the database, whose files SQLite makes
        with place.locked(alone=False):
            manifest = snapshots.load(place, snapshot) if snapshot else snapshots.newest(place)
            lock = lock_data_folder(settings.data)
            try:
                done = restoring.restore(place, manifest, settings, _saying(as_json))
            finally:
                os.close(lock)
        told = {"snapshot": manifest.id, "chunks": done.chunks, "bytes": done.bytes, "master_key": manifest.master_key}
        show(told | {"master_key_put": str(done.key_file) if done.key_file else None}, as_json)


@app.command()
def prune(
    where: Where,
    keep: Annotated[int, typer.Option(min=1, help="So many of the newest snapshots of each store stay.")],
    as_json: Json = False,
) -> None:
    """Remove old snapshots, and what none of the others needs."""
    with refusals(as_json):
        place = _place(where)
        place.require()
        with place.locked(alone=True):
            show(snapshots.prune(place, keep)._asdict(), as_json)


def _place(where: str) -> Place:
    if "://" not in where:
        return FolderPlace(Path(where))
    from s3gw.backup.remote import RemotePlace

    return RemotePlace(where)


def _saying(as_json: bool) -> Any:
    return lambda line: None if as_json else typer.echo(line, err=True)


def _told(manifest: Manifest) -> dict[str, Any]:
    return {
        "id": manifest.id,
        "created_at": when(manifest.created_at),
        "database": manifest.engine,
        "version": manifest.version,
        "store": manifest.store,
        "objects": manifest.table("objects").rows,
        "chunks": manifest.chunks,
        "bytes": manifest.bytes,
        "new_bytes": manifest.new_bytes,
        "with_master_key": manifest.master_keys is not None,
        "fault": None,
    }


def _told_or_fault(place: Place, id_: str) -> dict[str, Any]:
    try:
        return _told(snapshots.load(place, id_))
    except (BackupError, OSError) as error:
        return dict.fromkeys(_COLUMNS) | {"id": id_, "fault": str(error)}
