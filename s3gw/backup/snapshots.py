"""The snapshots of a backup, what each of them needs, and removing the old ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from s3gw.backup.format import (
    SHARDS,
    SNAPSHOTS,
    Manifest,
    Saved,
    chunk_name,
    decode_manifest,
    is_digest,
    is_snapshot_id,
    manifest_name,
    piece_name,
    rows_of,
)
from s3gw.backup.place import BackupError, Place

_BLOBS = ("digest", "location", "size", "refs")


class Chunk(NamedTuple):
    """As the row of the snapshot has it: nothing counts on one that `refs` 0."""

    digest: bytes
    location: str
    size: int
    refs: int

    @property
    def name(self) -> str:
        return chunk_name(self.digest.hex())


class Pruned(NamedTuple):
    snapshots: list[str]
    files: int


def ids(place: Place) -> list[str]:
    """The newest last."""
    names = (name.removesuffix(".json") for name in place.names(SNAPSHOTS))
    return sorted(name for name in names if is_snapshot_id(name))


def load(place: Place, id_: str) -> Manifest:
    """Raises BackupError."""
    if not is_snapshot_id(id_):
        raise BackupError(f"{id_} is no snapshot's id: `s3gw backup list` tells them")
    return decode_manifest(id_, place.read(manifest_name(id_)))


def newest(place: Place) -> Manifest:
    found = ids(place)
    if not found:
        raise BackupError("there is no snapshot in this backup")
    return load(place, found[-1])


def rows(place: Place, table: Saved) -> Iterator[list[object]]:
    """All rows of a table, in order. Raises BackupError where a piece is missing or damaged."""
    for digest in table.pieces:
        yield from rows_of(digest, place.read(piece_name(digest)), table.binary)


def chunks(place: Place, table: Saved) -> Iterator[Chunk]:
    """What the table of blobs names, in the order of the digests, without what nothing counts on."""
    at = [table.columns.index(name) for name in _BLOBS]
    for row in rows(place, table):
        chunk = Chunk._make(row[column] for column in at)
        if chunk.refs > 0:
            yield chunk


def prune(place: Place, keep: int) -> Pruned:
    """Remove all but the newest `keep` snapshots of each store, then what no snapshot needs. The backup is ours alone.

    Manifests go first, and durably: a snapshot that is there has all that it needs, whatever this is interrupted in.
    """
    known = [load(place, id_) for id_ in ids(place)]  # of one that is damaged nobody knows what it needs
    of_store: dict[str | None, list[Manifest]] = {}
    for manifest in known:
        of_store.setdefault(manifest.store, []).append(manifest)
    old = [manifest for of_one in of_store.values() for manifest in of_one[:-keep]]
    for manifest in old:
        place.remove(manifest_name(manifest.id))
    place.flush()
    kept = [manifest for manifest in known if manifest not in old]
    removed = _remove_others(place, kept)
    place.flush()
    return Pruned([manifest.id for manifest in old], removed)


def _remove_others(place: Place, kept: Sequence[Manifest]) -> int:
    pieces = {digest for manifest in kept for table in manifest.tables for digest in table.pieces}
    needed = {chunk.digest for table in {m.table("blobs") for m in kept} for chunk in chunks(place, table)}
    removed = 0
    for shard in SHARDS:
        unneeded = [
            chunk_name(name) for name in _digests(place, f"chunks/{shard}") if bytes.fromhex(name) not in needed
        ]
        unneeded += [piece_name(name) for name in _digests(place, f"pieces/{shard}") if name not in pieces]
        for name in unneeded:
            place.remove(name)
        removed += len(unneeded)
    return removed


def _digests(place: Place, folder: str) -> list[str]:
    return [name for name in place.names(folder) if is_digest(name)]
