"""SQL of client tokens: a request that is repeated under its token succeeds without being done again.

"If you retry a request that completed successfully using the same client token and the same parameters, the retry
succeeds without performing any further actions" (RenameObject in the Amazon S3 API Reference).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, delete, insert, select

from s3gw.errors import IdempotencyParameterMismatch
from s3gw.metadata.database import Connection, now
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import client_tokens

_find = Prepared(
    select(client_tokens.c.request).where(
        client_tokens.c.bucket_id == bindparam("bucket_id"), client_tokens.c.token == bindparam("token")
    )
)


def was_done(conn: Connection, bucket_id: int, token: str, parameters: Mapping[str, Any]) -> bool:
    """Whether this very request has succeeded before; if not it is noted, and counts when the transaction commits.

    Raises IdempotencyParameterMismatch when another one has. Writers with one token must take turns.
    """
    request = hashlib.sha256(json.dumps(parameters, sort_keys=True, default=str).encode()).hexdigest()
    found = _find.one_or_none(conn, bucket_id=bucket_id, token=token)
    if found is None:
        noted = {"bucket_id": bucket_id, "token": token, "request": request, "created_at": now(conn)}
        conn.execute(insert(client_tokens).values(noted))
        return False
    if found[0] != request:
        raise IdempotencyParameterMismatch()
    return True


def forget(conn: Connection, before: int, limit: int) -> int:
    """Delete at most `limit` of those noted before a time (microseconds since the epoch), and say how many."""
    old = select(client_tokens.c.bucket_id, client_tokens.c.token).where(client_tokens.c.created_at < before)
    found = conn.execute(old.order_by(client_tokens.c.created_at).limit(limit)).all()
    for row in found:
        one = (client_tokens.c.bucket_id == row.bucket_id, client_tokens.c.token == row.token)
        conn.execute(delete(client_tokens).where(*one))
    return len(found)
