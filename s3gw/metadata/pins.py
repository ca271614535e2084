"""SQL of pins: the contents and chunks that lasting reads and uploads of living processes need (content/read_pins.py).

The reaper passes over what has a row here. A process publishes its rows before it lets the floor rise past the pins
that they stand for; they go when the process withdraws them, or with the process when it is declared dead.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, exists
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same

from s3gw.metadata import processes
from s3gw.metadata.database import Connection
from s3gw.metadata.schema import blob_pins, blobs, content_pins, contents

BATCH = 500  # rows that one transaction should publish or withdraw at most

CONTENT_IS_FREE: ColumnElement[bool] = ~exists().where(content_pins.c.content_id == contents.c.id)
BLOB_IS_FREE: ColumnElement[bool] = ~exists().where(blob_pins.c.digest == blobs.c.digest)


def publish(conn: Connection, process: str, content_ids: Iterable[int], digests: Iterable[bytes]) -> bool:
    """False, and nothing is published, when the process was declared dead."""
    if processes.is_dead(conn, process):
        return False
    _insert(conn, content_pins, [{"content_id": needed, "process": process} for needed in content_ids])
    _insert(conn, blob_pins, [{"digest": needed, "process": process} for needed in digests])
    return True


def _insert(conn: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        conn.execute(insert_on_conflict(table).on_conflict_do_nothing(), rows)


def withdraw(conn: Connection, process: str, content_ids: Iterable[int], digests: Iterable[bytes]) -> None:
    for table, column, needed in (
        (content_pins, content_pins.c.content_id, list(content_ids)),
        (blob_pins, blob_pins.c.digest, list(digests)),
    ):
        if needed:
            conn.execute(delete(table).where(table.c.process == process, column.in_(needed)))
