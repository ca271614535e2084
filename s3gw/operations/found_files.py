"""Files that are looked for: by what they have, or by words. Each is asked for as ListObjectsV2 below the same prefix.

What was found is told only as far as the caller may know why: what a tag or metadata says of a file finds it for who
may read these.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from s3gw.metadata import file_filters, files, search
from s3gw.metadata.database import Connection
from s3gw.metadata.objects import ObjectVersion
from s3gw.operations.call import Call, Output
from s3gw.operations.table import OPERATIONS, Row

_FILTERED_AT_ONCE = 10_000  # files that one page looks at
_SEARCHED_AT_ONCE = 1000


async def filter_files(call: Call, input: Any) -> Output:
    place = input["Prefix"], input.get("Delimiter", ""), input["After"], input["Wanted"]
    most = input.get("LookedAt", _FILTERED_AT_ONCE)
    looked = await call.services.database.scan(file_filters.look, call.the_bucket.id, *place, most)
    return {"Found": looked.found, "Last": looked.last}


async def search_files(call: Call, input: Any) -> Output:
    asked = call.the_bucket.id, input["Words"], input["Prefix"], input["After"]
    found, last = await call.services.database.scan(_search, *asked)
    return {"Found": found, "Last": last}


class Match(NamedTuple):
    """`id` is its place in the order of pages."""

    id: int
    version: ObjectVersion


def _search(
    conn: Connection, bucket_id: int, words: Sequence[str], prefix: str, after: int
) -> tuple[list[Match], int | None]:
    """The index may be a little behind: what isn't there as it says is left out."""
    found = search.find(conn, bucket_id, words, prefix, after=after, limit=_SEARCHED_AT_ONCE)
    there = files.of_keys(conn, bucket_id, [each.key for each in found])
    matches = [
        Match(each.id, there[each.key])
        for each in found
        if each.key in there and there[each.key].file_id == each.file_id
    ]
    return matches, found[-1].id if len(found) == _SEARCHED_AT_ONCE else None


def has_words(version: ObjectVersion, words: Sequence[str], *, reads: bool, reads_tags: bool) -> bool:
    """Whether each of the words begins one that the caller may know of."""
    texts: list[str] = [version.key]
    if reads:
        texts += _flat(json.loads(version.user_metadata or "{}").items())
    if reads_tags:
        texts += _flat(json.loads(version.tags or "[]"))
    known = [word for text in texts for word in search.words_of(text)]
    return all(any(word.startswith(wanted) for word in known) for wanted in words)


def _flat(pairs: Iterable[Sequence[str]]) -> list[str]:
    return [text for pair in pairs for text in pair]


FILTER_FILES = Row(filter_files, OPERATIONS["ListObjectsV2"].needs)
SEARCH_FILES = Row(search_files, OPERATIONS["ListObjectsV2"].needs)
