"""Buckets as the JSON API knows them: by their ids, with what is set for them, and how much is in them.

What S3 has a name for is asked for as S3 asks for it, and done by the same code.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from s3gw.access.parse import parse_bucket_policy
from s3gw.accounts import jobs, measured_storage
from s3gw.accounts.etags import etag_of as hashed
from s3gw.accounts.etags import require_match
from s3gw.accounts.grants import find_bucket
from s3gw.accounts.login import Caller
from s3gw.accounts.origin import Origin
from s3gw.accounts.public_bucket import set_public
from s3gw.errors import AccessDenied, InvalidBucketName, MalformedPolicy
from s3gw.metadata import (
    allowed_types,
    bucket_lists,
    buckets,
    configurations,
    cors,
    deleted_buckets,
    quotas,
    usage,
)
from s3gw.metadata.asked_jobs import AskedJob
from s3gw.metadata.bucket_lists import Scope, Told, Wanted
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.change import BucketLock, Change
from s3gw.metadata.database import Connection
from s3gw.metadata.deleted_buckets import DeletedBucket
from s3gw.metadata.quotas import PrefixQuota
from s3gw.metadata.storage_reports import Report
from s3gw.metadata.usage import Usage
from s3gw.names import valid_bucket_name
from s3gw.operations.bucket_cors import check_rules
from s3gw.operations.bucket_policy import is_bucket_public
from s3gw.operations.buckets import create_new_bucket
from s3gw.operations.call import Call, Output
from s3gw.operations.empty_bucket import DELETE_FOR_GOOD, MAY_DELETE_BUCKET
from s3gw.operations.perform import perform
from s3gw.operations.table import OPERATIONS, Need, Row
from s3gw.problems import Conflict, Fault, Invalid, NotFound, PermissionDenied
from s3gw.scanning.setting import has_scanner
from s3gw.services import Services

# What a change of each field needs; quotas, which S3 has no action for, are its owner's and admins'. How long what is
# deleted is kept, and what files are taken, are settings beside which the next action of S3's is that of lifecycles.
_PUBLISH = ("s3:PutBucketPolicy", "s3:PutBucketPublicAccessBlock")
_ACTIONS: dict[str, tuple[str, ...]] = {
    "is_public": _PUBLISH,
    "storage_quota": (),
    "object_quota": (),
    "trash_seconds": ("s3:PutLifecycleConfiguration",),
    "versioning": ("s3:PutBucketVersioning",),
    "cors": ("s3:PutBucketCORS",),
    "allowed_types": ("s3:PutLifecycleConfiguration",),
    "scan_policy": (),
}
_OF_OWNERS = {"is_public", "storage_quota", "object_quota", "scan_policy"}
_STRICTNESS = ("off", "serve", "hold")


class Shown(NamedTuple):
    told: Told
    is_public: bool


class Storage(NamedTuple):
    """How much is in a bucket; `parts` are those of uploads that aren't completed."""

    used: Usage
    parts: int
    max_bytes: int | None
    max_objects: int | None
    prefixes: list[PrefixQuota]
    details: Report | None = None


def etag_of(told: Told) -> str:
    """Of what is set for it."""
    return hashed(told)


async def find(services: Services, caller: Caller, origin: Origin, wanted: str, *, by_name: bool = False) -> Shown:
    """Raises NotFound."""
    bucket, _ = await find_bucket(services, caller, origin, wanted, by_name=by_name)
    return await _shown(services, await services.database.read(bucket_lists.find, bucket.id))


async def page(
    services: Services, caller: Caller, origin: Origin, wanted: Wanted, after: str | None, offset: int, limit: int
) -> tuple[list[Shown], int]:
    """Of the caller's account and what was granted, as ListBuckets has it; for admins and auditors all."""
    scope = await _scope(services, caller, origin)
    if wanted.is_public is not None:
        candidates = await services.database.scan(bucket_lists.with_rules, scope)
        wanted = wanted._replace(public=[bucket.id for bucket in candidates if await _is_public(services, bucket)])
    found, total = await services.database.scan(bucket_lists.page, scope, wanted, after, offset, limit)
    return [await _shown(services, told) for told in found], total


async def _scope(services: Services, caller: Caller, origin: Origin) -> Scope:
    """Raises PermissionDenied where a policy forbids the list."""
    if caller.principal.sees_all:
        return Scope(None)
    call = _call(services, caller, origin, "ListBuckets", {})
    await perform(call, replace(OPERATIONS["ListBuckets"], handler=_nothing))
    granted = [id for id, found in call.identity.grants.items() if any(grant.holds(call.now) for grant in found)]
    return Scope("" if call.only_granted else caller.principal.account_owner_id, granted)


