"""Reading a backup back: every manifest, every piece of rows and every chunk is held to its digest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

from s3gw.backup import snapshots
from s3gw.backup.format import Manifest, chunk_is_intact, manifest_name, piece_is_intact, piece_name
from s3gw.backup.place import BackupError, NotInBackup, Place

AT_ONCE = 4
MISSING, CHANGED, UNREADABLE = "missing", "changed", "unreadable"


class Bad(NamedTuple):
    """A file of the backup; `fault` is missing, changed or unreadable. `snapshots` are those that need it."""

    name: str
    fault: str
    snapshots: tuple[str, ...]


class Verified(NamedTuple):
    snapshots: int
    pieces: int
    chunks: int
    bytes: int
    bad: list[Bad]


class _Needed(NamedTuple):
    """A file that the snapshots `by` need: a chunk of so many bytes, or a piece (None)."""

    name: str
    digest: bytes
    size: int | None
    by: set[str]

    def is_intact(self, data: bytes) -> bool:
        if self.size is None:
            return piece_is_intact(self.digest.hex(), data)
        return chunk_is_intact(self.digest, self.size, data)


def verify(place: Place, ids: Iterable[str], *, set_aside: bool = False) -> Verified:
    """`set_aside`: what is bad is put where nothing looks for it, so that the next snapshot brings it anew."""
    bad: list[Bad] = []
    manifests = []
    for id_ in ids:
        try:
            manifests.append(snapshots.load(place, id_))
        except (BackupError, OSError) as error:
            bad.append(Bad(manifest_name(id_), _fault_of(error), (id_,)))
    pieces = _pieces_of(manifests)
    checked = list(_check(place, pieces.values()))
    bad += [each for _, each in checked if each is not None]
    chunks = _chunks_of(place, manifests, {each.name for each in bad})
    total = sum(size for size, _ in checked)
    for size, fault in _check(place, chunks.values()):
        total += size
        if fault is not None:
            bad.append(fault)
    if set_aside:
        for each in bad:
            place.set_aside(each.name)
        place.flush()
    return Verified(len(manifests), len(pieces), len(chunks), total, bad)


def _pieces_of(manifests: Iterable[Manifest]) -> dict[str, _Needed]:
    found: dict[str, _Needed] = {}
    for manifest in manifests:
        for digest in (digest for table in manifest.tables for digest in table.pieces):
            needed = _Needed(piece_name(digest), bytes.fromhex(digest), None, set())
            found.setdefault(digest, needed).by.add(manifest.id)
    return found


def _chunks_of(place: Place, manifests: Iterable[Manifest], bad: set[str]) -> dict[bytes, _Needed]:
    """What the pieces that can be read name."""
    found: dict[bytes, _Needed] = {}
    for manifest in manifests:
        table = manifest.table("blobs")
        readable = table._replace(pieces=tuple(digest for digest in table.pieces if piece_name(digest) not in bad))
        for chunk in snapshots.chunks(place, readable):
            needed = _Needed(chunk.name, chunk.digest, chunk.size, set())
            found.setdefault(chunk.digest, needed).by.add(manifest.id)
    return found


def _check(place: Place, needed: Iterable[_Needed]) -> Iterator[tuple[int, Bad | None]]:
    """Several at once; gives how many bytes each has, and what is wrong with it."""

    def check(each: _Needed) -> tuple[int, Bad | None]:
        try:
            data = place.read(each.name)
        except (BackupError, OSError) as error:
            return 0, Bad(each.name, _fault_of(error), tuple(sorted(each.by)))
        return len(data), None if each.is_intact(data) else Bad(each.name, CHANGED, tuple(sorted(each.by)))

    queue = iter(needed)
    with ThreadPoolExecutor(AT_ONCE, "s3gw-verify") as threads:
        while batch := list(islice(queue, 16 * AT_ONCE)):
            yield from threads.map(check, batch)


def _fault_of(error: Exception) -> str:
    if isinstance(error, NotInBackup):
        return MISSING
    return CHANGED if isinstance(error, BackupError) else UNREADABLE
