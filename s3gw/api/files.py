"""Files of a bucket: told, changed, deleted and shared. What carries their bytes is in upload.py and download.py."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from s3gw.api.file_calls import TheAsker
from s3gw.api.file_models import File, etag_of_file
from s3gw.api.models import Id
from s3gw.api.route import Route
from s3gw.metadata.grants import LONGEST_PATH

router = APIRouter(tags=["files"], route_class=Route)
KEY = r"^[^\x00]+$"  # PostgreSQL's text has no NUL


@router.get("/buckets/{bucket_id}/files/{file_id}")
async def get_file(bucket_id: Id, file_id: Id, asker: TheAsker, response: Response) -> File:
    """Wherever it is now: its id lasts over overwrites and renames."""
    bucket = await asker.bucket(bucket_id)
    version = await asker.head(bucket, **await asker.find(bucket, file_id))
    response.headers["ETag"] = etag_of_file(version)
    return (await asker.tell(bucket, bucket_id, [version]))[0]


@router.get("/buckets/{bucket_id}/file")
async def find_file(
    bucket_id: Id,
    asker: TheAsker,
    response: Response,
    key: Annotated[str, Query(min_length=1, max_length=LONGEST_PATH, pattern=KEY, description="Its path.")],
) -> File:
    """As it is now called."""
    bucket = await asker.bucket(bucket_id)
    version = await asker.head(bucket, Key=key)
    response.headers["ETag"] = etag_of_file(version)
    return (await asker.tell(bucket, bucket_id, [version]))[0]
