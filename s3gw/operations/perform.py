"""How every operation is performed, whatever door it was asked for at: resolve, authorize, handle."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from s3gw.access.decide import Question, Resource, decide
from s3gw.errors import AccessDenied, InvalidBucketOwnerAWSAccountID, NoSuchBucket
from s3gw.metadata import buckets
from s3gw.metadata.buckets import Bucket
from s3gw.names import check_key_length
from s3gw.operations.call import Call, Output, Source
from s3gw.operations.copy_source import parse_copy_source
from s3gw.operations.facts import facts_of
from s3gw.operations.table import Need, Row

_ACCOUNT_ID = re.compile(r"[0-9]{12}")


async def perform(call: Call, row: Row) -> Output:
    """Give the members of the answer, as boto3 names them. Raises S3Error; nothing has happened then."""
    await _resolve(call, row)
    _authorize(call, row)
    if call.problem is not None:
        raise call.problem
    if call.document is not None:
        call.input |= await call.document.read()
    if row.room != "none":
        call.services.room.require((call.the_body.size or 0) if row.room == "body" else 0)
    return await row.handler(call, call.input)


async def _resolve(call: Call, row: Row) -> None:
    """Find the buckets that the call names, unless its door has found them already."""
    key, most = call.input.get("Key"), call.services.settings.max_key
    if key is not None and len(key) * 4 > most:  # bytes: a character of UTF-8 has four at most
        check_key_length(key, most)
    if row.is_in_bucket:
        call.bucket = await _bucket(call, call.bucket, call.input["Bucket"], "ExpectedBucketOwner")
    if row.has_source and "CopySource" in call.input:
        source = parse_copy_source(call.input["CopySource"])
        bucket = await _bucket(call, None, source.bucket, "ExpectedSourceBucketOwner")
        call.source = Source(bucket, source.key, source.version_id)


async def _bucket(call: Call, found: Bucket | None, name: str, owner_member: str) -> Bucket:
    expected = call.input.get(owner_member)
    if expected is not None and not _ACCOUNT_ID.fullmatch(expected):
        raise InvalidBucketOwnerAWSAccountID(f"{InvalidBucketOwnerAWSAccountID.default_message} [{expected}]")
    bucket = found or await call.services.database.read_shared(buckets.find, name)
    if bucket is None:
        raise NoSuchBucket(BucketName=name)
    if expected is not None and expected != bucket.owner_account_id:
        raise AccessDenied()
    return bucket


class _On(NamedTuple):
    """What a need is about: its resource, and whether the call names a version of it."""

    resource: Resource
    names_version: bool = False


def _in(bucket: Bucket, key: str | None = None) -> Resource:
    return Resource(bucket.name, bucket.owner_id, key)


_ON: Mapping[str, Callable[[Call], _On]] = {
    "service": lambda call: _On(Resource()),
    "bucket": lambda call: _On(_in(call.the_bucket)),
    "object": lambda call: _On(_in(call.the_bucket, call.input["Key"]), "VersionId" in call.input),
    "source": lambda call: _On(
        _in(call.the_source.bucket, call.the_source.key), call.the_source.version_id is not None
    ),
}


def _authorize(call: Call, row: Row) -> None:
    """Ask for each of the operation's needs. Those on keys are asked for by the handler, through `call.may`."""
    for need in row.needs:
        if need.on == "keys":
            call.may = partial(_may, call, need)
            if call.principal.is_anonymous:
                raise AccessDenied()
        elif need.on == "source" and call.source is None:
            assert call.problem is not None, "a copy names its source"
        elif need.member is None or need.member in call.input:
            resource, names_version = _ON[need.on](call)
            if not _is_allowed(call, need, resource, names_version):
                raise AccessDenied()


def _may(call: Call, need: Need, key: str, version_id: str | None) -> bool:
    return _is_allowed(call, need, _in(call.the_bucket, key), version_id is not None)


def _is_allowed(call: Call, need: Need, resource: Resource, names_version: bool) -> bool:
    action = need.versioned if names_version and need.versioned is not None else need.action
    return decide(Question(call.principal, action, resource, partial(facts_of, call))).is_allowed