async def _nothing(call: Call, input: Any) -> Output:
    return {}


async def create(
    services: Services, caller: Caller, origin: Origin, name: str, trash_seconds: int, fields: Mapping[str, Any]
) -> Shown:
    """In the caller's account, with `fields` set from the beginning. Raises Conflict where the name is taken."""
    call = _call(services, caller, origin, "CreateBucket", {"Bucket": name})
    row = OPERATIONS["CreateBucket"]
    more = tuple(Need(action, "new bucket") for action in _PUBLISH) if fields.get("is_public") else ()
    made: list[Told] = []

    async def handle(call: Call, input: Any) -> Output:
        made.append(await create_new_bucket(call, input, trash_seconds, partial(_set, fields=fields)))
        return {}

    try:
        await perform(call, replace(row, handler=handle, needs=row.needs + more))
    except InvalidBucketName as error:
        raise Invalid(error.message, faults=[Fault("name", "isn't one that a bucket may have")]) from None
    return await _shown(services, made[0])


async def update(
    services: Services,
    caller: Caller,
    origin: Origin,
    bucket_id: str,
    fields: Mapping[str, Any],
    if_match: str | None,
) -> Shown:
    """All of it or nothing. Raises NotFound, PermissionDenied, Invalid, Conflict and PreconditionFailed."""
    bucket, rights = await find_bucket(services, caller, origin, bucket_id)
    if (not fields or fields.keys() & _OF_OWNERS) and not rights.is_owners:
        raise PermissionDenied("only its owner and admins may set this")
    check_rules(fields.get("cors") or ())
    _require_strict(services, caller, fields.get("scan_policy"))
    needs = tuple(Need(action, "bucket") for field in fields for action in _ACTIONS[field])
    changed: list[Told] = []

    async def handle(call: Call, input: Any) -> Output:
        changed.append(await call.change([call.bucket_lock], _set, fields=fields, if_match=if_match))
        return {}

    row = Row(handle, needs or (Need("s3:PutBucketPolicy", "bucket"),), room="some" if "cors" in fields else "none")
    await _on_bucket(services, caller, origin, bucket, "", row)
    return await _shown(services, changed[0])


def _require_strict(services: Services, caller: Caller, policy: str | None) -> None:
    """Raises Invalid where nobody could scan, and PermissionDenied where less would be than the server has."""
    if policy is None:
        return
    settings = services.settings
    if policy != "off" and not has_scanner(settings):
        raise Invalid("the server has no virus scanner", faults=[Fault("scan_policy", "there is nothing to scan with")])
    is_less = _STRICTNESS.index(policy) < _STRICTNESS.index(settings.scan)
    if is_less and caller.principal.role != "admin":
        raise PermissionDenied("only an admin may have less scanned than the server has")


def _set(change: Change, fields: Mapping[str, Any], if_match: str | None = None) -> Told:
    change.lock_bucket_exclusively()
    told = bucket_lists.find(change.conn, change.bucket_id)
    require_match(if_match, etag_of(told))
    if fields.keys() & {"storage_quota", "object_quota"}:
        most = fields.get("storage_quota", told.max_bytes), fields.get("object_quota", told.max_objects)
        _require_within_owners(change.conn, change.bucket_id, fields)
        configurations.set_quota(change, *most)
    for field, steps in _STEPS.items():
        if field in fields:
            steps(change, told.bucket, fields[field])
    return bucket_lists.find(change.conn, change.bucket_id)


def _require_within_owners(conn: Connection, bucket_id: int, fields: Mapping[str, Any]) -> None:
    state = buckets.state_of(conn, bucket_id)
    assert state is not None, "it is locked"
    of_owner = {"storage_quota": state.owner_max_bytes, "object_quota": state.owner_max_objects}
    faults = [
        Fault(field, f"the bucket's owner may have no more than {most}")
        for field, most in of_owner.items()
        if most is not None and (fields.get(field) or 0) > most
    ]
    if faults:
        raise Invalid("the quota is more than the bucket's owner may have", faults=faults)


def _set_public(change: Change, bucket: Bucket, wanted: bool) -> None:
    set_public(change, bucket, wanted)


def _set_versioning(change: Change, bucket: Bucket, wanted: str) -> None:
    configurations.set_versioning(change, wanted)


