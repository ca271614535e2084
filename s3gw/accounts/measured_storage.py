"""What a bucket takes of the disk: its bytes as they are stored, and which of them deleting it would free.

No table leads from a chunk to the buckets that need it. So the bucket is walked along, and then the others that are
reckoned with, a step at a time; in memory are the names of the bucket's own chunks. Where these are too many it is done
again for each part of them. What is written meanwhile is in the result or not.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

from s3gw.metadata import storage_reports, stored_contents, usage
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import Connection, Database, now
from s3gw.metadata.storage_reports import Report
from s3gw.metadata.stored_contents import WALKS, Kept, Unit

_STEP = 500  # rows
_UNITS_AT_ONCE = 250_000  # about 50 MB
_GROUPS = 100  # that are told one by one
_TYPES_AT_ONCE = 1000
_MOST_ROWS = 10_000  # that are looked at while somebody waits
_CHUNK = 1 << 20  # bytes; chunks are larger unless a setting makes them small

Progress = Callable[[int], Awaitable[None]]
Pace = Callable[[Awaitable["_Step"]], Awaitable["_Step"]]


class Group(NamedTuple):
    """Files, and bytes of all versions. `name` is None of those that aren't told one by one."""

    name: str | None
    files: int
    bytes: int


class Measured(NamedTuple):
    """`by_prefix` is by the first part of the path, "" of what has no other; both begin with the most bytes."""

    physical_bytes: int
    exclusive_bytes: int
    by_prefix: list[Group]
    by_type: list[Group]


class TooMuch(Exception):
    """There are more rows than were to be looked at."""


class _Step(NamedTuple):
    kept: list[Kept]
    units: dict[int, set[Unit]]


async def _at_once(step: Awaitable[_Step]) -> _Step:
    return await step


async def _unseen(rows: int) -> None:
    """Nobody asks how far it is."""


async def report_of(database: Database, bucket: Bucket, is_of_all: bool) -> Report | None:
    """Of now, where that takes no longer than one waits for a page; else the last one, if there is one."""
    try:
        return await measure(database, bucket, is_of_all, most_rows=_MOST_ROWS)
    except TooMuch:
        return await database.read(storage_reports.find, bucket.id, is_of_all)


