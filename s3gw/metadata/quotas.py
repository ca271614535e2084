"""SQL of quotas: how many bytes and objects a bucket, what is below a prefix of it, and all buckets of a user may have.

Whether there is room is decided in the transaction of each write, so what is stored never exceeds a quota. On SQLite
writers take turns. On PostgreSQL what others have at work isn't seen, so writers share a lock as long as what may be at
work leaves room in any case, and near the limit each takes it for itself: it waits until all that began before it have
ended, and sees what they wrote.

The bytes of a quota are those of all versions and of parts of unfinished uploads; its objects are all versions but
delete markers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Integer, case, cast, delete, exists, func, insert, select, update

from s3gw.errors import QuotaExceeded
from s3gw.metadata import buckets, outbox, trash, usage
from s3gw.metadata.buckets import State
from s3gw.metadata.database import Connection, now
from s3gw.metadata.outbox import ChangedObject, Noted
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import buckets as buckets_table
from s3gw.metadata.schema import prefix_quotas, users
from s3gw.metadata.trash import Trashed
from s3gw.metadata.usage import NOTHING, Usage

# Below nine tenths of a quota, and with so little each that all connections together can't have the last tenth at work,
# writers don't wait for one another.
_PARTS = 10
_DROPPED = 10  # rows of the trash at once
_MOST_DROPPED = 10_000  # by one write, of the bucket's trash, and of that of its owner's deleted buckets


class NearLimit(Exception):
    """The transaction has to be run again, with what it writes into for itself."""


class Quota(NamedTuple):
    """`what` it is about, for people; what is used of it, and what a write adds. `prefix`: of what is below it."""

    what: str
    max_bytes: int | None
    max_objects: int | None
    used_bytes: int
    used_objects: int
    more: Usage
    prefix: str = ""

    def less(self, gives: Usage) -> Quota:
        """With as much less used as the trash has in it."""
        bytes_, objects = self.used_bytes - gives.trash_bytes, self.used_objects - gives.trashed
        return self._replace(used_bytes=bytes_, used_objects=objects)

    def limits(self) -> Iterator[tuple[str, int, int, int]]:
        """The unit, the most, what is used and what is added, as far as it is limited and anything is added."""
        if self.max_bytes is not None and self.more.all_bytes > 0:
            yield "bytes", self.max_bytes, self.used_bytes, self.more.all_bytes
        if self.max_objects is not None and self.more.all_objects > 0:
            yield "objects", self.max_objects, self.used_objects, self.more.all_objects

    def require(self, is_owner: bool) -> None:
        """How much is left of a user's quota is told to that user only. Raises QuotaExceeded."""
        for unit, most, used, more in self.limits():
            if used + more > most:
                left = f" It leaves {max(most - used, 0)} {unit}." if is_owner or self.what != _OF_OWNER else ""
                raise QuotaExceeded(f"The quota of {self.what} doesn't allow it.{left}")


class PrefixQuota(NamedTuple):
    prefix: str
    max_bytes: int | None
    max_objects: int | None
    used_bytes: int
    used_objects: int


def require_room(
    conn: Connection, bucket_id: int, state: State, noted: list[Noted], actor_id: str, is_alone: bool
) -> None:
    """Before what was noted is written to the outbox. Raises QuotaExceeded and NearLimit.

    Where there is no room, the bucket's trash makes it, the oldest first: what is dropped is noted too.
    """
    # What is moved adds nothing to the bucket, and all of itself to the prefix where it comes to.
    adds = any(_adds(each.more) for each in noted) if state.has_prefix_quotas else False
    if not adds and not _adds(usage.sum_of(each.more for each in noted)):
        return
    if conn.dialect == "postgresql":
        _take_turns(conn, bucket_id, state, is_alone)
    dropping: _Dropping | None = None
    while True:
        try:
            _require(conn, bucket_id, state, noted, actor_id, is_alone)
            return
        except QuotaExceeded:
            if conn.dialect == "postgresql" and not is_alone:  # others may be about to make room, or to take it
                raise NearLimit from None
            if dropping is None:
                _require_possible(conn, bucket_id, state, noted, actor_id)
                dropping = _Dropping(conn, bucket_id, state)
            if not dropping.step(noted):
                raise


