"""Aborts multipart uploads that were begun too long ago (S3GW_UPLOAD_EXPIRY): their clients have gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from s3gw.metadata import uploads
from s3gw.metadata.database import Connection, now

if TYPE_CHECKING:
    from s3gw.context import Services

_DAY = 86_400_000_000  # microseconds
_BATCH = 100


async def expire_uploads(services: Services, payload: Any, progress: Callable[[Any], None]) -> None:
    database, aborted = services.database, 0
    while expired := await database.scan(_expired, services.settings.upload_expiry):
        for upload_id in expired:
            await database.write(uploads.abort, upload_id)  # one each: it may have 10 000 parts
            aborted += 1
            progress({"uploads": aborted})


def _expired(conn: Connection, days: float) -> list[str]:
    return uploads.expired(conn, now(conn) - int(days * _DAY), _BATCH)