async def measure(
    database: Database,
    bucket: Bucket,
    is_of_all: bool,
    *,
    most_rows: int | None = None,
    pace: Pace = _at_once,
    progress: Progress = _unseen,
) -> Report:
    """Reckoned with all buckets, or with those of its owner. Raises TooMuch."""
    at, used, others = await database.scan(_looked_at, bucket, is_of_all)
    if most_rows is not None and used.all_objects > most_rows:
        raise TooMuch
    walk = _Walk(database, bucket.id, most_rows, pace, progress)
    units = used.all_objects + used.all_bytes // _CHUNK
    return Report(at, _document(await _measured(walk, bucket.id, others, 1 + units // _UNITS_AT_ONCE)))


def _looked_at(conn: Connection, bucket: Bucket, is_of_all: bool) -> tuple[int, usage.Usage, list[int]]:
    """The time, what is in the bucket, and the others."""
    found = stored_contents.buckets_of(conn, None if is_of_all else bucket.owner_id)
    return now(conn), usage.of_bucket(conn, bucket.id), [other for other in found if other != bucket.id]


def _document(measured: Measured) -> dict[str, Any]:
    groups = {"by_prefix": measured.by_prefix, "by_type": measured.by_type}
    return measured._asdict() | {name: [group._asdict() for group in found] for name, found in groups.items()}


async def _measured(walk: _Walk, bucket_id: int, others: Sequence[int], passes: int) -> Measured:
    groups, physical, exclusive = _Groups(), 0, 0
    for number in range(passes):
        own: dict[bytes, int] = {}
        async for step in walk.along(bucket_id):
            if number == 0:
                groups.add(step.kept)
            own.update(unit for found in step.units.values() for unit in found if _pass_of(unit, passes) == number)
        physical += sum(own.values())
        for other in others:
            async for step in walk.along(other):
                for unit in chain.from_iterable(step.units.values()):
                    own.pop(unit.name, None)
        exclusive += sum(own.values())
    return Measured(physical, exclusive, groups.by_prefix(), groups.by_type())


def _pass_of(unit: Unit, passes: int) -> int:
    return int.from_bytes(unit.name[-4:], "big") % passes


class _Walk:
    """What is told of its progress are rows of the bucket: how much there is in others isn't its readers' business."""

    def __init__(self, database: Database, own_id: int, most_rows: int | None, pace: Pace, progress: Progress) -> None:
        self._database, self._most_rows, self._pace, self._progress = database, most_rows, pace, progress
        self._own_id = own_id
        self._rows = self._own_rows = 0

    async def along(self, bucket_id: int) -> AsyncIterator[_Step]:
        for number, (_, place) in enumerate(WALKS):
            kept: list[Kept] | None = None
            while kept is None or len(kept) == _STEP:
                step = await self._pace(self._database.scan(_step, number, bucket_id, place))
                kept = step.kept
                self._rows += len(kept)
                if self._most_rows is not None and self._rows > self._most_rows:
                    raise TooMuch
                self._own_rows += len(kept) if bucket_id == self._own_id else 0
                await self._progress(self._own_rows)
                yield step
                if kept:
                    place = kept[-1].place


def _step(conn: Connection, number: int, bucket_id: int, place: tuple[str | int, ...]) -> _Step:
    kept = WALKS[number][0](conn, bucket_id, place, _STEP)
    return _Step(kept, stored_contents.units_of(conn, {row.content_id for row in kept}))


class _Groups:
    """Of versions, which come in the order of their keys, so that a prefix is whole when another one begins."""

    def __init__(self) -> None:
        self._of_type: dict[str | None, Group] = {}
        self._whole: list[Group] = []
        self._top, self._open, self._other = Group("", 0, 0), Group("", 0, 0), Group(None, 0, 0)

    def add(self, kept: Sequence[Kept]) -> None:
        for row in kept:
            if row.type is None:
                continue
            known = row.type if row.type in self._of_type or len(self._of_type) < _TYPES_AT_ONCE else None
            self._of_type[known] = _more(self._of_type.get(known, Group(known, 0, 0)), row)
            folder, slash, _ = row.key.partition("/")
            if not slash:
                self._top = _more(self._top, row)
                continue
            if folder + slash != self._open.name:
                self._close()
                self._open = Group(folder + slash, 0, 0)
            self._open = _more(self._open, row)

    def _close(self) -> None:
        if not self._open.name:
            return
        self._whole.append(self._open)
        if len(self._whole) > 2 * _GROUPS:
            self._shorten()

    def _shorten(self) -> None:
        self._whole, self._other = _largest(self._whole, self._other)

    def by_prefix(self) -> list[Group]:
        self._close()
        self._whole.append(self._top)
        self._open = self._top = Group("", 0, 0)
        self._shorten()
        return _told([*self._whole, self._other])

    def by_type(self) -> list[Group]:
        named = [group for group in self._of_type.values() if group.name is not None]
        largest, other = _largest(named, self._of_type.get(None, Group(None, 0, 0)))
        return _told([*largest, other])


def _more(group: Group, row: Kept) -> Group:
    return Group(group.name, group.files + row.is_current, group.bytes + row.size)


def _largest(groups: Sequence[Group], other: Group) -> tuple[list[Group], Group]:
    """The largest, and the rest in one with `other`."""
    largest = heapq.nlargest(_GROUPS, groups, key=lambda group: (group.bytes, group.files))
    told = {group.name for group in largest}
    rest = [group for group in groups if group.name not in told]
    return largest, Group(
        None, other.files + sum(group.files for group in rest), other.bytes + sum(group.bytes for group in rest)
    )


def _told(groups: Sequence[Group]) -> list[Group]:
    return [group for group in groups if group.files or group.bytes]
