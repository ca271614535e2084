"""Listing files: the ListObjectsV2 of S3, a page at a time, with what else is told of a file where it may be read."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query

from s3gw.api.file_calls import Asker, TheAsker
from s3gw.api.file_models import File, Files
from s3gw.api.found_files import TheWanted, filtered
from s3gw.api.models import MOST_PER_PAGE, Id
from s3gw.api.pages import Place, ThePlace, too_far
from s3gw.api.route import Route
from s3gw.api.trash import trash_page
from s3gw.metadata import files, usage
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.file_filters import Wanted
from s3gw.metadata.files import MOST_COUNTED
from s3gw.metadata.grants import LONGEST_PATH
from s3gw.operations.call import Input
from s3gw.operations.files import DESCRIBE_FILES
from s3gw.problems import Fault, Invalid

router = APIRouter(tags=["files"], route_class=Route)
_TEXT = r"^[^\x00]*$"  # PostgreSQL's has no NUL


class _Found(NamedTuple):
    keys: list[str]
    folders: list[str]
    next_token: str | None


@router.get("/buckets/{bucket_id}/files")
async def list_files(
    bucket_id: Id,
    place: ThePlace,
    asker: TheAsker,
    wanted: TheWanted,
    prefix: Annotated[str, Query(max_length=LONGEST_PATH, pattern=_TEXT, description="Only what begins with it.")] = "",
    delimiter: Annotated[
        str,
        Query(max_length=LONGEST_PATH, pattern=_TEXT, description="Usually `/`: what is below a folder is left out."),
    ] = "",
    deleted: Annotated[
        bool, Query(description="What is in the trash instead, the last deleted first; without a delimiter.")
    ] = False,
    counted: Annotated[
        bool,
        Query(description="Whether `total` is counted, for which up to 10000 files are read; else it is a bound."),
    ] = True,
) -> Files:
    """In the order of their paths. Pages that are far behind have a cursor and no number. With a filter (`type` to
    `metadata`) no folders are told, and with a delimiter files of this folder alone; a page ends after 10000 files that
    were looked at, be it full or not, and its cursor goes on.
    """
    bucket = await asker.bucket(bucket_id)
    if wanted != Wanted():
        if deleted:
            raise Invalid("the trash has no filters", faults=(Fault("deleted", "isn't for filters"),))
        return await filtered(asker, bucket, bucket_id, place, prefix, delimiter, wanted)
    if deleted:
        return await _trash(asker, bucket, bucket_id, place, prefix, delimiter)
    within: Input = {"Prefix": prefix, "Delimiter": delimiter} if delimiter else {"Prefix": prefix}
    found = await _page(asker, bucket, place, within)
    items: list[File] = []
    if found.keys:
        call = asker.call("GetObject", bucket, Keys=found.keys)
        told = await asker.perform(call, DESCRIBE_FILES)
        items = await asker.tell(bucket, bucket_id, told["Versions"], told["Readable"])
    if not counted:
        return _uncounted(place, found, items)
    total = await _total(asker, bucket, prefix, delimiter)
    return Files(
        items=items,
        folders=found.folders,
        total=min(total, MOST_COUNTED) if prefix or delimiter else total,
        total_is_lower_bound=bool(prefix or delimiter) and total > MOST_COUNTED,
        page=place.page,
        per_page=place.per_page,
        next_cursor=None if found.next_token is None else place.cursor(found.next_token),
    )


def _uncounted(place: Place, found: _Found, items: list[File]) -> Files:
    """`total` is of what this page has and the pages before it by number, of which there may be more."""
    before = place.offset if place.after is None else 0
    return Files(
        items=items,
        folders=found.folders,
        total=before + len(items) + len(found.folders),
        total_is_lower_bound=place.after is not None or found.next_token is not None,
        page=place.page,
        per_page=place.per_page,
        next_cursor=None if found.next_token is None else place.cursor(found.next_token),
    )


async def _trash(asker: Asker, bucket: Bucket, bucket_id: str, place: Place, prefix: str, delimiter: str) -> Files:
    if delimiter:
        raise Invalid("the trash has no folders", faults=(Fault("delimiter", "isn't for the trash"),))
    found = await trash_page(asker, bucket, bucket_id, place, prefix)
    return Files(
        items=found.items,
        folders=[],
        total=found.total,
        total_is_lower_bound=found.is_lower_bound,
        page=place.page,
        per_page=place.per_page,
        next_cursor=found.next_cursor,
    )


async def _page(asker: Asker, bucket: Bucket, place: Place, within: Input) -> _Found:
    token = place.after
    left = place.offset if token is None else 0
    if left + place.per_page > MOST_COUNTED:
        raise too_far(MOST_COUNTED)
    while left:
        passed = await _list(asker, bucket, within, min(left, MOST_PER_PAGE), token)
        token, left = passed.next_token, left - len(passed.keys) - len(passed.folders)
        if token is None:
            return _Found([], [], None)
    return await _list(asker, bucket, within, place.per_page, token)


async def _list(asker: Asker, bucket: Bucket, within: Input, limit: int, token: str | None) -> _Found:
    after = {} if token is None else {"ContinuationToken": token}
    output = await asker.perform(asker.call("ListObjectsV2", bucket, **within, MaxKeys=limit, **after))
    keys = [row[0] for row in output["Contents"].rows]
    return _Found(keys, list(output["CommonPrefixes"].prefixes), output.get("NextContinuationToken"))


async def _total(asker: Asker, bucket: Bucket, prefix: str, delimiter: str) -> int:
    """Of all files it is known, of others counted."""
    scan = asker.services.database.scan
    if prefix or delimiter:
        return await scan(files.count, bucket.id, prefix, delimiter)
    return (await scan(usage.of_bucket, bucket.id)).objects
