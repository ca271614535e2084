"""SQL of the outbox: a row for each change of an object, written in the transaction of the change.

What follows from a change (search, events, on PostgreSQL the counts of usage too) is done by readers afterwards, each
of which remembers how far it has come; rows that all have passed are removed, but for the newest. Streams of events
read those without being readers: nothing waits for them, so they look whether what they read last is still there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import BigInteger, Column, and_, bindparam, delete, func, insert, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ColumnElement

from s3gw.metadata import usage
from s3gw.metadata.audit import Actor
from s3gw.metadata.database import Connection, now
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import change_readers, changes
from s3gw.metadata.usage import NOTHING, Usage

Kind = Literal["created", "removed", "hidden", "tagged", "acl", "counted", "quota", "scanned"]


class ChangedObject(NamedTuple):
    """What became of a version. `hidden`: a delete marker is on top; `counted`: nothing, but its parts were; `scanned`:
    nothing, but it is known whether there is a virus in it.
    """

    kind: Kind
    key: str = ""
    version_id: str = ""
    file_id: bytes | None = None
    size: int = 0
    etag: str = ""


class Noted(NamedTuple):
    """A change of an object, and what it adds to usage."""

    changed: ChangedObject
    more: Usage = NOTHING


class _Transaction(ColumnElement[int]):
    """The number of the transaction that writes: on PostgreSQL rows don't become visible in the order of their ids."""

    type = BigInteger()
    inherit_cache = True


@compiles(_Transaction)
def _none(element: Any, compiler: Any, **_: Any) -> str:
    return "0"


@compiles(_Transaction, "postgresql")
def _number(element: Any, compiler: Any, **_: Any) -> str:
    return "pg_current_xact_id()::text::bigint"


_insert = Prepared(
    insert(changes).values(
        {
            "transaction": _Transaction(),
            **{name: bindparam(name) for name in ("at", "bucket_id", "operation", *ChangedObject._fields)},
            **{name: bindparam(name) for name in ("actor_id", "address", "request_id", *usage.MORE)},
        }
    )
)


def count(conn: Connection, bucket_id: int, key: str, more: Usage) -> None:
    """What is added to usage by what is no change of an object, and nobody's Change."""
    write(conn, bucket_id, now(conn), "", Actor("", "", "job"), [Noted(ChangedObject("counted", key), more)], True)


def write(
    conn: Connection,
    bucket_id: int,
    at: int,
    operation: str,
    actor: Actor,
    noted: Sequence[Noted],
    has_prefix_quotas: bool,
) -> None:
    """Note what became of objects of a bucket; on SQLite what they add to usage is added."""
    is_sqlite = conn.dialect == "sqlite"
    if is_sqlite:
        usage.add(conn, bucket_id, noted[0].more if len(noted) == 1 else usage.sum_of(each.more for each in noted))
        for changed, more in noted if has_prefix_quotas else ():
            usage.add_below(conn, bucket_id, changed.key, more)
    for changed, more in noted:
        if is_sqlite and changed.kind == "counted":
            continue
        _insert.run_later(
            conn,
            at=at,
            bucket_id=bucket_id,
            operation=operation,
            actor_id=actor.id,
            address=actor.address,
            request_id=actor.request_id,
            **changed._asdict(),
            **more.as_more(),
        )


def tell_of_quota(conn: Connection, bucket_id: int, prefix: str, document: dict[str, Any]) -> None:
    """Note how much of a quota is used; of a user's `bucket_id` is 0."""
    about, nobody = ChangedObject("quota", prefix), {"actor_id": "", "address": "", "request_id": ""}
    values = {
        "at": now(conn),
        "bucket_id": bucket_id,
        "operation": "",
        **nobody,
        **about._asdict(),
        **NOTHING.as_more(),
    }
    conn.execute(insert(changes).values(transaction=_Transaction(), document=json.dumps(document), **values))


