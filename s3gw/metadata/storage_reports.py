"""SQL of what buckets were found to take of the disk, the last time that they were measured."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from sqlalchemy import delete, insert, select

from s3gw.metadata.database import Connection
from s3gw.metadata.schema import buckets, storage_reports


class Report(NamedTuple):
    measured_at: int
    document: dict[str, Any]


def keep(conn: Connection, bucket_id: int, is_of_all: bool, report: Report) -> None:
    """In the place of the last one, if the bucket still is there."""
    if conn.execute(select(buckets.c.id).where(buckets.c.id == bucket_id).with_for_update()).one_or_none() is None:
        return
    table = storage_reports.c
    conn.execute(delete(storage_reports).where(table.bucket_id == bucket_id, table.is_of_all == int(is_of_all)))
    values = {"bucket_id": bucket_id, "is_of_all": int(is_of_all), "measured_at": report.measured_at}
    conn.execute(insert(storage_reports).values(values | {"document": json.dumps(report.document)}))


def find(conn: Connection, bucket_id: int, is_of_all: bool) -> Report | None:
    table = storage_reports.c
    found = select(table.measured_at, table.document).where(
        table.bucket_id == bucket_id, table.is_of_all == int(is_of_all)
    )
    row = conn.execute(found).one_or_none()
    return None if row is None else Report(row.measured_at, json.loads(row.document))
