"""Tags of what can be changed, by which two who change it at the same time don't undo each other's changes.

They are compared in the transaction that changes, with what is locked there.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from s3gw.problems import PreconditionFailed


def etag_of(told: Any) -> str:
    """Of what is told of something, as JSON can say it: it changes whenever that does."""
    return f'"{hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:32]}"'


def require_match(if_match: str | None, etag: str) -> None:
    """Raises PreconditionFailed. `*` is whatever there is; "If-Match" compares strongly (RFC 9110, 13.1.1), so a weak
    tag never matches.
    """
    if if_match is None:
        return
    given = [tag.strip() for tag in if_match.split(",")]
    if given != ["*"] and etag not in given:
        raise PreconditionFailed("it was changed meanwhile: get it again")
