"""Aborts multipart uploads that were begun too long ago (S3GW_UPLOAD_EXPIRY): their clients have gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from s3gw.metadata import uploads
from s3gw.metadata.database import Connection, now

if TYPE_CHECKING:
    from s3gw.context import Services

_DAY = 86_400_000_000  # microseconds
_BATCH = 20


async def expire_uploads(services: Services, payload: Any, progress: Callable[[Any], None]) -> None:
    aborted = 0
    while count := await services.database.write(_expire, services.settings.upload_expiry):
        aborted += count
        progress({"uploads": aborted})


def _expire(conn: Connection, days: float) -> int:
    at = now(conn)
    expired = uploads.expired(conn, at - int(days * _DAY), _BATCH)
    for upload_id in expired:
        uploads.abort(conn, upload_id, at)
    return len(expired)