def _set_trash_seconds(change: Change, bucket: Bucket, wanted: int) -> None:
    configurations.set_trash_seconds(change, wanted)


def _set_cors(change: Change, bucket: Bucket, rules: list[dict[str, Any]]) -> None:
    if rules:
        configurations.put(change, cors.KIND, {"CORSRules": rules})
    else:
        configurations.remove(change, cors.KIND)


def _set_allowed_types(change: Change, bucket: Bucket, patterns: list[str]) -> None:
    if patterns:
        configurations.put(change, allowed_types.KIND, patterns)
    else:
        configurations.remove(change, allowed_types.KIND)


def _set_scan_policy(change: Change, bucket: Bucket, policy: str | None) -> None:
    configurations.set_scan_policy(change, policy)


_STEPS: dict[str, Callable[[Change, Bucket, Any], None]] = {
    "is_public": _set_public,
    "versioning": _set_versioning,
    "trash_seconds": _set_trash_seconds,
    "cors": _set_cors,
    "allowed_types": _set_allowed_types,
    "scan_policy": _set_scan_policy,
}


async def delete(services: Services, caller: Caller, origin: Origin, bucket_id: str, for_good: bool) -> None:
    """One in which nothing is; `for_good` also one that was deleted before. Raises BucketNotEmpty."""
    row = OPERATIONS["DeleteBucket"]
    deleted = await services.database.scan(deleted_buckets.find, bucket_id) if for_good else None
    if deleted is not None:
        await _on_deleted(services, caller, origin, deleted, replace(row, handler=_drop))
        return
    bucket, _ = await find_bucket(services, caller, origin, bucket_id)
    row = DELETE_FOR_GOOD if for_good else row
    await _on_bucket(services, caller, origin, bucket, "DeleteBucket", row)


async def restore(services: Services, caller: Caller, origin: Origin, bucket_id: str, name: str | None) -> Shown:
    """By who may delete it, under the name that it had or another one. Raises NotFound, Conflict and Invalid."""
    deleted = await services.database.scan(deleted_buckets.find, bucket_id)
    if deleted is None:
        raise NotFound("there is no such bucket")
    wanted = deleted.bucket.name if name is None else name
    if not valid_bucket_name(wanted):
        raise Invalid("no bucket may have this name", faults=[Fault("name", "isn't one that a bucket may have")])

    async def handle(call: Call, input: Any) -> Output:
        await call.change([call.bucket_lock, BucketLock(wanted)], _restore, deleted.bucket.name, wanted)
        return {}

    await _on_deleted(services, caller, origin, deleted, replace(OPERATIONS["DeleteBucket"], handler=handle))
    return await _shown(services, await services.database.read(bucket_lists.find, deleted.bucket.id))


def _restore(change: Change, before: str, name: str) -> None:
    """Its policy names it: under another name what it denies would be denied no more."""
    deleted_buckets.restore(change, name)
    policy = configurations.find(change.conn, change.bucket_id, "Policy")
    if name == before or policy is None:
        return
    renamed = re.sub(rf"(arn:aws:s3:::){re.escape(before)}(?![a-z0-9.-])", rf"\g<1>{name}", policy)
    try:
        parse_bucket_policy(renamed, name)
    except MalformedPolicy:
        raise Conflict("its policy is about its name: restore it under that") from None
    configurations.put(change, "Policy", renamed)


async def _drop(call: Call, input: Any) -> Output:
    with suppress(NotFound):  # the last step has left nothing
        while await call.change([call.bucket_lock], deleted_buckets.drop_for_good):
            pass
    return {}


async def _on_deleted(services: Services, caller: Caller, origin: Origin, deleted: DeletedBucket, row: Row) -> None:
    """Raises NotFound for who isn't its owner, as nobody else was left anything of it."""
    principal, owner_id = caller.principal, deleted.bucket.owner_id
    if principal.account_owner_id != owner_id and not principal.sees_all:
        raise NotFound("there is no such bucket")
    await _on_bucket(services, caller, origin, deleted.bucket, "DeleteBucket", row)


async def delete_with_all(services: Services, caller: Caller, origin: Origin, bucket_id: str) -> AskedJob:
    """By a job, for who may delete it. Asked again while that isn't done, it is the same job."""
    bucket, _ = await find_bucket(services, caller, origin, bucket_id)
    await _on_bucket(services, caller, origin, bucket, "DeleteBucket", MAY_DELETE_BUCKET)
    asked = {"bucket_id": bucket_id}
    return await jobs.ask(
        services, caller, origin, "delete_bucket", asked, bucket.name, singleton=f"delete_bucket/{bucket_id}"
    )


