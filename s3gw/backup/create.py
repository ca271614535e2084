"""Making a snapshot while the server serves: rows first, then the chunks that they name, the manifest last.

**Nothing that the rows name is deleted meanwhile.** This process registers as a server's processes do, and holds a pin
from before the rows are read. A chunk that something counts on in the snapshot can lose its last count only later, so
the reaper marks it in the pin's epoch or a later one, and deletes nothing of these while the pin holds the floor
(jobs/reaper.py). What has lost it before isn't copied. Once it is known which chunks are to be copied these are
published as pins, and the reaper goes on; where they are too many for rows, the floor is held until the end, and what
is deleted takes its room until then. Of a command that was killed the reaper finds the lock free, as of any process.

**Nothing partial counts.** Chunks and pieces have their digests as names and are written as a whole; the manifest is
written when all of them are durable. What a killed attempt has copied is there for the next one, by digest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import s3gw
from s3gw.backup import snapshots
from s3gw.backup.format import (
    SHARDS,
    Manifest,
    Saved,
    chunk_is_intact,
    encode_manifest,
    manifest_name,
    next_id,
    piece_name,
    pieces_of,
)
from s3gw.backup.place import BackupError, Place
from s3gw.backup.snapshots import Chunk
from s3gw.content.chunk import list_size
from s3gw.content.store import BlobCorrupt, BlobNotFound, BlobStore
from s3gw.metadata import audit, blobs, pins
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.dump import open_dump
from s3gw.metadata.dumped import Dump, Dumped, tables
from s3gw.metadata.revision import NEWEST
from s3gw.threads import in_thread

if TYPE_CHECKING:
    from s3gw.storage import Storage

AT_ONCE = 4  # chunks that are copied at the same time
MOST_PINNED = 100_000
Say = Callable[[str], None]


async def create(storage: Storage, place: Place, scratch: Path, say: Say, master_keys: str | None = None) -> Manifest:
    """`place` is ours alone; `scratch` is a folder with room for SQLite's database. Raises BackupError and others."""
    written = _Written()
    with storage.pins.open() as pin:
        manifest = await in_thread(None, _write_rows, storage, place, scratch, written)
        say(f"the database was written: {sum(table.rows for table in manifest.tables)} rows")
        chunks, count, size = manifest.table("blobs"), 0, 0
        missing = await in_thread(None, _few_missing, place, chunks)
        async with _published(storage, missing or []):
            if missing is not None:
                pin.close()
            async for copied in _copy_missing(storage, place, chunks, written):
                count, size = count + copied[0], size + copied[1]
    manifest = replace(manifest, chunks=count, bytes=size, new_bytes=written.bytes, master_keys=master_keys)
    await in_thread(None, _publish, place, manifest)
    if not storage.database.is_read_only:
        told = {"chunks": count, "bytes": size, "with_master_key": master_keys is not None}
        await storage.database.write(audit.record, COMMAND_LINE, "backup.create", "backup", manifest.id, None, told)
    return manifest


class _Written:
    """What came into the backup. Only added to, by one thread or by the event loop after it."""

    def __init__(self) -> None:
        self.bytes = 0


def _write_rows(storage: Storage, place: Place, scratch: Path, written: _Written) -> Manifest:
    settings = storage.settings
    there = {name for shard in SHARDS for name in place.names(f"pieces/{shard}")}
    with open_dump(settings.database_url, settings.data, scratch) as dump:
        at = time.time_ns() // 1000
        saved = tuple(_write_table(dump, table, place, there, written) for table in tables())
        return Manifest(
            id=next_id(at, max(snapshots.ids(place), default=None)),
            created_at=at,
            version=s3gw.__version__,
            engine=dump.engine,
            revision=NEWEST,
            store=dump.setting("store"),
            tables=saved,
            sequences=dump.sequences(),
            chunks=0,
            bytes=0,
            new_bytes=0,
            master_key=dump.setting("master_key"),
        )