class ChangeRow(NamedTuple):
    """A row of the outbox, as readers get it."""

    transaction: int
    id: int
    at: int
    bucket_id: int
    kind: Kind
    operation: str
    key: str
    version_id: str
    file_id: bytes | None
    size: int
    etag: str
    actor_id: str
    address: str
    request_id: str
    more_bytes: int
    more_part_bytes: int
    more_objects: int
    more_versions: int
    more_markers: int
    more_trash_bytes: int
    more_trashed: int
    document: str | None = None

    @property
    def more(self) -> Usage:
        return Usage(
            self.more_bytes,
            self.more_part_bytes,
            self.more_objects,
            self.more_versions,
            self.more_markers,
            self.more_trash_bytes,
            self.more_trashed,
        )


class Place(NamedTuple):
    """In the order of the outbox."""

    transaction: int
    id: int


class Span(NamedTuple):
    """So many rows of the outbox, behind a place and up to another."""

    after: Place
    last: Place
    rows: int

    def parameters(self, conn: Connection) -> dict[str, Any]:
        """For WITHIN."""
        if conn.dialect == "sqlite":
            return {"id": self.after.id, "to_id": self.last.id}
        last = {"to_transaction": self.last.transaction, "to_id": self.last.id}
        return self.after._asdict() | last


