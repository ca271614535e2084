"""Files that are looked for: filtered lists, and search by words; a page at a time, with bounded work for each.

A page that looked at as many files as one may ends there, whether it is full or not, and its cursor goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from s3gw.api.file_calls import Asker, TheAsker
from s3gw.api.file_models import File, Files
from s3gw.api.models import Id, Moment, stored_moment
from s3gw.api.pages import Place, ThePlace, not_a_cursor, too_far
from s3gw.api.route import Route
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.file_filters import Wanted
from s3gw.metadata.files import MOST_COUNTED
from s3gw.metadata.grants import LONGEST_PATH
from s3gw.metadata.objects import ObjectVersion
from s3gw.metadata.search import words_of
from s3gw.operations.files import READ_EACH, TAGS_OF_EACH
from s3gw.operations.found_files import FILTER_FILES, SEARCH_FILES, Match, has_words
from s3gw.problems import Fault, Invalid

router = APIRouter(tags=["files"], route_class=Route)
_TEXT = r"^[^\x00]*$"  # PostgreSQL's has no NUL
_LARGEST = 2**63 - 1
_JUDGED = 2000  # files of which rules are asked whether they may be read, for one page
Size = Annotated[int | None, Query(ge=0, le=_LARGEST, description="In bytes, this one among them.")]
Pairs = Annotated[
    list[Annotated[str, Query(min_length=1, max_length=3072, pattern=_TEXT)]],
    Query(max_length=10, description="`name=value`, or `name` with any value; of several all."),
]


async def wanted_of(
    type_: Annotated[
        str | None, Query(alias="type", max_length=255, pattern=_TEXT, description="`image/png`, or `image/*`.")
    ] = None,
    min_size: Size = None,
    max_size: Size = None,
    changed_after: Annotated[Moment | None, Query(description="This moment not among them.")] = None,
    changed_before: Annotated[Moment | None, Query(description="This moment not among them.")] = None,
    owner_id: Annotated[UUID | None, Query(description="Only files of this user.")] = None,
    tag: Pairs = [],  # noqa: B006  (never changed)
    metadata: Pairs = [],  # noqa: B006
) -> Wanted:
    owner = None if owner_id is None else str(owner_id)
    times = stored_moment(changed_after), stored_moment(changed_before)
    of_metadata = tuple((name.lower(), value) for name, value in map(_pair, metadata))
    return Wanted(type_, min_size, max_size, *times, owner, tuple(map(_pair, tag)), of_metadata)


TheWanted = Annotated[Wanted, Depends(wanted_of)]


def _pair(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    return name, value if equals else None


class _Behind(NamedTuple):
    """Where a page begins: behind `place`, with so many found `before` it and so many of those behind it to `skip`."""

    before: int = 0
    skip: int = 0
    place: str = ""

    def __str__(self) -> str:
        return f"{self.before}:{self.skip}:{self.place}"


def _behind(place: Place) -> _Behind:
    if place.after is None:
        if place.offset + place.per_page > MOST_COUNTED:
            raise too_far(MOST_COUNTED)
        return _Behind(0, place.offset)
    before, _, rest = place.after.partition(":")
    skip, _, behind = rest.partition(":")
    for number in (before, skip):
        if not (number.isascii() and number.isdigit() and len(number) <= 18):
            raise not_a_cursor()
    return _Behind(int(before), int(skip), behind)


class _Placed(NamedTuple):
    """A file that was found, and what a page behind it begins with."""

    place: str
    version: ObjectVersion


async def filtered(
    asker: Asker, bucket: Bucket, bucket_id: str, place: Place, prefix: str, delimiter: str, wanted: Wanted
) -> Files:
    """Of the folder alone where there is a delimiter."""
    behind = _behind(place)
    asked: dict[str, Any] = {"Prefix": prefix, "MaxKeys": place.per_page, "After": behind.place, "Wanted": wanted}
    if delimiter:
        asked["Delimiter"] = delimiter
    output = await asker.perform(asker.call("ListObjectsV2", bucket, **asked), FILTER_FILES)
    found: list[ObjectVersion] = output["Found"]
    last: str | None = output["Last"]
    if (wanted.asks_content or wanted.tags) and len(found) > _JUDGED:
        found, last = found[:_JUDGED], found[_JUDGED - 1].key
    allowed = [True] * len(found)
    if wanted.asks_content:
        allowed = await _allowed(asker, bucket, found, is_tags=False)
    if wanted.tags:
        of_tags = await _allowed(asker, bucket, found, is_tags=True)
        allowed = [one and other for one, other in zip(allowed, of_tags, strict=True)]
    matches = [_Placed(each.key, each) for each, may in zip(found, allowed, strict=True) if may]
    return await _page(asker, bucket, bucket_id, place, behind, matches, last)


async def _allowed(asker: Asker, bucket: Bucket, versions: Sequence[ObjectVersion], *, is_tags: bool) -> list[bool]:
    operation, row = ("GetObjectTagging", TAGS_OF_EACH) if is_tags else ("GetObject", READ_EACH)
    call = asker.call(operation, bucket, Versions=versions, IsNamed=False)
    allowed: list[bool] = (await asker.perform(call, row))["Allowed"] if versions else []
    return allowed


async def _page(
    asker: Asker,
    bucket: Bucket,
    bucket_id: str,
    place: Place,
    behind: _Behind,
    matches: Sequence[_Placed],
    last: str | None,
) -> Files:
    shown = matches[behind.skip : behind.skip + place.per_page]
    items: list[File] = await asker.tell_each(bucket, bucket_id, [each.version for each in shown])
    following: _Behind | None = None
    if len(matches) > behind.skip + len(shown) and shown:
        following = _Behind(behind.before + behind.skip + len(shown), 0, shown[-1].place)
    elif last is not None:
        following = _Behind(behind.before + len(matches), max(behind.skip - len(matches), 0), last)
    total = behind.before + len(matches)
    return Files(
        items=items,
        folders=[],
        total=min(total, MOST_COUNTED),
        total_is_lower_bound=last is not None or total > MOST_COUNTED,
        page=place.page,
        per_page=place.per_page,
        next_cursor=None if following is None else place.cursor(str(following)),
    )


@router.get("/buckets/{bucket_id}/search")
async def search_files(
    bucket_id: Id,
    place: ThePlace,
    asker: TheAsker,
    q: Annotated[str, Query(min_length=1, max_length=200, pattern=_TEXT, description="Words, or beginnings of them.")],
    prefix: Annotated[str, Query(max_length=LONGEST_PATH, pattern=_TEXT, description="Only what begins with it.")] = "",
) -> Files:
    """Files that have all of the words in their paths, tags and metadata, those that came first before others; for who
    may list the bucket below the prefix. What tags and metadata say finds a file for who may read these.
    """
    bucket = await asker.bucket(bucket_id)
    words, behind = words_of(q), _behind(place)
    if not words:
        raise Invalid("there is no word in it", faults=(Fault("q", "has neither letters nor digits"),))
    if behind.place and not (behind.place.isascii() and behind.place.isdigit() and len(behind.place) <= 18):
        raise not_a_cursor()
    asked = {"Prefix": prefix, "MaxKeys": place.per_page, "After": int(behind.place or 0), "Words": words}
    output = await asker.perform(asker.call("ListObjectsV2", bucket, **asked), SEARCH_FILES)
    matches = await _known(asker, bucket, output["Found"], words)
    last = None if output["Last"] is None else str(output["Last"])
    return await _page(asker, bucket, bucket_id, place, behind, matches, last)


async def _known(asker: Asker, bucket: Bucket, found: Sequence[Match], words: Sequence[str]) -> list[_Placed]:
    """Those of which the caller may know that they have the words."""
    versions = [each.version for each in found]
    reads = await _allowed(asker, bucket, versions, is_tags=False)
    tags = await _allowed(asker, bucket, versions, is_tags=True)
    return [
        _Placed(str(each.id), each.version)
        for each, may, may_tags in zip(found, reads, tags, strict=True)
        if has_words(each.version, words, reads=may, reads_tags=may_tags)
    ]
