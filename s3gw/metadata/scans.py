"""SQL of virus scanning: what the scanner said of each content, and which objects have it.

A verdict is about a content and found by its digest, so that the same bytes are scanned once. Contents that were put in
parts have digests of their own each time, because a part list names the rows of its parts; what such contents have in
common is `same_bytes`, by which one's verdict is the other's too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    LargeBinary,
    and_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    text,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same

from s3gw.metadata import contents
from s3gw.metadata.contents import PARTS, Content
from s3gw.metadata.database import Connection, now
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import contents as contents_table
from s3gw.metadata.schema import objects, scanned_objects, scans, settings

State = Literal["pending", "clean", "infected", "unscannable", "released"]
PENDING: State = "pending"
CLEAN: State = "clean"
INFECTED: State = "infected"
UNSCANNABLE: State = "unscannable"
RELEASED: State = "released"
STATES: tuple[State, ...] = (PENDING, CLEAN, INFECTED, UNSCANNABLE, RELEASED)
_LONGEST_ERROR = 300
_BATCH = 500
_NO_BUCKET = 2**63 - 1


class Scan(NamedTuple):
    """A row of `scans`. Times are microseconds."""

    digest: bytes
    same_bytes: bytes
    size: int
    state: State
    threat: str | None
    version: str | None
    scanned_at: int | None
    noted_at: int
    due_at: int
    attempts: int
    error: str | None
    is_told: int


class Verdict(NamedTuple):
    """`threat`: the scanner's name of what it found, or why it couldn't look; `version` is that of its signatures."""

    state: State
    threat: str | None = None
    version: str | None = None


class ScannedObject(NamedTuple):
    """A version that has the content."""

    bucket_id: int
    key: str
    version_id: str
    content_id: int
    told: str | None


_this: BindParameter[bytes] = bindparam("digest", type_=LargeBinary)
_is_this = scans.c.digest == _this
_columns = tuple(scans.c[name] for name in Scan._fields)
_state = Prepared(select(scans.c.state).where(_is_this))
_lock_state = Prepared(select(scans.c.state).where(_is_this).with_for_update())
_state_of_content = Prepared(
    select(scans.c.state)
    .join_from(contents_table, scans, scans.c.digest == contents_table.c.digest)
    .where(contents_table.c.id == bindparam("content_id"))
)
_find = Prepared(select(*_columns).where(_is_this))
_content = Prepared(
    select(contents_table.c.digest, contents_table.c.form, contents_table.c.size).where(
        contents_table.c.id == bindparam("content_id")
    )
)
_same = Prepared(
    select(*_columns).where(scans.c.same_bytes == bindparam("same_bytes"), scans.c.state != PENDING).limit(1)
)
_insert = Prepared(
    insert_on_conflict(scans).values({name: bindparam(name) for name in Scan._fields}).on_conflict_do_nothing()
)
_untell = Prepared(update(scans).where(_is_this).values(is_told=0))
_put_object = insert_on_conflict(scanned_objects).values(
    {name: bindparam(name) for name in ("digest", *ScannedObject._fields)}
)
_is_other = or_(
    scanned_objects.c.digest != _put_object.excluded.digest,
    scanned_objects.c.content_id != _put_object.excluded.content_id,
)


def _put_object_where(condition: ColumnElement[bool]) -> Prepared:
    key = [scanned_objects.c.bucket_id, scanned_objects.c.key, scanned_objects.c.version_id]
    values = {name: _put_object.excluded[name] for name in ("digest", "content_id", "told")}
    return Prepared(_put_object.on_conflict_do_update(index_elements=key, set_=values, where=condition))


# By whether the object was just put: then its events are told again, though it has the same content as before.
_note_object = {True: _put_object_where(true()), False: _put_object_where(_is_other)}
_this_object = and_(
    scanned_objects.c.bucket_id == bindparam("of_bucket"),
    scanned_objects.c.key == bindparam("of_key"),
    scanned_objects.c.version_id == bindparam("of_version"),
)
_forget_object = Prepared(delete(scanned_objects).where(_this_object))
_tell_object = Prepared(update(scanned_objects).where(_this_object).values(told=bindparam("new_state")))
_any_due = Prepared(select(scans.c.digest).where(scans.c.state == PENDING, scans.c.due_at <= bindparam("at")).limit(1))
_due = Prepared(
    select(*_columns)
    .where(scans.c.state == PENDING, scans.c.due_at <= bindparam("at"))
    .order_by(scans.c.due_at)
    .limit(bindparam("batch"))
    .with_for_update(skip_locked=True)
)
_hide = Prepared(update(scans).where(_is_this).values(due_at=bindparam("until"), attempts=scans.c.attempts + 1))
_put_off = Prepared(
    update(scans)
    .where(_is_this, scans.c.state == PENDING)
    .values(due_at=bindparam("until"), error=bindparam("new_error"))
)
_settle = Prepared(
    update(scans)
    .where(scans.c.same_bytes == bindparam("of_same"), scans.c.state != RELEASED)
    .values(
        state=bindparam("new_state"),
        threat=bindparam("new_threat"),
        version=bindparam("new_version"),
        scanned_at=bindparam("at"),
        error=None,
        is_told=0,
    )
)
_untold = Prepared(
    select(scans.c.digest, scans.c.state)
    .where(scans.c.is_told == 0, scans.c.state != PENDING)
    .order_by(scans.c.digest)
    .limit(bindparam("batch"))
)
_set_told = Prepared(update(scans).where(_is_this, scans.c.state == bindparam("of_state")).values(is_told=1))
_object_columns = tuple(scanned_objects.c[name] for name in ScannedObject._fields)
_objects_with = select(*_object_columns).where(scanned_objects.c.digest == _this).limit(bindparam("batch"))
# Each finds its first rows in the index by what was told, however many objects have the content.
_never_told = Prepared(_objects_with.where(scanned_objects.c.told.is_(None)))
_told_else = {
    state: Prepared(
        _objects_with.where(text("told IN ({})".format(", ".join(repr(each) for each in STATES if each != state))))
    )
    for state in STATES
}
_objects_after = Prepared(
    select(*_object_columns)
    .where(scanned_objects.c.digest == _this)
    .order_by(scanned_objects.c.bucket_id, scanned_objects.c.key, scanned_objects.c.version_id)
    .limit(bindparam("batch"))
)
_a_content = Prepared(
    select(scanned_objects.c.content_id)
    .join_from(scanned_objects, contents_table, contents_table.c.id == scanned_objects.c.content_id)
    .where(scanned_objects.c.digest == _this, contents_table.c.digest == _this, contents_table.c.refs > 0)
    .limit(1)
)
_outdated = Prepared(
    select(*_columns)
    .where(
        scans.c.digest > bindparam("after", type_=LargeBinary),
        scans.c.state != PENDING,
        scans.c.state != RELEASED,
        or_(scans.c.version.is_(None), scans.c.version != bindparam("version")),
    )
    .order_by(scans.c.digest)
    .limit(bindparam("batch"))
)
_digests = Prepared(
    select(scans.c.digest)
    .where(scans.c.digest > bindparam("after", type_=LargeBinary))
    .order_by(scans.c.digest)
    .limit(bindparam("batch"))
    .with_for_update()  # as in `drop`
)
_place = (objects.c.bucket_id, objects.c.key, objects.c.sequence)
_versions = Prepared(
    select(*_place, objects.c.version_id, objects.c.content_id)
    .where(
        tuple_(*_place) > tuple_(bindparam("bucket_id"), bindparam("key"), bindparam("sequence")),
        objects.c.bucket_id <= bindparam("last_bucket"),
        objects.c.content_id.is_not(None),
    )
    .order_by(*_place)
    .limit(bindparam("batch"))
)
_has_objects = exists().where(scanned_objects.c.digest == scans.c.digest)


def state_of(conn: Connection, digest: bytes) -> State:
    """Of a content; what isn't known yet is pending."""
    found: State | None = _state.value(conn, digest=digest)
    return found or PENDING


