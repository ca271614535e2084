"""DeleteObject and DeleteObjects."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from s3gw.errors import MalformedXML, NoSuchVersion, S3Error
from s3gw.metadata import objects
from s3gw.metadata.change import Change, Check
from s3gw.metadata.objects import ObjectVersion, Precondition, Stored
from s3gw.names import check_key_length
from s3gw.operations.call import Call, Output
from s3gw.operations.preconditions import for_delete

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import DeleteObjectRequestTypeDef, DeleteObjectsRequestTypeDef

# So many are deleted in one transaction; other writers get their turn between two.
_BATCH = 100
_TURN = 0.005  # seconds
# Of an entry → what DeleteObject calls it, and conditions of policies ask for.
_MEMBERS = {"VersionId": "VersionId", "ETag": "IfMatch"}


async def delete_object(call: Call, input: DeleteObjectRequestTypeDef) -> Output:
    key, version_id = input["Key"], input.get("VersionId")
    precondition = for_delete(
        version_id,
        input.get("IfMatch"),
        input.get("IfMatchLastModifiedTime"),  # type: ignore[arg-type]  # decoded to datetime
        input.get("IfMatchSize"),
    )
    stored = await call.change([call.key_lock(key)], _delete, key, version_id, precondition)
    return {"VersionId": stored.version_id, "DeleteMarker": stored.is_delete_marker or None}


def _delete(change: Change, key: str, version_id: str | None, precondition: Precondition | None) -> Stored:
    if version_id is None:
        return objects.delete_latest(change, key, precondition)
    return objects.delete_version(change, key, version_id, precondition)


async def delete_objects(call: Call, input: DeleteObjectsRequestTypeDef) -> Output:
    entries = list(input["Delete"]["Objects"])
    if not entries or not all(entry["Key"] for entry in entries):
        raise MalformedXML()
    plans = await _plans(call, entries)
    deleted: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for start in range(0, len(entries), _BATCH):
        batch = entries[start : start + _BATCH]
        locks = [call.key_lock(entry["Key"]) for entry in batch]
        outcomes = await call.change(locks, _delete_batch, plans[start : start + _BATCH])
        for entry, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, S3Error):
                errors.append(_error(entry, outcome))
            else:
                deleted.append(_deleted(entry, outcome))
    output: Output = {"Errors": errors}
    if not input["Delete"].get("Quiet"):
        output["Deleted"] = deleted
    return output


class _Plan(NamedTuple):
    key: str
    version_id: str | None
    precondition: Precondition | None


def _delete_batch(change: Change, batch: Sequence[_Plan | S3Error]) -> list[Stored | S3Error]:
    """Each entry on its own: a refused one changes nothing and doesn't hinder the others."""
    outcomes: list[Stored | S3Error] = []
    for plan in batch:
        try:
            outcomes.append(plan if isinstance(plan, S3Error) else _delete(change, *plan))
        except S3Error as error:
            outcomes.append(error)
    return outcomes


async def _plans(call: Call, entries: Sequence[Any]) -> list[_Plan | S3Error]:
    """A policy can take milliseconds for each of a thousand entries: other requests get their turns between two."""
    plans: list[_Plan | S3Error] = []
    began_at = time.perf_counter()
    for entry in entries:
        plans.append(_plan(call, entry))
        if time.perf_counter() - began_at > _TURN:
            await asyncio.sleep(0)
            began_at = time.perf_counter()
    return plans


def _plan(call: Call, entry: Any) -> _Plan | S3Error:
    """What is to be done for an entry, or the error that its answer gets."""
    try:
        return _checked(call, entry)
    except S3Error as error:
        return error


def _checked(call: Call, entry: Any) -> _Plan:
    key, version_id = entry["Key"], entry.get("VersionId")
    assert call.may is not None, "the operation's row has a need on keys"
    check = call.may(key, {_MEMBERS[name]: entry[name] for name in _MEMBERS if name in entry})
    check_key_length(key, call.services.settings.max_key)
    if version_id is not None and not objects.is_version_id(version_id):
        raise NoSuchVersion()  # not InvalidArgument, an error of the whole request
    precondition = for_delete(version_id, entry.get("ETag"), entry.get("LastModifiedTime"), entry.get("Size"))
    if precondition is None or "ETag" not in entry:
        return _Plan(key, version_id, precondition)
    return _Plan(key, version_id, partial(_check_and_compare, check, precondition))


def _check_and_compare(check: Check, precondition: Precondition, found: ObjectVersion | None) -> None:
    check(None if found is None or found.is_delete_marker else found)
    precondition(found)


def _deleted(entry: Any, stored: Stored) -> dict[str, Any]:
    """AWS tells apart the version that was deleted and the delete marker that was made or deleted."""
    result: dict[str, Any] = {"Key": entry["Key"]}
    if "VersionId" in entry:
        result["VersionId"] = entry["VersionId"]
    if stored.is_delete_marker:
        result["DeleteMarker"] = True
        result["DeleteMarkerVersionId"] = stored.version_id
    return result


def _error(entry: Any, error: S3Error) -> dict[str, Any]:
    result = {"Key": entry["Key"], "Code": error.code, "Message": error.message}
    if "VersionId" in entry:
        result["VersionId"] = entry["VersionId"]
    return result
