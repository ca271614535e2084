"""What the virus scanner found, as admins see it: which contents, what has them, letting one through, deleting it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from s3gw.accounts.login import Caller
from s3gw.accounts.origin import Origin
from s3gw.errors import AccessDenied, NoSuchKey, NoSuchVersion
from s3gw.metadata import audit, buckets, scan_jobs, scans
from s3gw.metadata.audit import Actor
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import Connection
from s3gw.metadata.scans import INFECTED, PENDING, UNSCANNABLE, Scan, ScannedObject, State
from s3gw.operations.call import Call
from s3gw.operations.perform import perform
from s3gw.operations.table import OPERATIONS
from s3gw.problems import Conflict, NotFound
from s3gw.services import Services

SHOWN = 10  # objects of a content, in lists
_AT_ONCE = 100  # objects that one request deletes
_RELEASABLE = (PENDING, INFECTED, UNSCANNABLE)


class Named(NamedTuple):
    """An object that has the content."""

    bucket_id: str
    bucket: str
    found: ScannedObject


class Shown(NamedTuple):
    scan: Scan
    objects: Sequence[Named]


class Status(NamedTuple):
    """`policy` is the server's, None where it has no scanner. `failing`: why that can't be asked; `version`: with which
    all was scanned the last time.
    """

    counts: dict[str, int]
    policy: str | None
    failing: str | None
    version: str | None


class Deleted(NamedTuple):
    """`refused`: those that a rule keeps; `is_truncated`: more may be deleted if it is asked for again."""

    deleted: int
    refused: int
    is_truncated: bool


def status(conn: Connection) -> Status:
    return Status(scans.counts(conn), *(scans.remembered(conn, name) for name in ("policy", "failing", "version")))


def page(conn: Connection, state: State | None, after: bytes, offset: int, limit: int) -> tuple[list[Shown], int]:
    """In the order of their digests, behind one."""
    found, total = scans.page(conn, state, after, offset, limit)
    with_objects = [(scan, scans.objects_of(conn, scan.digest, SHOWN)) for scan in found]
    there = buckets.of_ids(conn, {each.bucket_id for _, objects in with_objects for each in objects})
    return [
        Shown(
            scan,
            [
                Named(there[each.bucket_id].uuid, there[each.bucket_id].bucket.name, each)
                for each in objects
                if each.bucket_id in there
            ],
        )
        for scan, objects in with_objects
    ], total


def find(conn: Connection, digest: bytes) -> Scan:
    """Raises NotFound."""
    found = scans.find(conn, digest)
    if found is None:
        raise NotFound("there is no such content")
    return found


def release(conn: Connection, actor: Actor, digest: bytes) -> Scan:
    """Let it and all of the same bytes be read, whatever is found in it later. Raises NotFound and Conflict."""
    scan = find(conn, digest)
    if scan.state not in _RELEASABLE:
        raise Conflict(f"it is {scan.state}: nobody is kept from reading it")
    scans.release(conn, scan)
    scan_jobs.ask_for_scans(conn)  # which tells it
    before = {"state": scan.state, "threat": scan.threat}
    audit.record(conn, actor, "scan.release", "content", digest.hex(), before, {"state": scans.RELEASED})
    return find(conn, digest)


async def delete(services: Services, caller: Caller, origin: Origin, digest: bytes) -> Deleted:
    """The versions that have an infected content, a hundred at most, for good. Raises NotFound and Conflict."""
    scan = await services.database.scan(find, digest)
    if scan.state != INFECTED:
        raise Conflict(f"it is {scan.state}: only what is infected is deleted so")
    found = await services.database.scan(scans.objects_of, digest, _AT_ONCE + 1)
    there = await services.database.scan(buckets.of_ids, {each.bucket_id for each in found})
    deleted = refused = 0
    for each in found[:_AT_ONCE]:
        if each.bucket_id in there and await _delete(services, caller, origin, there[each.bucket_id].bucket, each):
            deleted += 1
        else:
            refused += 1
    await services.database.write(_record, caller.actor, scan, deleted)
    return Deleted(deleted, refused, deleted > 0 and len(found) > _AT_ONCE)


async def _delete(services: Services, caller: Caller, origin: Origin, bucket: Bucket, found: ScannedObject) -> bool:
    input = {"Bucket": bucket.name, "Key": found.key, "VersionId": found.version_id}
    call = Call(services, caller.principal, input, origin.request_id, time.time_ns() // 1000)
    call.bucket, call.context, call.door, call.operation = bucket, origin.context, "api", "DeleteObject"
    try:
        await perform(call, OPERATIONS["DeleteObject"])
    except (NoSuchKey, NoSuchVersion):
        pass
    except AccessDenied:
        return False
    await services.database.write(scans.forget, found.bucket_id, found.key, found.version_id)
    return True


def _record(conn: Connection, actor: Actor, scan: Scan, deleted: int) -> None:
    before, after = {"state": scan.state, "threat": scan.threat}, {"deleted": deleted}
    audit.record(conn, actor, "scan.delete", "content", scan.digest.hex(), before, after)
