"""SQL of reading the audit log: pages of it, the newest first, and steps through all of it for an export."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Row, Select, func, or_, select

from s3gw.metadata.audit_chain import Line
from s3gw.metadata.database import Connection
from s3gw.metadata.schema import audit_log

_columns = tuple(audit_log.c[name] for name in Line._fields)


class Wanted(NamedTuple):
    """Which lines; None: whatever it is. `actor` is a name or an id, `action` one or its beginning (`user` is all of
    `user.…`), times are microseconds since the epoch, `until` exclusive.
    """

    actor: str | None = None
    action: str | None = None
    resource_type: str | None = None
    resource: str | None = None
    outcome: str | None = None
    since: int | None = None
    until: int | None = None


def page_of(
    conn: Connection, wanted: Wanted, *, before_id: int | None, offset: int, limit: int
) -> tuple[list[Line], int]:
    """The newest first: `limit` lines before `before_id` or from `offset` on, and how many there are in all."""
    total = conn.execute(_narrowed(select(func.count()).select_from(audit_log), wanted)).scalar_one()
    found = _narrowed(select(*_columns), wanted).order_by(audit_log.c.id.desc()).limit(limit)
    found = found.where(audit_log.c.id < before_id) if before_id is not None else found.offset(offset)
    return [_line(row) for row in conn.execute(found).all()], int(total)


def step(conn: Connection, wanted: Wanted, after_id: int, limit: int) -> list[Line]:
    """The next lines behind `after_id`, the oldest first."""
    found = _narrowed(select(*_columns), wanted).where(audit_log.c.id > after_id)
    return [_line(row) for row in conn.execute(found.order_by(audit_log.c.id).limit(limit)).all()]


def _narrowed(statement: Select[Any], wanted: Wanted) -> Select[Any]:
    line = audit_log.c
    if wanted.actor is not None:
        statement = statement.where(or_(line.actor == wanted.actor, line.actor_id == wanted.actor))
    if wanted.action is not None:
        beginning = line.action.startswith(f"{wanted.action}.", autoescape=True)
        statement = statement.where(or_(line.action == wanted.action, beginning))
    if wanted.since is not None:
        statement = statement.where(line.at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(line.at < wanted.until)
    for name in ("resource_type", "resource", "outcome"):
        if getattr(wanted, name) is not None:
            statement = statement.where(line[name] == getattr(wanted, name))
    return statement


def _line(row: Row[Any]) -> Line:
    line = Line._make(row)
    return line._replace(mac=b"" if line.mac is None else bytes(line.mac))