def _write_table(dump: Dump, table: Dumped, place: Place, there: set[str], written: _Written) -> Saved:
    digests, count = [], 0
    for piece in pieces_of(dump.rows(table), table.binary, table.keys):
        if piece.digest not in there:
            place.write(piece_name(piece.digest), piece.data)
            there.add(piece.digest)
            written.bytes += len(piece.data)
        digests.append(piece.digest)
        count += piece.rows
    return Saved(table.name, table.columns, table.binary, count, tuple(digests))


def _few_missing(place: Place, table: Saved) -> list[bytes] | None:
    """The digests of what is to be copied; None where there are many."""
    found: list[bytes] = []
    for first, shard in groupby(snapshots.chunks(place, table), lambda chunk: chunk.digest[0]):
        there = set(place.names(f"chunks/{first:02x}"))
        found += [chunk.digest for chunk in shard if chunk.digest.hex() not in there]
        if len(found) > MOST_PINNED:
            return None
    return found


@asynccontextmanager
async def _published(storage: Storage, digests: list[bytes]) -> AsyncIterator[None]:
    """Chunks that aren't deleted meanwhile. On a read-only disk nobody deletes."""
    database, name = storage.database, storage.process_identity.name
    batches = [digests[start : start + pins.BATCH] for start in range(0, len(digests), pins.BATCH)]
    for batch in [] if database.is_read_only else batches:
        if not await database.write(pins.publish, name, (), batch):
            raise BackupError("this process was declared dead; begin again")
    yield
    for batch in [] if database.is_read_only else batches:  # after an error they end with this process
        await database.write(pins.withdraw, name, (), batch)


async def _copy_missing(
    storage: Storage, place: Place, table: Saved, written: _Written
) -> AsyncIterator[tuple[int, int]]:
    """Copy the chunks that aren't in the backup; yields how many each shard has, and their bytes."""
    shards = groupby(snapshots.chunks(place, table), lambda chunk: chunk.digest[0])
    while (shard := await in_thread(None, _next_shard, shards)) is not None:
        there = set(await in_thread(None, lambda first: list(place.names(f"chunks/{first:02x}")), shard[0].digest[0]))
        missing = [chunk for chunk in shard if chunk.digest.hex() not in there]
        for start in range(0, len(missing), AT_ONCE):
            copies = [_copy(storage, place, chunk) for chunk in missing[start : start + AT_ONCE]]
            for copied in await asyncio.gather(*copies, return_exceptions=True):
                if isinstance(copied, BaseException):
                    raise copied
                written.bytes += copied
        yield len(shard), sum(chunk.size for chunk in shard)


def _next_shard(shards: Iterator[tuple[int, Iterator[Chunk]]]) -> list[Chunk] | None:
    found = next(shards, None)
    return None if found is None else list(found[1])


async def _copy(storage: Storage, place: Place, chunk: Chunk) -> int:
    """Gives how many bytes were written."""
    location = chunk.location
    while True:
        try:
            return await in_thread(None, _copy_from, storage.store, location, place, chunk)
        except (BlobNotFound, BlobCorrupt) as error:
            # An upload has put good bytes in the place of bad ones since, or they were moved.
            row = await storage.database.read(blobs.find, chunk.digest)
            if row is None or row.location == location:
                reason = "it is missing" if isinstance(error, BlobNotFound) else error
                raise BackupError(
                    f"the chunk {chunk.digest.hex()} can't be read: {reason}; without it there is no whole backup."
                    " `s3gw scrub run` finds out whose it is, if --data is the server's folder"
                ) from error
            location = row.location


def _copy_from(store: BlobStore, location: str, place: Place, chunk: Chunk) -> int:
    buffer = bytearray(chunk.size + list_size(chunk.size))
    source = store.open(location)
    try:
        source.read_into(memoryview(buffer), 0)
    finally:
        source.close()
    data = bytes(buffer)
    if not chunk_is_intact(chunk.digest, chunk.size, data):
        raise BlobCorrupt("its bytes aren't what was stored")
    place.write(chunk.name, data)
    return len(data)


def _publish(place: Place, manifest: Manifest) -> None:
    place.flush()
    place.write(manifest_name(manifest.id), encode_manifest(manifest))
    place.flush()
