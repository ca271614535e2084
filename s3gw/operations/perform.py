"""How every operation is performed, whatever door it was asked for at: resolve, authorize, handle."""

from __future__ import annotations

import re

from s3gw.access.rules import DocumentUnread
from s3gw.errors import (
    AccessDenied,
    InvalidBucketOwnerAWSAccountID,
    NoSuchBucket,
    NoSuchKey,
    NoSuchVersion,
    S3Error,
)
from s3gw.metadata import buckets, objects
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.change import NotChecked
from s3gw.names import check_key_length
from s3gw.operations.authorize import authorize, load_rules, may_be_told, renamed_key
from s3gw.operations.call import Call, Document, Output, Source
from s3gw.operations.copy_source import parse_copy_source
from s3gw.operations.table import Row

_ACCOUNT_ID = re.compile(r"[0-9]{12}")


async def perform(call: Call, row: Row) -> Output:
    """Give the members of the answer, as boto3 names them. Raises S3Error; nothing has happened then."""
    await _resolve(call, row)
    await load_rules(call, row)
    try:
        authorize(call, row)
    except DocumentUnread:
        assert call.document is not None, "it was there to be read"
        await _read_document(call, call.document)
        authorize(call, row)
    try:
        output = await _handle(call, row)
    except S3Error as error:
        await _make_checks(call)
        if isinstance(error, (NoSuchKey, NoSuchVersion)) and not may_be_told(call):
            raise AccessDenied() from None
        raise
    if call.checks and call.checks.keys() - call.checked:
        raise NotChecked(f"{row.handler.__name__} never asked whether the object may be served")
    if call.rules.requester_pays and "RequestPayer" in call.input:
        output["RequestCharged"] = "requester"
    return output


async def _handle(call: Call, row: Row) -> Output:
    if call.problem is not None:
        raise call.problem
    if call.document is not None:
        await _read_document(call, call.document)
    if row.room != "none":
        call.services.room.require((call.the_body.size or 0) if row.room == "body" else 0)
    return await row.handler(call, call.input)


async def _read_document(call: Call, document: Document) -> None:
    call.input |= await document.read()
    call.document = None


async def _make_checks(call: Call) -> None:
    """Before an error is told that came before the handler asked: who may not, hears that first."""
    for on in call.checks.keys() - call.checked - {"replaced"}:  # it isn't told of
        if on == "upload":
            raise AccessDenied()
        if on == "source":
            bucket_id, key, version_id = call.the_source.bucket.id, call.the_source.key, call.the_source.version_id
        else:
            key = (renamed_key(call) if on == "renamed" else None) or call.input["Key"]
            bucket_id, version_id = call.the_bucket.id, call.input.get("VersionId")
        version = await call.services.database.read(objects.find, bucket_id, key, version_id)
        call.check(on, version)
        if version is None and not may_be_told(call):
            raise AccessDenied()


async def _resolve(call: Call, row: Row) -> None:
    """Find the buckets that the call names, unless its door has found them already."""
    key, most = call.input.get("Key"), call.services.settings.max_key
    if key is not None and len(key) * 4 > most:  # bytes: a character of UTF-8 has four at most
        check_key_length(key, most)
    if row.is_in_bucket and (call.bucket is None or "ExpectedBucketOwner" in call.input):
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