class _Dropping:
    """Makes room a few files at a time, each step behind the one before: on PostgreSQL rows that are deleted already
    would be looked at again by all that follow.
    """

    def __init__(self, conn: Connection, bucket_id: int, state: State) -> None:
        self._conn, self._bucket_id, self._state = conn, bucket_id, state
        self._dropped = self._last = self._last_of_deleted = 0

    def step(self, noted: list[Noted]) -> bool:
        """First of the bucket's trash, then of that of its owner's deleted buckets; False: there is none."""
        found = self._oldest()
        if found:
            self._last = found[-1].id
            noted += trash.drop(self._conn, found)
            return True
        if self._state.is_owner_limited:
            found = trash.lock_of_deleted(self._conn, self._state.owner_id, self._last_of_deleted, _DROPPED)
            if found:
                self._last_of_deleted = found[-1].id
                trash.drop_counted(self._conn, found)
        return bool(found)

    def _oldest(self) -> list[Trashed]:
        limit = min(_DROPPED, _MOST_DROPPED - self._dropped)
        found = trash.lock_oldest(self._conn, self._bucket_id, self._last, limit) if limit else []
        self._dropped += len(found)
        return found


def _adds(more: Usage) -> bool:
    return more.all_bytes > 0 or more.all_objects > 0


def _require(
    conn: Connection, bucket_id: int, state: State, noted: Sequence[Noted], actor_id: str, is_alone: bool
) -> None:
    more = usage.sum_of(each.more for each in noted)
    for quota in _quotas(conn, bucket_id, state, noted, more):
        quota.require(state.owner_id == actor_id)
        if conn.dialect == "postgresql" and not is_alone and _is_near(conn, quota):
            raise NearLimit


def require_room_for(conn: Connection, bucket_id: int, key: str, more: Usage, actor_id: str) -> None:
    """As `require_room` of a write that hasn't begun, so that no long body is read for nothing. Only reads."""
    state = buckets.state_of(conn, bucket_id)
    if state is None or not state.has_quotas:
        return
    if _adds(more):
        _require_possible(conn, bucket_id, state, [Noted(ChangedObject("created", key), more)], actor_id)


def _require_possible(conn: Connection, bucket_id: int, state: State, noted: Sequence[Noted], actor_id: str) -> None:
    """With all room made that the trash can make: where that isn't enough, none is dropped by a transaction that would
    be long, and undone at its end. Raises QuotaExceeded.
    """
    # What gives is read before what is used, so what is dropped between the two refuses nobody.
    of_deleted = trash.oldest_of_deleted(conn, state.owner_id, _MOST_DROPPED) if state.is_owner_limited else NOTHING
    of_bucket = trash.oldest_below(conn, bucket_id, "", _MOST_DROPPED)
    for quota in _quotas(conn, bucket_id, state, noted, usage.sum_of(each.more for each in noted)):
        gives = of_bucket if quota.prefix == "" else trash.oldest_below(conn, bucket_id, quota.prefix, _MOST_DROPPED)
        if quota.what == _OF_OWNER:
            gives = usage.sum_of((gives, of_deleted))
        quota.less(gives).require(state.owner_id == actor_id)


_OF_OWNER = "the bucket's owner"
_connections = Prepared(select(cast(func.current_setting("max_connections"), Integer)))


def _is_near(conn: Connection, quota: Quota) -> bool:
    others = int(_connections.value(conn))
    return any(
        (used + more) * _PARTS > most * (_PARTS - 1) or more * others * _PARTS > most
        for _, most, used, more in quota.limits()
    )


def _take_turns(conn: Connection, bucket_id: int, state: State, is_alone: bool) -> None:
    """In one order for everybody: the owner's before the bucket's."""
    names = [f"quota of user {state.owner_id}"] if state.is_owner_limited else []
    names += [f"quota of bucket {bucket_id}"] if state.is_limited or state.has_prefix_quotas else []
    take = func.pg_advisory_xact_lock if is_alone else func.pg_advisory_xact_lock_shared
    for name in names:
        conn.execute(select(take(func.hashtextextended(name, 0))))


def _quotas(conn: Connection, bucket_id: int, state: State, noted: Sequence[Noted], more: Usage) -> Iterator[Quota]:
    """Each with what is used of it now."""
    if state.is_owner_limited:
        used = usage.of_owner(conn, state.owner_id)
        most = state.owner_max_bytes, state.owner_max_objects
        yield Quota(_OF_OWNER, *most, used.all_bytes, used.all_objects, more)
    if state.is_limited:
        used = usage.of_bucket(conn, bucket_id)
        yield Quota("the bucket", state.max_bytes, state.max_objects, used.all_bytes, used.all_objects, more)
    for quota in of_prefixes(conn, bucket_id) if state.has_prefix_quotas else ():
        added = usage.sum_of(each.more for each in noted if each.changed.key.startswith(quota.prefix))
        yield Quota(f"{quota.prefix!r} in the bucket", *quota[1:], added, quota.prefix)


