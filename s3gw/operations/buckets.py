"""ListBuckets, CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from s3gw.access import acl, public_access_block
from s3gw.access.acl import Acl
from s3gw.access.public_access_block import PublicAccessBlock
from s3gw.errors import (
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    IllegalLocationConstraintException,
    InvalidArgument,
    InvalidBucketAclWithBlockPublicAccessError,
    InvalidBucketAclWithObjectOwnership,
    InvalidBucketName,
    InvalidLocationConstraint,
    NoSuchBucket,
    NotImplemented,
)
from s3gw.metadata import audit, buckets, configurations, identities, uploads
from s3gw.metadata.audit import Actor
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.change import BucketLock, Change, ChangeFacts
from s3gw.metadata.database import Connection
from s3gw.names import valid_bucket_name
from s3gw.operations.bucket_access import OWNERSHIPS, acl_rules_now
from s3gw.operations.call import Call, Output
from s3gw.operations.new_acl import MEMBERS, asked_acl
from s3gw.operations.tagging import checked_tags

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import (
        CreateBucketRequestTypeDef,
        DeleteBucketRequestTypeDef,
        GetBucketLocationRequestTypeDef,
        HeadBucketRequestTypeDef,
        ListBucketsRequestTypeDef,
    )

T = TypeVar("T")
_MOST_BUCKETS = 10_000
_NOT_EMPTY_OF_VERSIONS = "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
# us-east-1 is the region without a name; eu-west-1 has an older one.
_ALIASES = {"EU": "eu-west-1"}


def timestamp(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)


def _arn(bucket: str) -> str:
    return f"arn:aws:s3:::{bucket}"


async def list_buckets(call: Call, input: ListBucketsRequestTypeDef) -> Output:
    limit = input.get("MaxBuckets", _MOST_BUCKETS)
    if not 1 <= limit <= _MOST_BUCKETS:
        raise InvalidArgument(
            "Argument max-buckets must be an integer between 1 and 10000",
            ArgumentName="max-buckets",
            ArgumentValue=str(limit),
        )
    prefix = input.get("Prefix", "")
    after = _after(input.get("ContinuationToken"))
    owner = "" if call.only_granted else call.principal.account_owner_id
    region = input.get("BucketRegion", call.services.settings.region)
    found = []
    if region == call.services.settings.region:
        granted = [id for id, grants in call.identity.grants.items() if any(grant.holds(call.now) for grant in grants)]
        found = await call.services.database.scan(_page, owner, granted, prefix, after, limit + 1)
    output: Output = {
        "Owner": {"ID": call.principal.canonical_id, "DisplayName": call.principal.name},
        "Buckets": [
            {
                "Name": bucket.name,
                "CreationDate": timestamp(bucket.created_at),
                "BucketRegion": bucket.region,
                "BucketArn": _arn(bucket.name),
            }
            for bucket in found[:limit]
        ],
    }
    if "Prefix" in input:
        output["Prefix"] = prefix
    if len(found) > limit:
        output["ContinuationToken"] = base64.urlsafe_b64encode(found[limit - 1].name.encode()).decode()
    return output


def _page(conn: Connection, owner: str, granted: list[int], prefix: str, after: str, limit: int) -> list[Bucket]:
    return buckets.list_all(conn, owner, beside=granted, prefix=prefix, after=after, limit=limit)


def _after(token: str | None) -> str:
    if token is None:
        return ""
    try:
        after = base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        after = "\0"
    if "\0" in after:  # no name has a NUL, and PostgreSQL refuses text that has one
        raise InvalidArgument("The continuation token provided is incorrect", ArgumentName="continuation-token")
    return after


async def create_bucket(call: Call, input: CreateBucketRequestTypeDef) -> Output:
    bucket = await _asked_bucket(call, input)
    try:
        await _write(call, bucket, _nothing_more)
    except BucketAlreadyOwnedByYou:
        # "For legacy compatibility, if you re-create an existing bucket that you already own in us-east-1, Amazon S3
        # returns 200 OK and resets the bucket access control lists (ACLs)" (API Reference, CreateBucket).
        settings = call.services.settings
        if settings.region != "us-east-1" or bucket.given.keys() - {"ACL"}:  # 200 would say that it has what is asked
            raise
        await _reset_acl(call, bucket.name, bucket.given.get("ACL"))
    return {"Location": f"/{bucket.name}", "BucketArn": _arn(bucket.name)}


async def create_new_bucket(
    call: Call, input: CreateBucketRequestTypeDef, trash_seconds: int, more: Callable[[Change], T]
) -> T:
    """As CreateBucket, but of one's own that is there already it raises BucketAlreadyOwnedByYou everywhere. `more` is
    done in the same transaction.
    """
    bucket = await _asked_bucket(call, input)
    return await _write(call, bucket._replace(trash_seconds=trash_seconds), more)


async def _asked_bucket(call: Call, input: CreateBucketRequestTypeDef) -> _NewBucket:
    name, settings = input["Bucket"], call.services.settings
    if not valid_bucket_name(name):
        raise InvalidBucketName(BucketName=name)
    configuration = input.get("CreateBucketConfiguration", {})
    if configuration.get("Location") or configuration.get("Bucket"):
        raise NotImplemented("Directory buckets are not supported.")
    _check_location(configuration.get("LocationConstraint"), settings.region)
    tags = checked_tags(configuration.get("Tags", []), most=50)
    given: dict[str, Any] = {"Tagging": tags} if tags else {}
    given |= await _access_of_new(call, input, buckets.DEFAULTS[settings.bucket_defaults])
    owner_id = call.principal.account_owner_id
    return _NewBucket(name, owner_id, settings.region, settings.bucket_defaults, call.now, given)


async def _write(call: Call, bucket: _NewBucket, more: Callable[[Change], T]) -> T:
    return await call.services.database.write(
        _create, bucket, call.actor(), more, keys=(BucketLock(bucket.name).name(),)
    )


def _nothing_more(change: Change) -> None:
    """Of a bucket that is made by S3."""


async def _reset_acl(call: Call, name: str, asked: Any) -> None:
    call.bucket = await call.services.database.read(buckets.find, name)
    if call.bucket is None:
        raise NoSuchBucket(BucketName=name)
    rules = await call.services.known_rules.read_bucket(call.bucket)
    if asked is not None:
        await call.change([call.bucket_lock], _put_acl, asked, call.bucket)
    elif rules.acl is not None:
        await call.change([call.bucket_lock], configurations.remove, "ACL")


def _put_acl(change: Change, asked: Acl, bucket: Bucket) -> None:
    change.lock_bucket_exclusively()
    rules = acl_rules_now(change.conn, bucket)
    _require_possible(asked, rules.has_acls, rules.public_access_block)
    configurations.put(change, "ACL", asked)


class _NewBucket(NamedTuple):
    name: str
    owner_id: str
    region: str
    defaults: str
    now: int
    given: dict[str, Any]
    trash_seconds: int = 0


async def _access_of_new(call: Call, input: Any, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The configurations that the request asks for by its headers."""
    given: dict[str, Any] = {}
    ownership = input.get("ObjectOwnership")
    if ownership is not None:
        if ownership not in OWNERSHIPS:
            raise InvalidArgument(
                "Invalid x-amz-object-ownership header: " + ownership,
                ArgumentName="x-amz-object-ownership",
                ArgumentValue=ownership,
            )
        given["OwnershipControls"] = buckets.ownership_controls(ownership)
    if MEMBERS.isdisjoint(input):
        return given
    owner = call.principal.canonical_id
    asked = await asked_acl(call.services.database, input, owner, owner)
    if asked == acl.of_owner(owner):
        return given
    rules = {**defaults, **given}
    has_acls = rules.get("OwnershipControls") != buckets.ownership_controls("BucketOwnerEnforced")
    _require_possible(asked, has_acls, public_access_block.of_members(rules.get("PublicAccessBlock")))
    return {**given, "ACL": asked}