_place = tuple_(changes.c.transaction, changes.c.id)
_behind = _place > tuple_(bindparam("transaction"), bindparam("id"))
# PostgreSQL: of no transaction that is still at work, so that none that is older can commit afterwards.
_SETTLED = text("transaction < pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
_up_to = _place <= tuple_(bindparam("to_transaction"), bindparam("to_id"))
_columns_read = tuple(changes.c[name] for name in ChangeRow._fields)
# On SQLite ids alone are the order, and its primary key finds them.
_ORDER = {"sqlite": (changes.c.id,), "postgresql": (changes.c.transaction, changes.c.id)}
_FOLLOWING = {"sqlite": (changes.c.id > bindparam("id"),), "postgresql": (_behind, _SETTLED)}
_next = {
    dialect: Prepared(
        select(changes.c.transaction, changes.c.id)
        .where(*following)
        .order_by(*_ORDER[dialect])
        .limit(bindparam("batch"))
    )
    for dialect, following in _FOLLOWING.items()
}
WITHIN = {
    "sqlite": and_(changes.c.id > bindparam("id"), changes.c.id <= bindparam("to_id")),
    "postgresql": and_(_behind, _up_to),
}
_rows = {
    dialect: Prepared(select(*_columns_read).where(within).order_by(*_ORDER[dialect]))
    for dialect, within in WITHIN.items()
}


def _least(column: Column[int]) -> ColumnElement[int]:
    """Of the reader that has come least far; 0 where there is none."""
    found = select(column).order_by(change_readers.c.transaction, change_readers.c.id).limit(1)
    return func.coalesce(found.scalar_subquery(), 0)


_unread = {
    "sqlite": (changes.c.id > _least(change_readers.c.id),),
    "postgresql": (_place > tuple_(_least(change_readers.c.transaction), _least(change_readers.c.id)), _SETTLED),
}
# In their order, so that it is asked of the index however many rows are kept.
_any = {
    dialect: Prepared(select(changes.c.id).where(*unread).order_by(*_ORDER[dialect]).limit(1))
    for dialect, unread in _unread.items()
}
_following = {
    dialect: Prepared(select(*_columns_read).where(*following).order_by(*_ORDER[dialect]).limit(bindparam("batch")))
    for dialect, following in _FOLLOWING.items()
}
_newest = {
    dialect: Prepared(
        select(changes.c.transaction, changes.c.id)
        .where(*settled)
        .order_by(*(column.desc() for column in _ORDER[dialect]))
        .limit(1)
    )
    for dialect, settled in (("sqlite", ()), ("postgresql", (_SETTLED,)))
}
_at = Prepared(
    select(changes.c.id).where(changes.c.id == bindparam("id"), changes.c.transaction == bindparam("transaction"))
)
_lock_reader = Prepared(
    select(change_readers.c.transaction, change_readers.c.id)
    .where(change_readers.c.name == bindparam("name"))
    .with_for_update(skip_locked=True)
)
_advance = Prepared(
    update(change_readers)
    .where(change_readers.c.name == bindparam("name"))
    .values(transaction=bindparam("to_transaction"), id=bindparam("to_id"))
)


def register(conn: Connection, names: Collection[str]) -> list[str]:
    """The readers that there are: new ones, which it gives, begin with what is there; those that are gone hold up
    nobody.
    """
    conn.execute(delete(change_readers).where(change_readers.c.name.not_in(names)))
    new: list[str] = []
    for name in names:
        begin = {"name": name, "transaction": 0, "id": 0}
        made = insert_on_conflict(change_readers).values(begin).on_conflict_do_nothing()
        new += conn.execute(made.returning(change_readers.c.name)).scalars().all()  # a rowcount PostgreSQL doesn't tell
    return new


def any_unread(conn: Connection) -> bool:
    """By any reader: whether there is a row behind the place of the one that has come least far. Only reads."""
    return bool(_any[conn.dialect].all(conn))


def advance(conn: Connection, name: str, limit: int) -> Span | None:
    """What comes next for a reader, which is the caller's alone until the end of the transaction; nothing where another
    process works for it. It isn't given again when the transaction is committed.
    """
    reader = _lock_reader.one_or_none(conn, name=name)
    if reader is None:
        return None
    after = Place._make(reader)
    parameters = {"id": after.id} if conn.dialect == "sqlite" else after._asdict()
    found = _next[conn.dialect].all(conn, **parameters, batch=limit)
    if not found:
        return None
    last = Place._make(found[-1])
    _advance.run(conn, name=name, to_transaction=last.transaction, to_id=last.id)
    return Span(after, last, rows=len(found))


def rows_of(conn: Connection, span: Span) -> list[ChangeRow]:
    """In their order."""
    return [ChangeRow._make(row) for row in _rows[conn.dialect].all(conn, **span.parameters(conn))]


def lock_reader(conn: Connection, name: str) -> None:
    """Keep it from reading on until the end of the transaction."""
    conn.execute(select(change_readers.c.id).where(change_readers.c.name == name).with_for_update()).all()


class Following(NamedTuple):
    """Rows behind a place; not `is_whole`: some that were there too may have been removed."""

    is_whole: bool
    rows: list[ChangeRow]


BEGINNING = Place(0, 0)


def following(conn: Connection, after: Place, limit: int) -> Following:
    """What comes next for somebody who is no reader, in the order in which readers get it. Only reads."""
    parameters = {"id": after.id} if conn.dialect == "sqlite" else after._asdict()
    rows = [ChangeRow._make(row) for row in _following[conn.dialect].all(conn, **parameters, batch=limit)]
    # Rows are removed in their order, so as long as that one is there, so are all behind it.
    return Following(after == BEGINNING or bool(_at.all(conn, **after._asdict())), rows)


def newest(conn: Connection) -> Place:
    """Behind which only what is yet to happen will be."""
    found = _newest[conn.dialect].one_or_none(conn)
    return BEGINNING if found is None else Place._make(found)


def trim(conn: Connection, limit: int, keep: int = 0) -> int:
    """Remove at most so many rows that all readers have done, but none of the newest (`keep`); how many."""
    places = [Place._make(row) for row in conn.execute(select(change_readers.c.transaction, change_readers.c.id)).all()]
    done = select(changes.c.id).order_by(*_ORDER[conn.dialect]).limit(limit)
    if conn.dialect == "sqlite":
        done = done.where(changes.c.id <= select(func.max(changes.c.id) - keep).scalar_subquery())
        if places:
            done = done.where(changes.c.id <= min(places).id)
        return conn.execute(delete(changes).where(changes.c.id.in_(done))).rowcount
    backwards = select(changes.c.transaction, changes.c.id).order_by(
        *(column.desc() for column in _ORDER[conn.dialect])
    )
    last = conn.execute(backwards.offset(keep).limit(1)).one_or_none()
    if last is None:
        return 0
    done = done.where(_place <= tuple_(*min(Place._make(last), *places)))
    return conn.execute(delete(changes).where(changes.c.id.in_(done))).rowcount
