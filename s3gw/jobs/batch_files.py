"""Which files a batch is about, so many at a time: those that were named, what a query finds, or what is in the trash.

A query is asked as a list is: what it finds is told to who may list it, and what is told of an object alone (type,
metadata, tags) finds it for who may read that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from s3gw.jobs.batch_actions import Item, Order, Step
from s3gw.metadata import file_filters, files, objects, trash
from s3gw.metadata.database import Connection
from s3gw.metadata.file_filters import Wanted
from s3gw.metadata.objects import ObjectVersion
from s3gw.metadata.trash import Trashed
from s3gw.operations.files import READ_EACH, TAGS_OF_EACH
from s3gw.operations.found_files import FILTER_FILES
from s3gw.operations.perform import perform
from s3gw.operations.trash import LIST_TRASH

STEP = 100  # files, of which the rights are asked anew; a look with filters may find fewer
_LOOKED_AT = 2000  # by one look with filters

Look = Callable[[Step, Order, Any], Awaitable[tuple[list[Item], Any]]]


async def _named(step: Step, order: Order, cursor: int | None) -> tuple[list[Item], int | None]:
    begin = cursor or 0
    ids = [UUID(file_id).bytes for file_id in (order.files or ())[begin : begin + STEP]]
    found = await step.services.database.scan(_places, step.calls.bucket.id, ids)
    end = begin + len(ids)
    return found, end if end < len(order.files or ()) else None


def _places(conn: Connection, bucket_id: int, ids: Sequence[bytes]) -> list[Item]:
    items = []
    for file_id in ids:
        version = objects.find_file(conn, file_id)
        if version is not None and version.bucket_id != bucket_id:
            items.append(Item(file_id))
        elif version is not None:
            items.append(Item(file_id, version.key, version))
        else:
            items.append(Item(file_id, files.last_key(conn, bucket_id, file_id)))
    return items


async def _queried(step: Step, order: Order, cursor: str | None) -> tuple[list[Item], str | None]:
    wanted, calls = order.wanted, step.calls
    looked_at = STEP if wanted == Wanted() else _LOOKED_AT
    asked = {"Prefix": order.prefix, "After": cursor or "", "Wanted": order.wanted_now, "LookedAt": looked_at}
    output = await perform(calls.call("ListObjectsV2", **asked), FILTER_FILES)
    found: list[ObjectVersion] = output["Found"]
    last: str | None = output["Last"]
    if len(found) > STEP:
        found, last = found[:STEP], found[STEP - 1].key
    for is_asked, operation, row in (
        (wanted.asks_content, "GetObject", READ_EACH),
        (bool(wanted.tags), "GetObjectTagging", TAGS_OF_EACH),
    ):
        if is_asked and found:
            allowed = (await perform(calls.call(operation, Versions=found, IsNamed=False), row))["Allowed"]
            found = [each for each, may in zip(found, allowed, strict=True) if may]
    return [Item(each.file_id, each.key, each, is_listed=True) for each in found], last


async def _trashed(step: Step, order: Order, cursor: int | None) -> tuple[list[Item], int | None]:
    """Of each file that is deleted now what it was last."""
    asked = {"Prefix": order.prefix, "MaxKeys": STEP, "Before": cursor, "Offset": 0}
    output = await perform(step.calls.call("ListObjectsV2", **asked), LIST_TRASH)
    found: list[Trashed] = output["Trashed"]
    newest = await step.services.database.scan(_deleted, step.calls.bucket.id, found)
    return [Item(each.file_id, each.key, None, each, is_listed=True) for each in newest], output["Next"]


def _deleted(conn: Connection, bucket_id: int, found: Sequence[Trashed]) -> list[Trashed]:
    kept = []
    for each in found:
        if each.file_id is None or objects.find_file(conn, each.file_id) is not None:
            continue  # an earlier content of a file that is there
        newest = trash.find(conn, bucket_id, each.file_id)
        if newest is not None and newest.id == each.id:
            kept.append(each)
    return kept


async def count(step: Step, order: Order) -> int | None:
    """How many there will be, where that can be told before; None: where it can't."""
    if order.files is not None:
        return len(order.files)
    if order.source == "trash" or order.wanted != Wanted():
        return None
    return await step.services.database.scan(file_filters.count_below, step.calls.bucket.id, order.prefix)


LOOKS: dict[str, Look] = {"files": _named, "query": _queried, "trash": _trashed}