def state_of_content(conn: Connection, content_id: int) -> State:
    found: State | None = _state_of_content.value(conn, content_id=content_id)
    return found or PENDING


def states_of(conn: Connection, content_ids: Collection[int]) -> dict[int, State]:
    """By content; those that aren't known yet are left out."""
    found: dict[int, State] = {}
    wanted = list(content_ids)
    for first in range(0, len(wanted), _BATCH):
        statement = (
            select(contents_table.c.id, scans.c.state)
            .join_from(contents_table, scans, scans.c.digest == contents_table.c.digest)
            .where(contents_table.c.id.in_(wanted[first : first + _BATCH]))
        )
        found.update((row.id, row.state) for row in conn.execute(statement).all())
    return found


def find(conn: Connection, digest: bytes) -> Scan | None:
    row = _find.one_or_none(conn, digest=digest)
    return None if row is None else Scan._make(row)


def note(conn: Connection, bucket_id: int, key: str, version_id: str, content_id: int, *, is_new: bool) -> bool:
    """That this version has this content, and whether it was just put; whether there is something to be done for it: a
    scan, or events.
    """
    row = _content.one_or_none(conn, content_id=content_id)
    if row is None:
        return False
    digest, form, size = bytes(row[0]), int(row[1]), int(row[2])
    # Locked first: whoever settles or tells it beside us does so before, or sees this object.
    if lock(conn, digest) is None:
        _begin(conn, digest, digest if form != PARTS else contents.load(conn, content_id).same_bytes, size)
    if lock(conn, digest) != PENDING:
        _untell.run(conn, digest=digest)
    place = {"bucket_id": bucket_id, "key": key, "version_id": version_id}
    _note_object[is_new].run(conn, digest=digest, content_id=content_id, told=None, **place)
    return True