async def storage_of(services: Services, caller: Caller, origin: Origin, bucket_id: str, with_details: bool) -> Storage:
    """For who may list all of it. Raises NotFound and PermissionDenied."""
    bucket = await _measurable(services, caller, origin, bucket_id)
    told = await services.database.scan(_storage_of, bucket.id)
    if with_details:
        return told._replace(details=await measured_storage.report_of(services.database, bucket, _is_of_all(caller)))
    return told


async def storages_of(
    services: Services, caller: Caller, origin: Origin, found: Sequence[Shown]
) -> list[Storage | None]:
    """Of each of a page; None of those that are deleted, and where the caller may not list all of it."""
    of_page = [shown.told for shown in found if shown.told.deleted_at is None]
    seen = [told for told in of_page if await _may_measure(services, caller, origin, told.bucket)]
    known = await services.database.scan(_storages, seen)
    return [known.get(shown.told.bucket.id) for shown in found]


async def _may_measure(services: Services, caller: Caller, origin: Origin, bucket: Bucket) -> bool:
    try:
        await _require_measurable(services, caller, origin, bucket)
    except (AccessDenied, PermissionDenied):
        return False
    return True


async def measure(services: Services, caller: Caller, origin: Origin, bucket_id: str) -> AskedJob:
    """By a job, for who may see it. Asked again while that isn't done, it is the same job."""
    bucket, is_of_all = await _measurable(services, caller, origin, bucket_id), _is_of_all(caller)
    asked = {"bucket_id": bucket_id, "is_of_all": is_of_all}
    singleton = f"measure_storage/{caller.principal.user_id}/{bucket_id}"
    return await jobs.ask(services, caller, origin, "measure_storage", asked, bucket.name, singleton=singleton)


async def _measurable(services: Services, caller: Caller, origin: Origin, bucket_id: str) -> Bucket:
    bucket, _ = await find_bucket(services, caller, origin, bucket_id)
    await _require_measurable(services, caller, origin, bucket)
    return bucket


async def _require_measurable(services: Services, caller: Caller, origin: Origin, bucket: Bucket) -> None:
    """Raises AccessDenied and PermissionDenied."""
    if not caller.principal.sees_all:
        row = replace(OPERATIONS["ListObjectVersions"], handler=_nothing)
        await _on_bucket(services, caller, origin, bucket, "ListObjectVersions", row)


def _is_of_all(caller: Caller) -> bool:
    """Whether what he is told is reckoned with everybody's buckets: what others have in common is only an admin's
    business.
    """
    return caller.principal.role == "admin"


def _storage_of(conn: Connection, bucket_id: int) -> Storage:
    return _storages(conn, [bucket_lists.find(conn, bucket_id)])[bucket_id]


def _storages(conn: Connection, found: Sequence[Told]) -> dict[int, Storage]:
    """By the ids of the buckets."""
    limits = {told.bucket.id: (told.max_bytes, told.max_objects) for told in found}
    used, parts = usage.of_buckets(conn, limits), usage.parts_of(conn, limits)
    prefixes = quotas.of_prefixes_of_each(conn, limits)
    return {id: Storage(used[id], parts.get(id, 0), *most, prefixes.get(id, [])) for id, most in limits.items()}


async def _on_bucket(
    services: Services, caller: Caller, origin: Origin, bucket: Bucket, operation: str, row: Row
) -> None:
    """Perform it on a bucket that was found before. Raises PermissionDenied."""
    call = _call(services, caller, origin, operation, {"Bucket": bucket.name}, bucket)
    await perform(call, row)
    if call.only_granted:
        raise PermissionDenied("only who may list all of the bucket may see this")


def _call(
    services: Services,
    caller: Caller,
    origin: Origin,
    operation: str,
    input: dict[str, Any],
    bucket: Bucket | None = None,
) -> Call:
    now = time.time_ns() // 1000
    return Call(
        services,
        caller.principal,
        input,
        origin.request_id,
        now,
        bucket=bucket,
        context=origin.context,
        door="api",
        operation=operation,
    )


async def _shown(services: Services, told: Told) -> Shown:
    return Shown(told, await _is_public(services, told.bucket))


async def _is_public(services: Services, bucket: Bucket) -> bool:
    known = services.known_rules
    key = bucket.id, bucket.rules_revision, bucket.account_public_access_block
    return is_bucket_public(known.of_buckets.get(key) or await known.read_bucket(bucket))
