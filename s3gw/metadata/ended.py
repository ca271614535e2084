"""SQL of what has ended and is kept for a while only: one row of a table each, and one way to delete them.

`at` is an indexed column that says when a row ended, or was made. What other rows refer to has a function of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Column, delete, select, tuple_

from s3gw.metadata import asked_jobs, hidden_keys, job_pieces, sessions, share_links
from s3gw.metadata.database import Connection
from s3gw.metadata.schema import (
    client_tokens,
    failed_attempts,
    grants,
    idempotency_keys,
    known_addresses,
    link_visits,
    one_time_tokens,
    resumable_uploads,
)

Forget = Callable[[Connection, int, int], int]  # what ended before a time (microseconds), at most so many; how many
HOUR = 3_600_000_000  # microseconds
DAY = 24 * HOUR


class Ended(NamedTuple):
    """`kept`: microseconds."""

    kept: int
    forget: Forget


def _before(at: Column[int]) -> Forget:
    table = at.table
    key = tuple_(*table.primary_key.columns)

    def forget(conn: Connection, before: int, limit: int) -> int:
        old = select(*table.primary_key.columns).where(at < before).order_by(at).limit(limit)
        found = [tuple(row) for row in conn.execute(old).all()]
        if found:
            conn.execute(delete(table).where(key.in_(found)))
        return len(found)

    return forget


TABLE: dict[str, Ended] = {
    "client_tokens": Ended(DAY, _before(client_tokens.c.created_at)),  # no client repeats a request after so long
    "idempotency_keys": Ended(DAY, _before(idempotency_keys.c.created_at)),
    "sessions": Ended(0, sessions.forget),  # they expire when nobody goes on with them for a month
    "one_time_tokens": Ended(DAY, _before(one_time_tokens.c.expires_at)),
    "failed_attempts": Ended(HOUR, _before(failed_attempts.c.at)),  # no limit counts older ones
    "known_addresses": Ended(30 * DAY, _before(known_addresses.c.last_login_at)),  # as accounts/attempts.py says
    "access_keys": Ended(0, hidden_keys.forget),  # those of URLs that were signed for a while
    "resumable_uploads": Ended(7 * DAY, _before(resumable_uploads.c.ended_at)),  # clients ask again what became of it
    "grants": Ended(30 * DAY, _before(grants.c.expires_at)),  # whoever lists them sees for a while what has expired
    "link_visits": Ended(HOUR, _before(link_visits.c.counted_at)),  # who comes later is counted again
    "links": Ended(30 * DAY, share_links.forget),  # as grants
    "job_pieces": Ended(HOUR, job_pieces.forget),  # of jobs that have ended
    "jobs": Ended(7 * DAY, asked_jobs.forget),  # those that users asked for
}
