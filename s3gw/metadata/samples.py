"""SQL of the dashboard's history: what was answered in each minute, ten minutes, hour and day, and what was stored.

A sample is added to the row of each of these periods, of all nodes together, so nothing has to be thinned out later;
rows that are too old go in the same transaction. So there are a few thousand at most, whatever the load.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same

from s3gw.metadata import usage as of_buckets
from s3gw.metadata.database import Connection, now
from s3gw.metadata.schema import samples, usage

_SECOND = 1_000_000
MINUTE, TEN_MINUTES, HOUR, DAY = 60, 600, 3600, 86_400
# How long rows of each are kept, in seconds.
KEPT = {MINUTE: 3 * HOUR, TEN_MINUTES: 2 * DAY, HOUR: 35 * DAY, DAY: 800 * DAY}


class Answered(NamedTuple):
    """Of one door. `within` are the answers that began within each of the times of metrics/counted.py, the last of
    which has no end; each counts those before it too.
    """

    requests: int = 0
    refused: int = 0  # 4xx
    failed: int = 0  # 5xx
    aborted: int = 0
    received: int = 0  # bytes
    sent: int = 0
    within: tuple[int, ...] = ()

    def plus(self, other: Answered, sign: int = 1) -> Answered:
        length = max(len(self.within), len(other.within))
        mine, others = (each + (0,) * (length - len(each)) for each in (self.within, other.within))
        within = tuple(one + sign * more for one, more in zip(mine, others, strict=True))
        counts = (one + sign * more for one, more in zip(self.counts, other.counts, strict=True))
        return Answered._make([*counts, within])

    @property
    def counts(self) -> tuple[int, ...]:
        """All but `within`."""
        return self[:6]


Traffic = Mapping[str, Answered]  # by door


class Stored(NamedTuple):
    """None: not known."""

    objects: int | None = None
    logical: int | None = None
    physical: int | None = None
    exclusive: int | None = None


class Sample(NamedTuple):
    at: int
    traffic: Traffic
    stored: Stored


def together(one: Traffic, other: Traffic) -> Traffic:
    return {door: one.get(door, Answered()).plus(other.get(door, Answered())) for door in {*one, *other}}


def add(conn: Connection, traffic: Traffic, stored: Stored) -> None:
    """To the periods of now. What `stored` doesn't know stays what it was."""
    at = now(conn)
    for span, seconds in KEPT.items():
        begin = at - at % (span * _SECOND)
        this = (samples.c.span == span, samples.c.at == begin)
        conn.execute(insert_on_conflict(samples).values(span=span, at=begin, document="{}").on_conflict_do_nothing())
        held = conn.execute(select(samples.c.document).where(*this).with_for_update()).scalar_one()
        known = {name: value for name, value in stored._asdict().items() if value is not None}
        values = {"document": _written(together(_read(held), traffic)), **known}
        conn.execute(update(samples).where(*this).values(values))
        conn.execute(delete(samples).where(samples.c.span == span, samples.c.at < begin - seconds * _SECOND))


def since(conn: Connection, span: int, begin: int) -> list[Sample]:
    """The periods of that span, the oldest first."""
    wanted = select(samples).where(samples.c.span == span, samples.c.at >= begin).order_by(samples.c.at)
    return [Sample(row.at, _read(row.document), _stored(row)) for row in conn.execute(wanted)]


def last_measured(conn: Connection) -> tuple[int, Stored] | None:
    """The newest hour in which what is stored was measured, and what it was."""
    wanted = select(samples).where(samples.c.span == HOUR, samples.c.physical.is_not(None))
    row = conn.execute(wanted.order_by(samples.c.at.desc()).limit(1)).one_or_none()
    return None if row is None else (row.at, _stored(row))


def counted(conn: Connection) -> Stored:
    """What every change counts: the objects, and their bytes as quotas count them."""
    sums = (func.coalesce(func.sum(usage.c[name]), 0) for name in of_buckets.Usage._fields)
    found = of_buckets.Usage._make(int(value) for value in conn.execute(select(*sums)).one())
    return Stored(found.objects, found.all_bytes)


def _stored(row: Any) -> Stored:
    return Stored(row.objects, row.logical, row.physical, row.exclusive)


def _written(traffic: Traffic) -> str:
    return json.dumps({door: [*answered.counts, list(answered.within)] for door, answered in traffic.items()})


def _read(document: str) -> Traffic:
    found: dict[str, Sequence[Any]] = json.loads(document)
    return {door: Answered._make([*row[:6], tuple(row[6])]) for door, row in found.items()}