def lock(conn: Connection, digest: bytes) -> State | None:
    """The state of a verdict, which stays so until the end of the transaction. None: there is none."""
    state: State | None = _lock_state.value(conn, digest=digest)
    return state


def _begin(conn: Connection, digest: bytes, same_bytes: bytes, size: int) -> None:
    """What was found in the same bytes before counts for these."""
    at = now(conn)
    row = _same.one_or_none(conn, same_bytes=same_bytes)
    new = Scan(digest, same_bytes, size, PENDING, None, None, None, at, at, 0, None, 0)
    if row is not None:
        known = Scan._make(row)
        found = {name: getattr(known, name) for name in ("state", "threat", "version", "scanned_at")}
        new = new._replace(**found)
    _insert.run(conn, **new._asdict())


def forget(conn: Connection, bucket_id: int, key: str, version_id: str) -> None:
    """The version is gone."""
    _forget_object.run(conn, of_bucket=bucket_id, of_key=key, of_version=version_id)


def any_work(conn: Connection) -> bool:
    """Whether something is due to be scanned or told. Only reads."""
    return bool(_any_due.all(conn, at=now(conn)) or _untold.all(conn, batch=1))


def take(conn: Connection, seconds: float, limit: int) -> list[Scan]:
    """What is due, the oldest first, hidden for so long from others: due again if nothing is heard of it by then."""
    at = now(conn)
    found = [Scan._make(row) for row in _due.all(conn, at=at, batch=limit)]
    for scan in found:
        _hide.run(conn, digest=scan.digest, until=at + int(seconds * 1_000_000))
    return found


def put_off(conn: Connection, digest: bytes, seconds: float, error: str) -> None:
    until = now(conn) + int(seconds * 1_000_000)
    _put_off.run(conn, digest=digest, until=until, new_error=error[:_LONGEST_ERROR])


def content_of(conn: Connection, digest: bytes) -> Content | None:
    """Of one of the objects that have it; None: none is left."""
    content_id = _a_content.value(conn, digest=digest)
    return None if content_id is None else contents.load(conn, content_id)


def settle(conn: Connection, scan: Scan, verdict: Verdict) -> None:
    """Of all contents of the same bytes. What an admin has released stays so."""
    _settle.run(
        conn,
        of_same=scan.same_bytes,
        new_state=verdict.state,
        new_threat=verdict.threat,
        new_version=verdict.version,
        at=now(conn),
    )


def same_verdict(conn: Connection, same_bytes: bytes) -> Verdict | None:
    """Of other contents of the same bytes."""
    row = _same.one_or_none(conn, same_bytes=same_bytes)
    found = None if row is None else Scan._make(row)
    return None if found is None else Verdict(found.state, found.threat, found.version)


def drop(conn: Connection, digest: bytes) -> None:
    """Of a content that nothing has any more and that was never scanned."""
    if lock(conn, digest) == PENDING:  # so that whoever notes an object with it has done so, or waits
        conn.execute(delete(scans).where(scans.c.digest == digest, ~_has_objects))


def untold(conn: Connection, limit: int) -> list[tuple[bytes, State]]:
    """Verdicts of which the objects that have the content may not know."""
    return [(bytes(row[0]), row[1]) for row in _untold.all(conn, batch=limit)]


def untold_objects(conn: Connection, digest: bytes, state: State, limit: int) -> list[ScannedObject]:
    """Of a locked verdict."""
    rows = _never_told.all(conn, digest=digest, batch=limit)
    if len(rows) < limit:
        rows = [*rows, *_told_else[state].all(conn, digest=digest, batch=limit - len(rows))]
    return sorted(ScannedObject._make(row) for row in rows)