def _require_possible(asked: Acl, has_acls: bool, block: PublicAccessBlock) -> None:
    if not has_acls:
        raise InvalidBucketAclWithObjectOwnership()
    if acl.is_public(asked) and PublicAccessBlock.BLOCK_PUBLIC_ACLS in block:
        raise InvalidBucketAclWithBlockPublicAccessError()


def _create(conn: Connection, bucket: _NewBucket, actor: Actor, more: Callable[[Change], T]) -> T:
    """What is asked for was compared with what a new bucket has; the block of the account holds too."""
    if "ACL" in bucket.given:
        block = PublicAccessBlock(identities.public_access_block(conn, bucket.owner_id))
        _require_possible(bucket.given["ACL"], True, block)
    bucket_id = buckets.create(conn, **bucket._asdict())
    audit.record(conn, actor, "bucket.create", "bucket", bucket.name, None, buckets.told(conn, bucket.name))
    return more(Change(conn, ChangeFacts(bucket_id, actor, bucket.owner_id, bucket.now), ()))


def _check_location(constraint: str | None, region: str) -> None:
    if not constraint or _ALIASES.get(constraint, constraint) == region:
        return
    if region == "us-east-1":
        raise InvalidLocationConstraint(LocationConstraint=constraint)
    raise IllegalLocationConstraintException(
        f"The {constraint} location constraint is incompatible for the region specific endpoint this request was"
        " sent to."
    )


async def head_bucket(call: Call, input: HeadBucketRequestTypeDef) -> Output:
    bucket = call.the_bucket
    return {"BucketArn": _arn(bucket.name), "BucketRegion": bucket.region, "AccessPointAlias": False}


async def delete_bucket(call: Call, input: DeleteBucketRequestTypeDef) -> Output:
    """It can be restored for as long as it keeps its trash."""
    return await _delete(call, for_good=False)


async def delete_bucket_for_good(call: Call, input: DeleteBucketRequestTypeDef) -> Output:
    return await _delete(call, for_good=True)


async def _delete(call: Call, *, for_good: bool) -> Output:
    bucket = call.the_bucket
    try:
        while not await call.change([call.bucket_lock], uploads.delete_bucket, for_good):
            pass
    except BucketNotEmpty:
        message = _NOT_EMPTY_OF_VERSIONS if bucket.versioning else None
        raise BucketNotEmpty(message, BucketName=bucket.name) from None
    return {}


async def get_bucket_location(call: Call, input: GetBucketLocationRequestTypeDef) -> Output:
    region = call.the_bucket.region
    return {"LocationConstraint": None if region == "us-east-1" else region}
