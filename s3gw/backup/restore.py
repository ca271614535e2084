"""A server of a snapshot, in an empty place: chunks first, then the database, which appears as a whole and last.

A file in the data folder says that a restore has begun, and of which snapshot. So one that was killed is gone on with:
chunks that are there already are read instead of written. What is restored is a store of its own, with another identity
than the one that the backup was made of.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from s3gw.auth import key_file
from s3gw.auth.master_key import parse_master_keys
from s3gw.backup import snapshots
from s3gw.backup.format import Damaged, Manifest, chunk_is_intact
from s3gw.backup.place import BackupError, Place
from s3gw.backup.snapshots import Chunk
from s3gw.blob_store import open_blob_store, place_of_blobs
from s3gw.content.filesystem import flush, flush_folder
from s3gw.content.store import BlobStore
from s3gw.content.stored_chunk import is_intact
from s3gw.folders import restoring_file
from s3gw.metadata import load, migrate, restored
from s3gw.metadata.blobs import Blob
from s3gw.metadata.dumped import Loaded
from s3gw.metadata.engines import open_database
from s3gw.metadata.readiness import unreachable_is_unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from s3gw.config import Settings

AT_ONCE = 4
Say = Callable[[str], None]


class Done(NamedTuple):
    """`key_file`: the master key was put there."""

    chunks: int
    bytes: int
    key_file: Path | None


def restore(place: Place, manifest: Manifest, settings: Settings, say: Say) -> Done:
    """Nobody else uses the data folder. Raises BackupError, UnsuitableDatabase, DatabaseUnavailable, OSError."""
    marker = restoring_file(settings)
    if not marker.exists():
        load.require_empty(settings.database_url, settings.data)
    store = open_blob_store(settings)
    try:
        return _restore(place, manifest, settings, store, marker, say)
    finally:
        store.close()


def _restore(place: Place, manifest: Manifest, settings: Settings, store: BlobStore, marker: Path, say: Say) -> Done:
    has_appeared = marker.exists() and _has_appeared(settings, store)
    if not has_appeared:
        load.require_empty(settings.database_url, settings.data)
    place_of_chunks = place_of_blobs(settings)
    identity = begin(marker, manifest.id, store, place_of_chunks)
    _require_own(store.identify(identity), identity, place_of_chunks)
    count, size = 0, 0
    for chunk in _copied(place, store, manifest):
        count, size = count + 1, size + chunk.size
    say(f"the chunks were copied: {count}")
    put = _put_master_keys(manifest, settings)
    if not has_appeared:
        _build(place, manifest, settings, identity)
    marker.unlink()
    flush_folder(str(marker.absolute().parent))
    return Done(count, size, put)


def _has_appeared(settings: Settings, store: BlobStore) -> bool:
    """Whether the database is that of an attempt which was killed at its very end: no server makes one meanwhile."""
    identity = store.identity()
    return identity is not None and load.identity_in(settings.database_url, settings.data) == identity


def begin(marker: Path, id_: str, store: BlobStore, place_of_chunks: str) -> str:
    """Note which snapshot is restored here, and the identity that is given, which store and database will share. Raises
    BackupError where something else is here.
    """
    data, identity = marker.absolute().parent, secrets.token_hex(16)
    if marker.exists():
        found, _, noted = marker.read_text(encoding="ascii", errors="replace").strip().partition("\n")
        identity = noted or store.identity() or identity
        if found and found != id_:
            raise BackupError(
                f"the restore of another snapshot was begun in {data}: end it (--snapshot {found}), or empty the folder"
            )
    elif any(True for _ in store.locations()):
        raise BackupError(f"{place_of_chunks} isn't empty: there are chunks in it")
    else:
        _require_own(store.identity() or identity, identity, place_of_chunks)
    with marker.open("w", encoding="ascii") as file:
        file.write(f"{id_}\n{identity}\n")
        file.flush()
        flush(file.fileno())
    flush_folder(str(data))
    return identity


def _require_own(found: str, identity: str, place_of_chunks: str) -> None:
    if found != identity:
        raise BackupError(f"{place_of_chunks} belongs to another database: its identity is {found}")


def _copied(place: Place, store: BlobStore, manifest: Manifest) -> Iterator[Chunk]:
    """Copy all chunks, several at once; yields each that is durable."""
    chunks = snapshots.chunks(place, manifest.table("blobs"))
    with ThreadPoolExecutor(AT_ONCE, "s3gw-restore") as threads:
        while batch := list(islice(chunks, 16 * AT_ONCE)):
            yield from threads.map(lambda chunk: _copy(place, store, chunk), batch)


def _copy(place: Place, store: BlobStore, chunk: Chunk) -> Chunk:
    data = place.read(chunk.name)
    if not chunk_is_intact(chunk.digest, chunk.size, data):
        raise Damaged(f"{chunk.name} isn't what was written; `s3gw backup verify` tells what else isn't")
    try:
        store.create_whole(chunk.location, data)
    except FileExistsError:  # of an attempt that was killed
        if not is_intact(store, Blob(*chunk)):
            store.delete(chunk.location)
            store.create_whole(chunk.location, data)
    return chunk


def _build(place: Place, manifest: Manifest, settings: Settings, identity: str) -> None:
    """In the schema of the snapshot's time first, which is then migrated as that of any older database."""
    told = {"created_at": manifest.created_at, "from": manifest.engine, "store": manifest.store}
    with load.building(settings.database_url, settings.data) as url:
        with unreachable_is_unavailable():
            migrate.upgrade(url, settings.data, manifest.revision)
        tables = (Loaded(table.name, table.columns, snapshots.rows(place, table)) for table in manifest.tables)
        load.fill(url, settings.data, tables, manifest.sequences)
        with unreachable_is_unavailable():
            migrate.upgrade(url, settings.data)
        asyncio.run(_settle(url, settings.data, restored.Restored(manifest.id, manifest.engine, identity, told)))


async def _settle(url: str, data: Path, what: restored.Restored) -> None:
    database = open_database(url, data)
    try:
        await database.write(restored.settle, what)
    finally:
        await database.close()


def _put_master_keys(manifest: Manifest, settings: Settings) -> Path | None:
    """Where they went; None where the backup has none, or there are some already."""
    file = key_file.path_of(settings)
    if manifest.master_keys is None or file is None or file.exists():
        return None
    key_file.put_keys(file, parse_master_keys(manifest.master_keys))
    return file
