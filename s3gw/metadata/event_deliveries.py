"""SQL of what targets are still to be told: a queue for each key of each target, in the order of the outbox.

Only the first of a key is ever due. Whoever delivers takes it for a while, as messages are taken from a queue that
hides them meanwhile; if he dies, it is due again. When it was told, or given up as dead, the next of its key is first.
Those who put something behind others and those who make it first take turns at the target's row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import and_, bindparam, delete, exists, insert, select, text, update

from s3gw.metadata import event_targets
from s3gw.metadata.database import Connection, now
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import event_deliveries as table
from s3gw.metadata.schema import event_targets as targets
from s3gw.metadata.schema import users

FIRST, BEHIND, DEAD = "first", "behind", "dead"
HIDDEN = 30_000_000  # microseconds for which one that is being delivered is hidden; longer than any delivery takes
LONGEST_PAUSE = 3_600_000_000  # microseconds between two attempts
MOST_DEAD = 10_000  # of a target; then the oldest are dropped


class NewDelivery(NamedTuple):
    target_id: str
    bucket_id: int
    key: str
    event: str
    message: str


class Delivery(NamedTuple):
    """`attempts`: how often it was taken, this time included."""

    id: int
    target_id: str
    bucket_id: int
    key: str
    event: str
    message: str
    attempts: int
    created_at: int
    error: str | None = None


class Outcome(NamedTuple):
    """`error` is None where it was told; `again_in`: microseconds until the next attempt where it wasn't."""

    delivery: Delivery
    error: str | None = None
    again_in: int = 0


_is_first, _waits = text("state = 'first'"), text("state <> 'dead'")  # as the indexes say it
_of_key = (
    table.c.target_id == bindparam("of_target"),
    table.c.bucket_id == bindparam("of_bucket"),
    table.c.key == bindparam("of_key"),
)
# Of those of a key, of which there may be very many: without a look at the others.
_oldest_waiting = select(table.c.id).where(*_of_key, _waits).order_by(table.c.id).limit(1)
_any_waiting = Prepared(_oldest_waiting)
_insert = Prepared(
    insert(table).values(
        {name: bindparam(name) for name in (*NewDelivery._fields, "state", "due_at", "created_at")} | {"attempts": 0}
    )
)
_oldest = (table.c.id == _oldest_waiting.scalar_subquery(),)
_promote = Prepared(update(table).where(*_oldest, table.c.state == BEHIND).values(state=FIRST, due_at=bindparam("at")))
_step_back = Prepared(update(table).where(*_oldest).values(state=BEHIND))
_remove = Prepared(delete(table).where(table.c.id == bindparam("delivery_id")))
_put_off = Prepared(
    update(table)
    .where(table.c.id == bindparam("delivery_id"))
    .values(due_at=bindparam("new_due_at"), error=bindparam("new_error"))
)
_due = and_(_is_first, table.c.target_id == targets.c.id, table.c.due_at <= bindparam("at"))
_targets_due = Prepared(
    select(targets.c.id)
    .join_from(targets, users, users.c.id == targets.c.owner_id)
    .where(targets.c.is_enabled == 1, users.c.is_enabled == 1, users.c.deleted_at.is_(None), exists().where(_due))
)


def enqueue(conn: Connection, new: Sequence[NewDelivery]) -> None:
    """Behind what their targets are still to be told of the same keys. Targets that are gone by now get nothing."""
    at, there = now(conn), _lock(conn, {one.target_id for one in new})
    for one in new:
        if one.target_id not in there:
            continue
        place = {"of_target": one.target_id, "of_bucket": one.bucket_id, "of_key": one.key}
        state = BEHIND if _any_waiting.all(conn, **place) else FIRST
        _insert.run(conn, **one._asdict(), state=state, due_at=at, created_at=at)


def _lock(conn: Connection, target_ids: Iterable[str]) -> set[str]:
    """Those that are there, in one order, so that no two transactions wait for each other."""
    wanted = select(targets.c.id).where(targets.c.id.in_(sorted(target_ids))).order_by(targets.c.id)
    return set(conn.execute(wanted.with_for_update()).scalars().all())


def targets_due(conn: Connection) -> list[str]:
    """Those that there is something for now, and whose owners are neither disabled nor deleted. Only reads."""
    return _targets_due.values(conn, at=now(conn))