def set_object_told(conn: Connection, found: ScannedObject, state: State) -> None:
    place = {"of_bucket": found.bucket_id, "of_key": found.key, "of_version": found.version_id}
    _tell_object.run(conn, **place, new_state=state)


def set_told(conn: Connection, digest: bytes, state: State) -> None:
    """Unless there is another verdict by now."""
    _set_told.run(conn, digest=digest, of_state=state)


def outdated(conn: Connection, after: bytes, version: str, limit: int) -> list[Scan]:
    """What was scanned with other signatures than these, behind a digest."""
    return [Scan._make(row) for row in _outdated.all(conn, after=after, version=version, batch=limit)]


def objects_of(conn: Connection, digest: bytes, limit: int) -> list[ScannedObject]:
    """The versions that have the content, in their order."""
    return [ScannedObject._make(row) for row in _objects_after.all(conn, digest=digest, batch=limit)]


def page(conn: Connection, state: State | None, after: bytes, offset: int, limit: int) -> tuple[list[Scan], int]:
    """In the order of digests, behind one; and how many there are."""
    condition = scans.c.state == state if state is not None else scans.c.state.in_(STATES)
    total = conn.execute(select(func.count()).select_from(scans).where(condition)).scalar_one()
    statement = select(*_columns).where(condition, scans.c.digest > after).order_by(scans.c.digest)
    rows: Sequence[Any] = conn.execute(statement.offset(offset).limit(limit)).all()
    return [Scan._make(row) for row in rows], int(total)


def counts(conn: Connection) -> dict[str, int]:
    """How many contents are in each state."""
    rows: Sequence[Any] = conn.execute(select(scans.c.state, func.count()).group_by(scans.c.state)).all()
    return dict.fromkeys(STATES, 0) | {row[0]: int(row[1]) for row in rows}


def release(conn: Connection, scan: Scan) -> None:
    """All contents of the same bytes."""
    values = {"state": RELEASED, "is_told": 0}
    conn.execute(update(scans).where(scans.c.same_bytes == scan.same_bytes).values(values))


def scan_again(conn: Connection, limit: int) -> int:
    """Have what couldn't be scanned tried again, and what waits after an error be due at once."""
    at = now(conn)
    values = {"state": PENDING, "due_at": at, "attempts": 0}
    some = select(scans.c.digest).where(
        or_(scans.c.state == UNSCANNABLE, and_(scans.c.state == PENDING, scans.c.due_at > at))
    )
    statement = update(scans).where(scans.c.digest.in_(some.limit(limit))).values(values)
    return conn.execute(statement).rowcount


def forget_unused(conn: Connection, after: bytes, before: int, limit: int) -> bytes | None:
    """Among the next behind a digest, verdicts of before that time on contents that no object has any more. Where to go
    on; None: there are no more.
    """
    found = [bytes(digest) for digest in _digests.values(conn, after=after, batch=limit)]
    old = (scans.c.noted_at < before, scans.c.state != RELEASED, ~_has_objects)
    conn.execute(delete(scans).where(scans.c.digest.in_(found), *old))
    return found[-1] if len(found) == limit else None


class Place(NamedTuple):
    """In the order of `objects`."""

    bucket_id: int
    key: str
    sequence: int


class StoredVersion(NamedTuple):
    place: Place
    version_id: str
    content_id: int


def versions_after(conn: Connection, after: Place, limit: int, bucket_id: int | None = None) -> list[StoredVersion]:
    """Of any bucket, or of one; without delete markers."""
    last = _NO_BUCKET if bucket_id is None else bucket_id
    rows = _versions.all(conn, **after._asdict(), batch=limit, last_bucket=last)
    return [StoredVersion(Place._make(row[:3]), *row[3:]) for row in rows]


def remembered(conn: Connection, name: str) -> str | None:
    """What was remembered of the scanner: `policy`, `version`, `failing`."""
    value: str | None = conn.execute(
        select(settings.c.value).where(settings.c.name == f"scan_{name}")
    ).scalar_one_or_none()
    return value


def remember(conn: Connection, name: str, value: str | None) -> None:
    this = f"scan_{name}"
    if value is None:
        conn.execute(delete(settings).where(settings.c.name == this))
        return
    statement = insert_on_conflict(settings).values(name=this, value=value)
    conn.execute(statement.on_conflict_do_update(index_elements=[settings.c.name], set_={"value": value}))
