"""GetBucketAcl, PutBucketAcl, GetObjectAcl, PutObjectAcl."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3gw.access import acl
from s3gw.access.acl import Acl
from s3gw.errors import AccessControlListNotSupported, MissingSecurityHeader
from s3gw.metadata import configurations, identities, objects
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.change import Change
from s3gw.metadata.objects import ObjectVersion
from s3gw.operations.bucket_access import acl_rules_now
from s3gw.operations.call import Call, Output
from s3gw.operations.get_object import readable
from s3gw.operations.new_acl import MEMBERS, asked_acl, require_allowed

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import (
        GetBucketAclRequestTypeDef,
        GetObjectAclRequestTypeDef,
        PutBucketAclRequestTypeDef,
        PutObjectAclRequestTypeDef,
    )


async def get_bucket_acl(call: Call, input: GetBucketAclRequestTypeDef) -> Output:
    owner = call.the_bucket.owner_canonical_id
    grants = call.rules.acl if call.rules.has_acls else None
    return await _output(call, owner, acl.of_owner(owner) if grants is None else grants)


async def put_bucket_acl(call: Call, input: PutBucketAclRequestTypeDef) -> Output:
    owner = call.the_bucket.owner_canonical_id
    _require_one(input)
    asked = await asked_acl(call.services.database, input, owner, owner)
    if not call.rules.has_acls:
        raise AccessControlListNotSupported()
    await call.change([call.bucket_lock], _put_bucket_acl, asked, call.the_bucket)
    return {}


def _put_bucket_acl(change: Change, asked: Acl, bucket: Bucket) -> None:
    change.lock_bucket_exclusively()
    require_allowed(acl_rules_now(change.conn, bucket), asked, bucket)
    configurations.put(change, "ACL", asked)


async def get_object_acl(call: Call, input: GetObjectAclRequestTypeDef) -> Output:
    version = await _version(call, input)
    owner = await _owner(call, version)
    grants = None if version.acl is None or not call.rules.has_acls else acl.from_json(version.acl)
    return await _output(call, owner, acl.of_owner(owner) if grants is None else grants)


async def read_object_acl(call: Call, input: Any) -> Output:
    """As it is stored, for a door that compares it; `Owner` is a canonical id."""
    version = await _version(call, input)
    return {"Owner": await _owner(call, version), "Stored": version.acl}


async def put_object_acl(call: Call, input: PutObjectAclRequestTypeDef) -> Output:
    _require_one(input)
    owner = await _owner(call, await _version(call, input))
    if not call.rules.has_acls:
        raise AccessControlListNotSupported()
    asked = await asked_acl(call.services.database, input, owner, call.the_bucket.owner_canonical_id)
    require_allowed(call.rules, asked, call.the_bucket)
    key, version_id = input["Key"], input.get("VersionId")
    found = await call.change([call.key_lock(key)], objects.set_acl, key, version_id, acl.to_json(asked, owner))
    readable(found, input)
    return {}


async def _version(call: Call, input: Any) -> ObjectVersion:
    found = await call.services.database.read(objects.find, call.the_bucket.id, input["Key"], input.get("VersionId"))
    call.check("object", found)
    return readable(found, input)


async def _owner(call: Call, version: ObjectVersion) -> str:
    """The canonical id of the object's owner: the bucket's, where ACLs are disabled."""
    bucket = call.the_bucket
    if not call.rules.has_acls or version.owner_id == bucket.owner_id:
        return bucket.owner_canonical_id
    return await call.services.database.read(identities.canonical_id_of, version.owner_id)


def _require_one(input: Any) -> None:
    if MEMBERS.isdisjoint(input) and "AccessControlPolicy" not in input:
        raise MissingSecurityHeader(MissingHeaderName="x-amz-acl")


async def _output(call: Call, owner: str, grants: Acl) -> Output:
    canonical = {owner, *(grant.grantee for grant in grants)} - acl.GROUPS
    names = await call.services.database.read(identities.names_by_canonical_id, canonical)
    return {
        "Owner": {"ID": owner, "DisplayName": names.get(owner)},
        "Grants": [
            {"Grantee": _grantee(grant.grantee, names.get(grant.grantee)), "Permission": grant.permission}
            for grant in sorted(grants, key=lambda grant: grant.grantee not in acl.GROUPS)  # groups first
        ],
    }


def _grantee(grantee: str, name: str | None) -> dict[str, str | None]:
    if grantee in acl.GROUPS:
        return {"Type": "Group", "URI": grantee}
    return {"Type": "CanonicalUser", "ID": grantee, "DisplayName": name}
