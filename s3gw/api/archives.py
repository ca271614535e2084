"""Many files as one zip: what is below a prefix, or those that are named. It is made while it is sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from s3gw.api.file_calls import Asker, TheReader
from s3gw.api.models import MOST_PER_PAGE, Body, Id
from s3gw.api.route import Route
from s3gw.api.zip_answer import Chosen, Get, ZipAnswer, below, folder_of, require_few
from s3gw.errors import AccessDenied, MethodNotAllowed, NoSuchKey
from s3gw.metadata import files
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.grants import LONGEST_PATH
from s3gw.metadata.objects import ObjectVersion
from s3gw.operations.call import Input, Output
from s3gw.operations.files import READ_EACH
from s3gw.operations.perform import perform
from s3gw.operations.scanned import require_each_served
from s3gw.operations.table import OPERATIONS

router = APIRouter(tags=["files"], route_class=Route)
_ZIP = {"schema": {"type": "string", "format": "binary"}, "example": "bytes"}
_ANSWERS: dict[int | str, Any] = {200: {"content": {"application/zip": _ZIP}}}
_TEXT = r"^[^\x00]*$"  # PostgreSQL's has no NUL


class FilesOfArchive(Body):
    files: Annotated[list[UUID], Field(min_length=1, max_length=MOST_PER_PAGE, description="Their ids.")]


@router.get("/buckets/{bucket_id}/archive", response_class=Response, responses=_ANSWERS)
async def download_folder(
    bucket_id: Id,
    asker: TheReader,
    prefix: Annotated[
        str, Query(max_length=LONGEST_PATH, pattern=_TEXT, description="Only what begins with it: `2026/`.")
    ] = "",
) -> Response:
    """As a zip, for who may list it, of those files that he may read and that the virus scanner lets through; their
    names are what follows the folder's. A name that can't be unpacked everywhere is changed in it. It has no length
    beforehand, and breaks off where a file can't be read to its end.
    """
    bucket = await asker.bucket(bucket_id)

    async def page(token: str | None) -> Output:
        after = {} if token is None else {"ContinuationToken": token}
        return await asker.perform(asker.call("ListObjectsV2", bucket, Prefix=prefix, **after))

    first = await page(None)
    count = await require_few(asker.services, bucket, prefix)
    chosen = below(prefix, first, page)
    answer = ZipAnswer(asker.services.open_archives, chosen, count, _get(asker, bucket))
    return answer.named(folder_of(prefix).rstrip("/").rpartition("/")[2] or bucket.name, {})


@router.post("/buckets/{bucket_id}/archive", response_class=Response, responses=_ANSWERS)
async def download_files(bucket_id: Id, body: FilesOfArchive, asker: TheReader) -> Response:
    """As a zip, in which they are called by what follows the folder that all of them are in. 404 where one of them
    can't be read, 403 where the virus scanner keeps one from being read.
    """
    bucket = await asker.bucket(bucket_id)
    wanted = {file_id.bytes for file_id in body.files}
    found = await asker.services.database.scan(files.of_ids, bucket.id, wanted)
    call = asker.call("GetObject", bucket, Versions=found, IsNamed=False)
    allowed = (await asker.perform(call, READ_EACH))["Allowed"]
    if len(found) < len(wanted) or not all(allowed):
        raise asker.nothing("there is no such file")
    await require_each_served(call, found)
    folder = _folder_of_all(found)
    chosen = _chosen(found, len(folder))
    answer = ZipAnswer(asker.services.open_archives, chosen, len(found), _get(asker, bucket))
    return answer.named(folder.rstrip("/").rpartition("/")[2] or bucket.name, {})


def _get(asker: Asker, bucket: Bucket) -> Get:
    async def get(input: Input) -> Output | None:
        try:
            return await perform(asker.call("GetObject", bucket, **input), OPERATIONS["GetObject"])
        except (AccessDenied, MethodNotAllowed, NoSuchKey):
            return None

    return get


def _folder_of_all(found: Sequence[ObjectVersion]) -> str:
    """The deepest that all are below: of keys in their order the first and the last tell it."""
    first, last = found[0].key, found[-1].key
    same = 0
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    return folder_of(first[:same])


async def _chosen(found: Sequence[ObjectVersion], root: int) -> AsyncGenerator[Chosen, None]:
    for version in found:
        yield Chosen(version.key[root:], {"Key": version.key, "FileId": version.file_id})