def of_prefixes(conn: Connection, bucket_id: int) -> list[PrefixQuota]:
    """With what is used of them now."""
    return of_prefixes_of_each(conn, [bucket_id]).get(bucket_id, [])


def of_prefixes_of_each(conn: Connection, bucket_ids: Collection[int]) -> dict[int, list[PrefixQuota]]:
    """By the ids of their buckets; none of those that have none."""
    these = _of_prefixes[conn.dialect].where(prefix_quotas.c.bucket_id.in_(bucket_ids))
    found: dict[int, list[PrefixQuota]] = {}
    rows: Sequence[Any] = conn.execute(these.order_by(prefix_quotas.c.prefix)).all()
    for bucket_id, *row in rows:
        found.setdefault(bucket_id, []).append(PrefixQuota(*row[:3], *map(int, row[3:])))
    return found


_most = tuple(prefix_quotas.c[name] for name in ("prefix", "max_bytes", "max_objects"))
_counted = prefix_quotas.c.used_bytes, prefix_quotas.c.used_objects
# One statement, so that a row of the outbox that is read meanwhile is in one of the two numbers.
_of_prefixes = {
    "sqlite": select(prefix_quotas.c.bucket_id, *_most, *_counted),
    "postgresql": select(
        prefix_quotas.c.bucket_id,
        *_most,
        *(column + more for column, more in zip(_counted, usage.unread_below_each, strict=True)),
    ),
}


def set_prefix(conn: Connection, bucket_id: int, prefix: str, max_bytes: int | None, max_objects: int | None) -> None:
    """Of what is below it, from now on; two times None: none. Raises NoSuchBucket."""
    buckets.lock_exclusive(conn, bucket_id)
    this = (prefix_quotas.c.bucket_id == bucket_id, prefix_quotas.c.prefix == prefix)
    most = {"max_bytes": max_bytes, "max_objects": max_objects}
    if max_bytes is None and max_objects is None:
        conn.execute(delete(prefix_quotas).where(*this))
    elif not conn.execute(update(prefix_quotas).where(*this).values(most)).rowcount:
        used = _used_below(conn, bucket_id, prefix)
        values = {"bucket_id": bucket_id, "prefix": prefix, **most}
        values |= {"used_bytes": used.all_bytes, "used_objects": used.all_objects}
        conn.execute(insert(prefix_quotas).values(values))
    buckets.touch(conn, bucket_id, now(conn))
    any_left = exists().where(prefix_quotas.c.bucket_id == bucket_id)
    conn.execute(
        update(buckets_table)
        .where(buckets_table.c.id == bucket_id)
        .values(has_prefix_quotas=case((any_left, 1), else_=0))
    )


def _used_below(conn: Connection, bucket_id: int, prefix: str) -> Usage:
    """What the row of a prefix begins with. What the outbox will add to it is in the tables already."""
    counted = usage.count(conn, bucket_id, prefix)
    if conn.dialect == "sqlite":
        return counted
    outbox.lock_reader(conn, usage.READER)
    return usage.difference(counted, usage.unread_below(conn, bucket_id, prefix))


def set_of_bucket(conn: Connection, bucket_id: int, max_bytes: int | None, max_objects: int | None) -> None:
    """None: no quota. Raises NoSuchBucket."""
    buckets.lock_exclusive(conn, bucket_id)
    most = {"max_bytes": max_bytes, "max_objects": max_objects}
    conn.execute(update(buckets_table).where(buckets_table.c.id == bucket_id).values(most))
    buckets.touch(conn, bucket_id, now(conn))


def set_of_user(conn: Connection, user_id: str, max_bytes: int | None, max_objects: int | None) -> None:
    """Of all buckets of a user together. None: no quota."""
    most = {"storage_quota": max_bytes, "object_quota": max_objects}
    conn.execute(update(users).where(users.c.id == user_id).values(most))


def of_user(conn: Connection, user_id: str) -> tuple[int | None, int | None]:
    """Bytes and objects; None: no quota."""
    row = conn.execute(select(users.c.storage_quota, users.c.object_quota).where(users.c.id == user_id)).one()
    return row.storage_quota, row.object_quota
