"""A bucket is emptied, a step at a time, by who may delete it: each version and delete marker as DeleteObject of it.

S3 has no operation for it; a job asks for it (jobs/delete_bucket.py), and then for DeleteBucket, which sees to uploads
and trash. What a rule keeps the caller from deleting ends it: AccessDenied.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from s3gw.metadata import objects, ownership
from s3gw.metadata.change import Change, Check, KeyLock
from s3gw.metadata.ownership import Owned
from s3gw.operations.buckets import delete_bucket_for_good
from s3gw.operations.call import Call, Output
from s3gw.operations.table import OPERATIONS, Need, Row

STEP = 50  # versions that are deleted in one transaction; other writers get their turn between two
_TURN = 0.005  # seconds


async def empty_step(call: Call, input: Any) -> Output:
    """The next versions `After` one, or the first: how many went, and the last of them, None at the end."""
    bucket_id = call.the_bucket.id
    found: list[Owned] = await call.services.database.scan(ownership.versions_after, bucket_id, input["After"], STEP)
    checks = await _checks(call, found)
    locks = [KeyLock(bucket_id, version.key) for version in found]
    removed = await call.change(locks, _remove, found, checks) if found else 0
    return {"Removed": removed, "Last": found[-1] if len(found) == STEP else None}


async def _checks(call: Call, versions: Sequence[Owned]) -> list[Check]:
    """A policy can take milliseconds for each: it isn't asked within the transaction."""
    assert call.may is not None, "the row has needs on keys"
    checks: list[Check] = []
    began_at = time.perf_counter()
    for version in versions:
        checks.append(call.may(version.key, {"VersionId": version.version_id}))
        if time.perf_counter() - began_at > _TURN:
            await asyncio.sleep(0)
            began_at = time.perf_counter()
    return checks


def _remove(change: Change, versions: Sequence[Owned], checks: Sequence[Check]) -> int:
    change.lock_bucket()
    removed = 0
    for version, check in zip(versions, checks, strict=True):
        found = objects.find(change.conn, change.bucket_id, version.key, version.version_id)
        if found is not None:
            check(found)
            objects.delete_version(change, version.key, version.version_id)
            removed += 1
    return removed


async def _nothing(call: Call, input: Any) -> Output:
    return {}


MAY_DELETE_BUCKET = Row(_nothing, OPERATIONS["DeleteBucket"].needs)
DELETE_FOR_GOOD = replace(OPERATIONS["DeleteBucket"], handler=delete_bucket_for_good)
EMPTY_STEP = Row(empty_step, (Need("s3:DeleteObject", "keys", "s3:DeleteObjectVersion"),))
