"""SQL of what jobs have made until now: pieces by number, which are read in that order when all is there. They are
deleted (forget_ended) when their job has ended, but for a dead one: who tries it again goes on with them.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import delete, exists, insert, select, tuple_

from s3gw.metadata.database import Connection, now
from s3gw.metadata.jobs import DEAD, QUEUED, RUNNING
from s3gw.metadata.schema import job_pieces, jobs


def put(conn: Connection, job_id: str, number: int, document: Any) -> None:
    """In the place of the one that has this number."""
    values = {"job_id": job_id, "number": number, "document": json.dumps(document), "created_at": now(conn)}
    this = (job_pieces.c.job_id == job_id, job_pieces.c.number == number)
    conn.execute(delete(job_pieces).where(*this))
    conn.execute(insert(job_pieces).values(values))


def find(conn: Connection, job_id: str, number: int) -> Any:
    """None where there is none."""
    wanted = select(job_pieces.c.document).where(job_pieces.c.job_id == job_id, job_pieces.c.number == number)
    document = conn.execute(wanted).scalar_one_or_none()
    return None if document is None else json.loads(document)


def forget(conn: Connection, before: int, limit: int) -> int:
    """Delete at most `limit` that were made before a time and whose jobs have ended; how many."""
    needed = exists().where(jobs.c.uuid == job_pieces.c.job_id, jobs.c.state.in_((QUEUED, RUNNING, DEAD)))
    key = tuple_(job_pieces.c.job_id, job_pieces.c.number)
    ended = (job_pieces.c.created_at < before, ~needed)
    old = select(job_pieces.c.job_id, job_pieces.c.number).where(*ended).order_by(job_pieces.c.created_at).limit(limit)
    found = [tuple(row) for row in conn.execute(old).all()]
    if found:
        conn.execute(delete(job_pieces).where(key.in_(found)))
    return len(found)
