"""SQL of client tokens: a request that is repeated under its token succeeds without being done again.

"If you retry a request that completed successfully using the same client token and the same parameters, the retry
succeeds without performing any further actions" (RenameObject in the Amazon S3 API Reference).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, insert, select

from s3gw.errors import IdempotencyParameterMismatch
from s3gw.metadata.database import Connection, now
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import client_tokens

_find = Prepared(
    select(client_tokens.c.request).where(
        client_tokens.c.bucket_id == bindparam("bucket_id"), client_tokens.c.token == bindparam("token")
    )
)


def digest_of(parameters: Mapping[str, Any]) -> str:
    """Of a request, to tell it from another one that comes with the same token."""
    return hashlib.sha256(json.dumps(parameters, sort_keys=True, default=str).encode()).hexdigest()


def was_done(conn: Connection, bucket_id: int, token: str, request: str) -> bool:
    """Whether the request of that digest has succeeded before; if not it is noted, which the commit makes lasting.

    Raises IdempotencyParameterMismatch when one of another digest has. Writers with one token must take turns.
    """
    found = _find.value(conn, bucket_id=bucket_id, token=token)
    if found is None:
        noted = {"bucket_id": bucket_id, "token": token, "request": request, "created_at": now(conn)}
        conn.execute(insert(client_tokens).values(noted))
        return False
    if found != request:
        raise IdempotencyParameterMismatch()
    return True
