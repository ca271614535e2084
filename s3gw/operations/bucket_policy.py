"""GetBucketPolicy, PutBucketPolicy, DeleteBucketPolicy, GetBucketPolicyStatus.

What a policy may look like and what it means is access/'s. The text is kept as it was put.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3gw.access import acl
from s3gw.access.parse import parse_bucket_policy
from s3gw.access.policy import Policy, users_of
from s3gw.access.public import is_public
from s3gw.access.public_access_block import PublicAccessBlock
from s3gw.access.rules import BucketRules
from s3gw.errors import MethodNotAllowed, NoSuchBucketPolicy
from s3gw.metadata import configurations, identities
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.change import Change
from s3gw.operations.bucket_access import rules_of_blocks_now
from s3gw.operations.call import Call, Output
from s3gw.operations.new_acl import blocked

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import (
        DeleteBucketPolicyRequestTypeDef,
        GetBucketPolicyRequestTypeDef,
        GetBucketPolicyStatusRequestTypeDef,
        PutBucketPolicyRequestTypeDef,
    )


async def put_bucket_policy(call: Call, input: PutBucketPolicyRequestTypeDef) -> Output:
    require_owner(call)
    text = input["Policy"]
    policy = parse_bucket_policy(text, call.the_bucket.name)
    await call.change([call.bucket_lock], _put, text, policy, call.the_bucket)
    return {}


def _put(change: Change, text: str, policy: Policy, bucket: Bucket) -> None:
    """With the ids of the users that it names: AWS means principals by them, so a later user of the same name is a
    stranger. One who isn't there yet is meant by name.
    """
    change.lock_bucket_exclusively()
    rules = rules_of_blocks_now(change.conn, bucket)
    if is_public(policy) and PublicAccessBlock.BLOCK_PUBLIC_POLICY in rules.public_access_block:
        raise blocked(rules, PublicAccessBlock.BLOCK_PUBLIC_POLICY, bucket.name)
    configurations.put(change, "Policy", text)
    configurations.remove(change, "PolicyPrincipals")
    if ids := identities.ids_of_principals(change.conn, users_of(policy)):
        configurations.put(change, "PolicyPrincipals", ids)


async def get_bucket_policy(call: Call, input: GetBucketPolicyRequestTypeDef) -> Output:
    require_owner(call)
    text = await call.services.database.read(configurations.find, call.the_bucket.id, "Policy")
    if text is None:
        raise NoSuchBucketPolicy(BucketName=call.the_bucket.name)
    return {"Policy": text}


async def delete_bucket_policy(call: Call, input: DeleteBucketPolicyRequestTypeDef) -> Output:
    require_owner(call)
    await call.change([call.bucket_lock], _remove)
    return {}


def _remove(change: Change) -> None:
    for kind in ("Policy", "PolicyPrincipals"):
        configurations.remove(change, kind)


async def get_bucket_policy_status(call: Call, input: GetBucketPolicyStatusRequestTypeDef) -> Output:
    return {"PolicyStatus": {"IsPublic": is_bucket_public(call.rules)}}


def is_bucket_public(rules: BucketRules) -> bool:
    """By its policy or by its ACL, but where public ACLs are ignored ("The meaning of public")."""
    counts = rules.has_acls and PublicAccessBlock.IGNORE_PUBLIC_ACLS not in rules.public_access_block
    by_acl = counts and rules.acl is not None and acl.is_public(rules.acl)
    return rules.is_policy_public or by_acl


def require_owner(call: Call) -> None:
    """ "If you have the correct permissions, but you're not using an identity that belongs to the bucket owner's
    account, Amazon S3 returns a 405 Method Not Allowed error" (API Reference, PutBucketPolicy).
    """
    principal = call.principal
    if principal.account_owner_id != call.the_bucket.owner_id and principal.role != "admin":
        raise MethodNotAllowed(ResourceType="BUCKETPOLICY")
