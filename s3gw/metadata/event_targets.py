"""SQL of the targets of events: whose they are, and how they were reached lately. URL and secret are sealed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, NamedTuple
from uuid import uuid4

from sqlalchemy import Select, delete, func, insert, or_, select, tuple_, update

from s3gw.metadata.database import Connection, now
from s3gw.metadata.schema import event_deliveries, event_targets, users
from s3gw.problems import Conflict, NotFound

Kind = Literal["webhook", "redis", "amqp"]
MOST_OF_USER = 100


class Target(NamedTuple):
    """What may be told of one; times in microseconds since the epoch. `account_id` is its owner's: 12 digits."""

    id: str
    owner_id: str
    account_id: str
    name: str
    kind: Kind
    address: str
    is_shared: bool
    is_enabled: bool
    failing_since: int | None
    last_error: str | None
    created_at: int
    updated_at: int


class Counts(NamedTuple):
    """Deliveries of a target that wait, and those that it couldn't be told."""

    waiting: int
    dead: int


_select: Select[Any] = select(
    event_targets.c.id,
    event_targets.c.owner_id,
    users.c.account_id,
    *(event_targets.c[name] for name in Target._fields[3:]),
).join_from(event_targets, users, users.c.id == event_targets.c.owner_id)


def new_id() -> str:
    return str(uuid4())


def create(
    conn: Connection,
    target_id: str,
    owner_id: str,
    name: str,
    kind: Kind,
    address: str,
    sealed: bytes,
    is_shared: bool,
) -> Target:
    """Raises NotFound where the owner is gone by now, and Conflict where he has one of the name, or too many."""
    owner = select(users.c.id).where(users.c.id == owner_id, users.c.deleted_at.is_(None)).with_for_update()
    if not conn.execute(owner).all():
        raise NotFound("there is no such user")
    mine = event_targets.c.owner_id == owner_id
    if conn.execute(select(event_targets.c.id).where(mine, event_targets.c.name == name)).all():
        raise Conflict(f"there is a target {name} already")
    if conn.execute(select(func.count()).select_from(event_targets).where(mine)).scalar_one() >= MOST_OF_USER:
        raise Conflict(f"a user has {MOST_OF_USER} event targets at most: delete some")
    at = now(conn)
    values = {"owner_id": owner_id, "name": name, "kind": kind, "address": address, "sealed": sealed}
    flags = {"is_shared": int(is_shared), "is_enabled": 1}
    conn.execute(insert(event_targets).values(id=target_id, created_at=at, updated_at=at, **values, **flags))
    return find(conn, target_id)


def find(conn: Connection, target_id: str) -> Target:
    """Raises NotFound."""
    row = conn.execute(_select.where(event_targets.c.id == target_id)).one_or_none()
    if row is None:
        raise NotFound("there is no such event target")
    return _target(row)


def find_named(conn: Connection, name: str) -> Target:
    """By its id or its name. Raises NotFound, and Conflict for several."""
    wanted = _select.where(or_(event_targets.c.id == name, event_targets.c.name == name))
    rows = conn.execute(wanted.limit(2)).all()
    if not rows:
        raise NotFound(f"there is no event target {name}")
    if len(rows) > 1:
        raise Conflict(f"several users have an event target {name}: give its id")
    return _target(rows[0])


def list_all(conn: Connection, owner_id: str | None, offset: int = 0, limit: int = 10_000) -> list[Target]:
    """By name; None: of all users."""
    wanted = _select if owner_id is None else _select.where(event_targets.c.owner_id == owner_id)
    order = (event_targets.c.name, event_targets.c.id)
    return [_target(row) for row in conn.execute(wanted.order_by(*order).offset(offset).limit(limit)).all()]


def page(conn: Connection, owner_id: str | None, offset: int, limit: int) -> tuple[list[Target], int]:
    """As list_all, and how many there are."""
    count = select(func.count()).select_from(event_targets)
    if owner_id is not None:
        count = count.where(event_targets.c.owner_id == owner_id)
    return list_all(conn, owner_id, offset, limit), conn.execute(count).scalar_one()


def lock(conn: Connection, target_id: str) -> Target:
    """Until the end of the transaction nobody else changes it. Raises NotFound."""
    conn.execute(select(event_targets.c.id).where(event_targets.c.id == target_id).with_for_update()).all()
    return find(conn, target_id)


def usable(conn: Connection, owner_id: str, names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Which of these (account, name) a bucket of this user may name, and their ids: his own, and shared ones."""
    place = tuple_(users.c.account_id, event_targets.c.name)
    wanted = (
        select(users.c.account_id, event_targets.c.name, event_targets.c.id)
        .join_from(event_targets, users, users.c.id == event_targets.c.owner_id)
        .where(place.in_(list(names)), or_(event_targets.c.owner_id == owner_id, event_targets.c.is_shared == 1))
    )
    return {(row.account_id, row.name): row.id for row in conn.execute(wanted).all()}


def sealed_of(conn: Connection, target_id: str) -> tuple[Kind, bytes] | None:
    """Its kind, and what is sealed; None where it is gone."""
    wanted = select(event_targets.c.kind, event_targets.c.sealed).where(event_targets.c.id == target_id)
    row = conn.execute(wanted).one_or_none()
    return None if row is None else (row.kind, bytes(row.sealed))


def change(conn: Connection, target_id: str, fields: Mapping[str, Any]) -> Target:
    """`fields` are columns. Raises NotFound."""
    values = {**fields, "updated_at": max(now(conn), lock(conn, target_id).updated_at + 1)}
    conn.execute(update(event_targets).where(event_targets.c.id == target_id).values(values))
    return find(conn, target_id)


def note_reached(conn: Connection, target_id: str, error: str | None) -> None:
    """`error`: why it couldn't be told something; None: it was told. Only what changes is written."""
    this = event_targets.c.id == target_id
    if error is None:
        values: dict[str, Any] = {"failing_since": None, "last_error": None}
        conn.execute(update(event_targets).where(this, event_targets.c.failing_since.is_not(None)).values(values))
        return
    since = func.coalesce(event_targets.c.failing_since, now(conn))
    conn.execute(update(event_targets).where(this).values(failing_since=since, last_error=error))


def counts(conn: Connection, target_id: str) -> Counts:
    return counts_of(conn, [target_id])[target_id]


def counts_of(conn: Connection, target_ids: Collection[str]) -> dict[str, Counts]:
    """Of each of them."""
    of_state = (
        select(event_deliveries.c.target_id, event_deliveries.c.state, func.count().label("deliveries"))
        .where(event_deliveries.c.target_id.in_(target_ids))
        .group_by(event_deliveries.c.target_id, event_deliveries.c.state)
    )
    found: dict[tuple[str, str], int] = {
        (row.target_id, row.state): row.deliveries for row in conn.execute(of_state).all()
    }
    return {
        target_id: Counts(
            found.get((target_id, "first"), 0) + found.get((target_id, "behind"), 0), found.get((target_id, "dead"), 0)
        )
        for target_id in target_ids
    }


def remove(conn: Connection, target_id: str) -> Target:
    """With all that it is still to be told. Raises NotFound."""
    found = lock(conn, target_id)
    conn.execute(delete(event_deliveries).where(event_deliveries.c.target_id == target_id))
    conn.execute(delete(event_targets).where(event_targets.c.id == target_id))
    return found


def _target(row: Any) -> Target:
    found = Target._make(row)
    return found._replace(is_shared=bool(found.is_shared), is_enabled=bool(found.is_enabled))
