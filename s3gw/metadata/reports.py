"""SQL of reports that are saved: whose they are, and what they count. report_runs.py makes them."""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import Select, delete, func, insert, or_, select, update

from s3gw.metadata.database import Connection, now
from s3gw.metadata.schema import reports, users
from s3gw.problems import Conflict, NotFound

MOST_OF_USER = 100


class Report(NamedTuple):
    """`document` is what it counts (reports/spec.py), `context` from where it was set. Times in microseconds since the
    epoch; `next_run` is None where no cron line counts.
    """

    id: str
    owner_id: str
    owner: str
    name: str
    document: dict[str, Any]
    context: list[Any]
    cron: str | None
    time_zone: str
    is_enabled: bool
    last_run: int | None
    next_run: int | None
    counted_at: int
    created_at: int
    updated_at: int


class Fields(NamedTuple):
    """What is set of one. `next_run` was counted before: a line that is due once in some years takes half a second."""

    name: str
    document: dict[str, Any]
    context: list[Any]
    cron: str | None
    time_zone: str
    is_enabled: bool
    next_run: int | None

    def values(self) -> dict[str, Any]:
        texts = {"document": json.dumps(self.document), "context": json.dumps(self.context)}
        return self._asdict() | texts | {"is_enabled": int(self.is_enabled)}


SELECT: Select[Any] = select(
    reports.c.id, reports.c.owner_id, users.c.name.label("owner"), *(reports.c[name] for name in Report._fields[3:])
).join_from(reports, users, users.c.id == reports.c.owner_id)


def create(conn: Connection, owner_id: str, fields: Fields) -> Report:
    """Raises NotFound where the owner is gone by now, and Conflict where he has one of the name, or too many."""
    owner = select(users.c.id).where(users.c.id == owner_id, users.c.deleted_at.is_(None)).with_for_update()
    if not conn.execute(owner).all():
        raise NotFound("there is no such user")
    _require_name(conn, owner_id, fields.name, None)
    count = select(func.count()).select_from(reports).where(reports.c.owner_id == owner_id)
    if conn.execute(count).scalar_one() >= MOST_OF_USER:
        raise Conflict(f"a user has {MOST_OF_USER} reports at most: delete some")
    report_id, at = str(uuid4()), now(conn)
    times = {"counted_at": at, "created_at": at, "updated_at": at}
    conn.execute(insert(reports).values(id=report_id, owner_id=owner_id, **fields.values(), **times))
    return find(conn, report_id)


def _require_name(conn: Connection, owner_id: str, name: str, but_for: str | None) -> None:
    same = select(reports.c.id).where(reports.c.owner_id == owner_id, reports.c.name == name)
    if conn.execute(same).scalar_one_or_none() not in (None, but_for):
        raise Conflict(f"there is a report {name} already")


def find(conn: Connection, report_id: str) -> Report:
    """Raises NotFound."""
    row = conn.execute(SELECT.where(reports.c.id == report_id)).one_or_none()
    if row is None:
        raise NotFound("there is no such report")
    return read(row)


def find_named(conn: Connection, name: str) -> Report:
    """By its id or its name. Raises NotFound, and Conflict for several."""
    rows = conn.execute(SELECT.where(or_(reports.c.id == name, reports.c.name == name)).limit(2)).all()
    if not rows:
        raise NotFound(f"there is no report {name}")
    if len(rows) > 1:
        raise Conflict(f"several users have a report {name}: give its id")
    return read(rows[0])


def page(conn: Connection, owner_id: str | None, offset: int, limit: int) -> tuple[list[Report], int]:
    """By name, and how many there are; None: of all users."""
    count, wanted = select(func.count()).select_from(reports), SELECT
    if owner_id is not None:
        count, wanted = count.where(reports.c.owner_id == owner_id), wanted.where(reports.c.owner_id == owner_id)
    rows = conn.execute(wanted.order_by(reports.c.name, reports.c.id).offset(offset).limit(limit)).all()
    return [read(row) for row in rows], conn.execute(count).scalar_one()


def lock(conn: Connection, report_id: str) -> Report:
    """Until the end of the transaction nobody else changes it. Raises NotFound."""
    conn.execute(select(reports.c.id).where(reports.c.id == report_id).with_for_update()).all()
    return find(conn, report_id)


def change(conn: Connection, report: Report, fields: Fields) -> Report:
    """One that is locked. Raises Conflict."""
    _require_name(conn, report.owner_id, fields.name, report.id)
    at = now(conn)
    times = {"counted_at": at, "updated_at": max(at, report.updated_at + 1)}
    conn.execute(update(reports).where(reports.c.id == report.id).values(**fields.values(), **times))
    return find(conn, report.id)


def remove(conn: Connection, report_id: str) -> Report:
    """Raises NotFound."""
    found = lock(conn, report_id)
    conn.execute(delete(reports).where(reports.c.id == report_id))
    return found


def of_owner(conn: Connection, owner_id: str) -> list[Report]:
    return [read(row) for row in conn.execute(SELECT.where(reports.c.owner_id == owner_id)).all()]


def read(row: Any) -> Report:
    found = Report._make(row)
    document, context = json.loads(row.document), json.loads(row.context)
    return found._replace(document=document, context=context, is_enabled=bool(found.is_enabled))