def take(conn: Connection, target_id: str, limit: int) -> list[Delivery]:
    """At most so many that are due, the oldest first, and hide them."""
    at = now(conn)
    due = (
        select(table.c.id)
        .where(_is_first, table.c.target_id == target_id, table.c.due_at <= at)
        .order_by(table.c.due_at, table.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = conn.execute(due).scalars().all()
    if not found:
        return []
    taken = (
        update(table)
        .where(table.c.id.in_(found))
        .values(due_at=at + HIDDEN, attempts=table.c.attempts + 1)
        .returning(*(table.c[name] for name in Delivery._fields))
    )
    return sorted(Delivery._make(row) for row in conn.execute(taken).all())


def settle(conn: Connection, target_id: str, outcomes: Sequence[Outcome]) -> None:
    """Of deliveries of a target that were taken. Where one was told, the next of its key is first."""
    if not outcomes or not _lock(conn, [target_id]):
        return
    at = now(conn)
    for delivery, error, again_in in outcomes:
        if error is None:
            _remove.run(conn, delivery_id=delivery.id)
            _promote.run(conn, of_target=target_id, of_bucket=delivery.bucket_id, of_key=delivery.key, at=at)
        else:
            later = at + min(again_in, LONGEST_PAUSE)
            _put_off.run(conn, delivery_id=delivery.id, new_due_at=later, new_error=error)
    errors = [outcome.error for outcome in outcomes]
    event_targets.note_reached(conn, target_id, errors[-1] if all(errors) else None)


def give_up(conn: Connection, before: int, limit: int) -> int:
    """At most so many that wait since before a time: they are dead, and kept to be looked at; how many."""
    old = (
        select(table.c.id, table.c.target_id, table.c.bucket_id, table.c.key)
        .where(table.c.state != DEAD, table.c.created_at < before)
        .order_by(table.c.id)
        .limit(limit)
    )
    found = conn.execute(old).all()
    there = _lock(conn, {row.target_id for row in found})
    conn.execute(update(table).where(table.c.id.in_([row.id for row in found])).values(state=DEAD))
    at = now(conn)
    for target_id, bucket_id, key in sorted({(row.target_id, row.bucket_id, row.key) for row in found}):
        _promote.run(conn, of_target=target_id, of_bucket=bucket_id, of_key=key, at=at)
    for target_id in there:
        _drop_oldest_dead(conn, target_id)
    return len(found)


def _drop_oldest_dead(conn: Connection, target_id: str) -> None:
    dead = select(table.c.id).where(text("state = 'dead'"), table.c.target_id == target_id)
    newest = dead.order_by(table.c.id.desc()).offset(MOST_DEAD).limit(1)
    last = conn.execute(newest).scalar_one_or_none()
    if last is not None:
        conn.execute(delete(table).where(text("state = 'dead'"), table.c.target_id == target_id, table.c.id <= last))


def list_dead(conn: Connection, target_id: str, after: int = 0, limit: int = 100, offset: int = 0) -> list[Delivery]:
    """The oldest first."""
    wanted = (
        select(*(table.c[name] for name in Delivery._fields))
        .where(text("state = 'dead'"), table.c.target_id == target_id, table.c.id > after)
        .order_by(table.c.id)
        .offset(offset)
        .limit(limit)
    )
    return [Delivery._make(row) for row in conn.execute(wanted).all()]


def send_again(conn: Connection, target_id: str, limit: int, delivery_id: int | None = None) -> int:
    """At most so many of those that were given up, or the one that is named, before what waits of their keys now; how
    many. They are given up again when they have waited as long again.
    """
    if not _lock(conn, [target_id]):
        return 0
    at, keys = now(conn), defaultdict(list)
    again = {"state": BEHIND, "attempts": 0, "error": None, "created_at": at}
    after, most = (0, limit) if delivery_id is None else (delivery_id - 1, 1)
    for delivery in list_dead(conn, target_id, after, most):
        if delivery_id not in (None, delivery.id):
            continue
        keys[(delivery.bucket_id, delivery.key)].append(delivery.id)
    for (bucket_id, key), ids in keys.items():
        this_key = {"of_target": target_id, "of_bucket": bucket_id, "of_key": key}
        _step_back.run(conn, **this_key)
        conn.execute(update(table).where(table.c.id.in_(ids)).values(again))
        _promote.run(conn, **this_key, at=at)
    return sum(map(len, keys.values()))


def drop_dead(conn: Connection, target_id: str, delivery_id: int) -> Delivery | None:
    """One that was given up; None where there is none such."""
    is_it = (text("state = 'dead'"), table.c.target_id == target_id, table.c.id == delivery_id)
    gone = conn.execute(delete(table).where(*is_it).returning(*(table.c[name] for name in Delivery._fields))).first()
    return None if gone is None else Delivery._make(gone)


def pull_back(conn: Connection) -> int:
    """Those that would wait longer than anything does, as the clock was set back meanwhile; how many."""
    at = now(conn)
    ahead = (_is_first, table.c.due_at > at + LONGEST_PAUSE + HIDDEN)
    return conn.execute(update(table).where(*ahead).values(due_at=at)).rowcount
