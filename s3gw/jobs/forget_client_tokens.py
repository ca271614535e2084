"""Forgets client tokens after a day: no client repeats a request for longer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from s3gw.metadata import client_tokens
from s3gw.metadata.database import Connection, now

if TYPE_CHECKING:
    from s3gw.context import Services

_KEPT = 86_400_000_000  # microseconds
_BATCH = 100


async def forget_client_tokens(services: Services, payload: Any, progress: Callable[[Any], None]) -> None:
    forgotten = 0
    while count := await services.database.write(_forget):
        forgotten += count
        progress({"tokens": forgotten})


def _forget(conn: Connection) -> int:
    return client_tokens.forget(conn, now(conn) - _KEPT, _BATCH)
