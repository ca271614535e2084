"""What a bucket says of access beside policy and ACL: public access block, object ownership, who pays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3gw.access import acl, public_access_block
from s3gw.access.public_access_block import PublicAccessBlock
from s3gw.access.rules import BucketRules
from s3gw.errors import (
    InvalidBucketAclWithObjectOwnership,
    MalformedXML,
    NoSuchPublicAccessBlockConfiguration,
    OwnershipControlsNotFoundError,
)
from s3gw.metadata import buckets, configurations
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.change import Change
from s3gw.metadata.database import Connection
from s3gw.operations.call import Call, Output

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import (
        DeleteBucketOwnershipControlsRequestTypeDef,
        DeletePublicAccessBlockRequestTypeDef,
        GetBucketOwnershipControlsRequestTypeDef,
        GetBucketRequestPaymentRequestTypeDef,
        GetPublicAccessBlockRequestTypeDef,
        PutBucketOwnershipControlsRequestTypeDef,
        PutBucketRequestPaymentRequestTypeDef,
        PutPublicAccessBlockRequestTypeDef,
    )

OWNERSHIPS = frozenset(("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"))


def rules_of_blocks_now(conn: Connection, bucket: Bucket) -> BucketRules:
    """What is blocked, as it is within a transaction that holds the bucket, its account's included."""
    document = configurations.find(conn, bucket.id, "PublicAccessBlock")
    of_account = PublicAccessBlock(bucket.account_public_access_block)
    return BucketRules(public_access_block=public_access_block.of_members(document) | of_account, of_account=of_account)


def acl_rules_now(conn: Connection, bucket: Bucket) -> BucketRules:
    """Those that say which ACLs may be put, within a transaction that holds the bucket."""
    controls = configurations.find(conn, bucket.id, "OwnershipControls")
    ownership = controls["Rules"][0]["ObjectOwnership"] if controls else "ObjectWriter"
    blocks = rules_of_blocks_now(conn, bucket)
    return blocks._replace(ownership=ownership, has_acls=ownership != "BucketOwnerEnforced")


async def get_public_access_block(call: Call, input: GetPublicAccessBlockRequestTypeDef) -> Output:
    document = await call.services.database.read(configurations.find, call.the_bucket.id, "PublicAccessBlock")
    if document is None:
        raise NoSuchPublicAccessBlockConfiguration(BucketName=call.the_bucket.name)
    return {"PublicAccessBlockConfiguration": public_access_block.to_members(public_access_block.of_members(document))}


async def put_public_access_block(call: Call, input: PutPublicAccessBlockRequestTypeDef) -> Output:
    document = dict(input["PublicAccessBlockConfiguration"])
    await call.change([call.bucket_lock], configurations.put, "PublicAccessBlock", document)
    return {}


async def delete_public_access_block(call: Call, input: DeletePublicAccessBlockRequestTypeDef) -> Output:
    await call.change([call.bucket_lock], configurations.remove, "PublicAccessBlock")
    return {}


async def get_bucket_ownership_controls(call: Call, input: GetBucketOwnershipControlsRequestTypeDef) -> Output:
    document = await call.services.database.read(configurations.find, call.the_bucket.id, "OwnershipControls")
    if document is None:
        raise OwnershipControlsNotFoundError(BucketName=call.the_bucket.name)
    return {"OwnershipControls": document}


async def put_bucket_ownership_controls(call: Call, input: PutBucketOwnershipControlsRequestTypeDef) -> Output:
    rules = list(input["OwnershipControls"]["Rules"])
    if len(rules) != 1 or rules[0].get("ObjectOwnership") not in OWNERSHIPS:
        raise MalformedXML()
    owner = call.the_bucket.owner_canonical_id
    await call.change([call.bucket_lock], _put_ownership, rules[0]["ObjectOwnership"], owner)
    return {}


def _put_ownership(change: Change, ownership: str, owner: str) -> None:
    """ "If your bucket ACL grants access to others, you can't apply Bucket owner enforced" (User Guide)."""
    change.lock_bucket_exclusively()
    pairs = configurations.find(change.conn, change.bucket_id, "ACL")
    if ownership == "BucketOwnerEnforced" and pairs is not None and acl.of_pairs(pairs) != acl.of_owner(owner):
        raise InvalidBucketAclWithObjectOwnership()
    configurations.put(change, "OwnershipControls", buckets.ownership_controls(ownership))


async def delete_bucket_ownership_controls(call: Call, input: DeleteBucketOwnershipControlsRequestTypeDef) -> Output:
    await call.change([call.bucket_lock], configurations.remove, "OwnershipControls")
    return {}


async def get_bucket_request_payment(call: Call, input: GetBucketRequestPaymentRequestTypeDef) -> Output:
    payer: Any = await call.services.database.read(configurations.find, call.the_bucket.id, "RequestPayment")
    return {"Payer": payer or "BucketOwner"}


async def put_bucket_request_payment(call: Call, input: PutBucketRequestPaymentRequestTypeDef) -> Output:
    payer = input["RequestPaymentConfiguration"]["Payer"]
    if payer not in ("Requester", "BucketOwner"):
        raise MalformedXML()
    await call.change([call.bucket_lock], configurations.put, "RequestPayment", payer)
    return {}
