"""What is in a file that is a zip: its entries, and one of them, without the rest being read."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated, Any
from zipfile import ZipInfo

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from s3gw.api.download import ALWAYS
from s3gw.api.file_answer import Content, disposition
from s3gw.api.file_calls import Asker, TheReader
from s3gw.api.models import Id, Page
from s3gw.api.pages import ThePlace
from s3gw.api.route import Route
from s3gw.archives.stored_zip import BadArchive, StoredZip
from s3gw.content.open_content import OpenContent
from s3gw.metadata.buckets import Bucket
from s3gw.operations.call import Input
from s3gw.operations.file_type import FIRST, type_of
from s3gw.problems import Invalid, NotFound

router = APIRouter(tags=["files"], route_class=Route)
_LONGEST_NAME = 4096  # characters
_BINARY = {"schema": {"type": "string", "format": "binary"}, "example": "bytes"}
_ANSWERS: dict[int | str, Any] = {200: {"content": {"*/*": _BINARY}}}


class ZipEntry(BaseModel):
    name: str
    size: int
    compressed_size: int
    modified_at: datetime | None = Field(description="Zips have no zone, this takes it for UTC; null: it has no time.")
    is_folder: bool
    is_encrypted: bool = Field(description="It can't be downloaded by itself.")


@router.get("/buckets/{bucket_id}/files/{file_id}/entries")
async def list_entries(bucket_id: Id, file_id: Id, place: ThePlace, asker: TheReader) -> Page[ZipEntry]:
    """In the order of the zip's directory, which may have 4 MiB."""
    bucket = await asker.bucket(bucket_id)
    archive = await _open(asker, bucket, await asker.find(bucket, file_id))
    try:
        entries = await archive.entries()
    except BadArchive as error:
        raise Invalid(str(error)) from None
    return place.page_of(entries[place.offset : place.offset + place.limit], len(entries), _told)


@router.get("/buckets/{bucket_id}/files/{file_id}/entry", response_class=Response, responses=_ANSWERS)
async def download_entry(
    bucket_id: Id,
    file_id: Id,
    asker: TheReader,
    name: Annotated[str, Query(min_length=1, max_length=_LONGEST_NAME, description="As the list of entries has it.")],
) -> Response:
    """One file out of a zip; of several with the name the last. It breaks off where its CRC isn't that of the zip."""
    bucket = await asker.bucket(bucket_id)
    archive = await _open(asker, bucket, await asker.find(bucket, file_id))
    try:
        entry = await archive.find(name)
        if entry is None or entry.is_dir():
            raise NotFound("there is no such entry")
        pieces = archive.read(entry)
        first = await anext(pieces, b"")
    except BadArchive as error:
        raise Invalid(str(error)) from None
    headers = {"Content-Disposition": disposition(entry.filename), "Content-Length": str(entry.file_size)}
    headers |= {"Content-Type": type_of(first[:FIRST])}
    return Content(200, {**ALWAYS, **headers}, OpenContent(pieces=_with(first, pieces)))


async def _with(first: bytes, others: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(others):
        if first:
            yield first
        async for piece in others:
            yield piece


async def _open(asker: Asker, bucket: Bucket, found: Input) -> StoredZip:
    """Each range is asked for, and of the file as it is now."""
    version = await asker.head(bucket, **found)

    async def fetch(offset: int, length: int) -> bytes:
        of_range = {**found, "Range": f"bytes={offset}-{offset + length - 1}", "IfMatch": f'"{version.etag}"'}
        body: OpenContent = (await asker.perform(asker.call("GetObject", bucket, **of_range)))["Body"]
        if body.whole is not None:
            return body.whole
        async with aclosing(body):
            return b"".join([bytes(piece) async for piece in body])

    return StoredZip(version.size, fetch)


def _told(entry: ZipInfo) -> ZipEntry:
    try:
        at = datetime(*entry.date_time, tzinfo=UTC)
    except ValueError:
        at = None
    return ZipEntry(
        name=entry.filename,
        size=entry.file_size,
        compressed_size=entry.compress_size,
        modified_at=at,
        is_folder=entry.filename.endswith("/"),  # `is_dir` can't be asked of one without a name
        is_encrypted=bool(entry.flag_bits & 1),
    )
