"""Measures what a bucket takes of the disk, where that takes longer than a request. It only reads; what it finds is
kept, and told to who may know it then (`GET /buckets/{id}/storage`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from s3gw.accounts.measured_storage import measure
from s3gw.errors import NoSuchBucket
from s3gw.jobs.asked import Asked
from s3gw.jobs.pace import paced
from s3gw.metadata import buckets, storage_reports

if TYPE_CHECKING:
    from s3gw.storage import Storage


async def measure_storage(services: Storage, asked: Asked, progress: Callable[[Any], None]) -> None:
    """Raises NoSuchBucket."""
    database, is_of_all = services.database, asked.payload["is_of_all"]
    bucket = await database.scan(buckets.find_by_uuid, asked.payload["bucket_id"])
    if bucket is None:
        raise NoSuchBucket()

    async def note(rows: int) -> None:
        await asked.note({"done": rows})

    report = await measure(database, bucket, is_of_all, pace=paced, progress=note)
    await database.write(storage_reports.keep, bucket.id, is_of_all, report)
