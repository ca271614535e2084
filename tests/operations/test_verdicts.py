"""Everybody × every action that an operation needs × kinds of rules, with what AWS documents as the outcome.

The actions are those of operations/table.py, and each has a class here: a new one without fails. Sources: Amazon S3
User Guide, "Mapping of ACL permissions and access policy permissions", "Blocking public access", "Controlling ownership
of objects"; IAM User Guide, "Policy evaluation logic", "Cross-account policy evaluation logic".
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from s3gw.access.acl import ALL_USERS, AUTHENTICATED_USERS, Acl, Grant, canned
from s3gw.access.actions import RENAME
from s3gw.access.decide import Question, Resource, StoredObject, decide
from s3gw.access.parse import parse_bucket_policy, parse_identity_policy
from s3gw.access.public import is_public
from s3gw.access.public_access_block import EVERYTHING_BLOCKED, PublicAccessBlock
from s3gw.access.rules import BucketRules, IdentityRules
from s3gw.auth.principal import ANONYMOUS, Principal
from s3gw.operations.table import OPERATIONS

SERVICE = {"s3:ListAllMyBuckets", "s3:CreateBucket"}
LIST = {"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"}
READ = {"s3:GetObject", "s3:GetObjectVersion"}
CREATE = {"s3:PutObject"}
BUCKET_ACP, BUCKET_WRITE_ACP = {"s3:GetBucketAcl"}, {"s3:PutBucketAcl"}
OBJECT_ACP = {"s3:GetObjectAcl", "s3:GetObjectVersionAcl"}
OBJECT_WRITE_ACP = {"s3:PutObjectAcl", "s3:PutObjectVersionAcl"}
OF_POLICY = {"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:GetBucketPolicyStatus"}
# What no ACL can grant to others.
OF_BUCKET = {
    f"s3:{name}"
    for name in [
        "DeleteBucket",
        "GetBucketLocation",
        "GetBucketVersioning",
        "PutBucketVersioning",
        "GetBucketTagging",
        "GetBucketCORS",
        "PutBucketCORS",
        "PutBucketTagging",
        "GetBucketPublicAccessBlock",
        "PutBucketPublicAccessBlock",
        "GetBucketOwnershipControls",
        "PutBucketOwnershipControls",
        "GetBucketRequestPayment",
        "PutBucketRequestPayment",
        "CreateBucketMetadataTableConfiguration",
        "DeleteBucketMetadataTableConfiguration",
        "DeleteBucketWebsite",
        "GetAccelerateConfiguration",
        "GetAnalyticsConfiguration",
        "GetBucketAbac",
        "GetBucketLogging",
        "GetBucketMetadataTableConfiguration",
        "GetBucketNotification",
        "GetBucketObjectLockConfiguration",
        "GetBucketWebsite",
        "GetEncryptionConfiguration",
        "GetIntelligentTieringConfiguration",
        "GetInventoryConfiguration",
        "GetLifecycleConfiguration",
        "GetMetricsConfiguration",
        "GetReplicationConfiguration",
        "PutAccelerateConfiguration",
        "PutAnalyticsConfiguration",
        "PutBucketAbac",
        "PutBucketLogging",
        "PutBucketNotification",
        "PutBucketObjectLockConfiguration",
        "PutBucketWebsite",
        "PutEncryptionConfiguration",
        "PutIntelligentTieringConfiguration",
        "PutInventoryConfiguration",
        "PutLifecycleConfiguration",
        "PutMetricsConfiguration",
        "PutReplicationConfiguration",
        "UpdateBucketMetadataAnnotationTableConfiguration",
        "UpdateBucketMetadataInventoryTableConfiguration",
        "UpdateBucketMetadataJournalTableConfiguration",
    ]
}
OF_OBJECT = {
    f"s3:{name}"
    for name in [
        "DeleteObject",
        "DeleteObjectVersion",
        "GetObjectAttributes",
        "GetObjectVersionAttributes",
        "AbortMultipartUpload",
        "ListMultipartUploadParts",
        "GetObjectTagging",
        "GetObjectVersionTagging",
        "PutObjectTagging",
        "PutObjectVersionTagging",
        "DeleteObjectTagging",
        "DeleteObjectVersionTagging",
        "DeleteObjectAnnotation",
        "GetObjectAnnotation",
        "GetObjectLegalHold",
        "GetObjectRetention",
        "GetObjectTorrent",
        "ListObjectAnnotations",
        "PutObjectAnnotation",
        "PutObjectLegalHold",
        "PutObjectRetention",
        "RestoreObject",
        "UpdateObjectEncryption",
    ]
} | {RENAME}
BY_ACL = LIST | READ | CREATE | BUCKET_ACP | BUCKET_WRITE_ACP | OBJECT_ACP | OBJECT_WRITE_ACP
ON_OBJECTS = READ | CREATE | OBJECT_ACP | OBJECT_WRITE_ACP | OF_OBJECT
IN_BUCKET = BY_ACL | OF_BUCKET | OF_OBJECT | OF_POLICY
NOTHING: set[str] = set()

OWNER = Principal("1", "a" * 64, "111111111111", "owner", "user", "K1", "1")
MEMBER = OWNER._replace(user_id="2", name="member", access_key_id="K2")  # of the owner's account
STRANGER = Principal("3", "b" * 64, "333333333333", "stranger", "user", "K3", "3")
GUEST = STRANGER._replace(user_id="4", name="guest", access_key_id="K4")  # of the stranger's account
ADMIN = Principal("5", "c" * 64, "555555555555", "admin", "admin", "K5", "5")
_EVERYTHING = parse_identity_policy(
    '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}'
)
_READS = parse_identity_policy(
    '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}'
)
_DENIES = parse_identity_policy(
    '{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}}'
)
GETS = {action for action in IN_BUCKET if action.startswith("s3:Get")}

WHO: dict[str, tuple[Principal, IdentityRules]] = {
    "anonymous": (ANONYMOUS, IdentityRules()),
    "stranger": (STRANGER, IdentityRules()),
    "guest": (GUEST, IdentityRules()),
    "guest with policy": (GUEST, IdentityRules((_EVERYTHING,))),
    "member": (MEMBER, IdentityRules()),
    "member with policy": (MEMBER, IdentityRules((_EVERYTHING,))),
    "member denied": (MEMBER, IdentityRules((_EVERYTHING, _DENIES))),
    "owner": (OWNER, IdentityRules()),
    "owner's key for reading": (OWNER, IdentityRules((), (_READS,))),
    "admin": (ADMIN, IdentityRules()),
    "admin's key for reading": (ADMIN, IdentityRules((), (_READS,))),
}


def policy(effect: str, principal: Any, *actions: str) -> BucketRules:
    statements = [
        {"Effect": effect, "Principal": principal, "Action": sorted(chosen), "Resource": resource}
        for chosen, resource in (
            (set(actions) & ON_OBJECTS, "arn:aws:s3:::b/*"),
            (set(actions) - ON_OBJECTS, "arn:aws:s3:::b"),
        )
        if chosen
    ]
    parsed = parse_bucket_policy(json.dumps({"Version": "2012-10-17", "Statement": statements}), "b")
    return BucketRules(parsed, is_public(parsed), has_acls=False, ownership="BucketOwnerEnforced")


def acls(bucket: Acl | None, **other: Any) -> BucketRules:
    return BucketRules(acl=bucket, **other)


def granted(canned_name: str) -> Acl:
    return canned(canned_name, OWNER.canonical_id, OWNER.canonical_id)


TO_STRANGER = (Grant(OWNER.canonical_id, "FULL_CONTROL"), Grant(STRANGER.canonical_id, "FULL_CONTROL"))
_ALL_S3, _ACCOUNT = tuple(sorted(IN_BUCKET)), {"AWS": "333333333333"}
# What those get whom the rules of a bucket don't concern.
USUAL: dict[str, set[str]] = {
    "anonymous": NOTHING,
    "stranger": NOTHING,
    "guest": NOTHING,
    "guest with policy": NOTHING,
    "member": NOTHING,
    "member with policy": IN_BUCKET,
    "member denied": NOTHING,
    "owner": IN_BUCKET,
    "owner's key for reading": GETS,
    "admin": IN_BUCKET,
    "admin's key for reading": GETS,
}
_DENIED = IN_BUCKET - (LIST | READ)
# Name -> rules of the bucket, ACL of the object, and who gets something else than usual.
CASES: dict[str, tuple[BucketRules, Acl | None, dict[str, set[str]]]] = {
    "no rules": (BucketRules(), None, {}),
    "ACLs disabled": (
        acls(granted("public-read-write"), has_acls=False, ownership="BucketOwnerEnforced"),
        granted("public-read"),
        {},
    ),
    "a policy for an account": (
        policy("Allow", _ACCOUNT, *_ALL_S3),
        None,
        {"stranger": IN_BUCKET, "guest with policy": IN_BUCKET},
    ),
    "a policy for a user of another account": (
        policy("Allow", {"AWS": GUEST.arn}, *_ALL_S3),
        None,
        {"guest with policy": IN_BUCKET},
    ),
    "a policy for a user of the account": (policy("Allow", {"AWS": MEMBER.arn}, *_ALL_S3), None, {"member": IN_BUCKET}),
    "a policy for the own account": (policy("Allow", {"AWS": "111111111111"}, *_ALL_S3), None, {}),
    "a policy for everybody": (
        policy("Allow", "*", "s3:GetObject"),
        None,
        {who: {"s3:GetObject"} for who in ("anonymous", "stranger", "guest with policy", "member")},
    ),
    "a policy for everybody, restricted": (
        policy("Allow", "*", "s3:GetObject")._replace(public_access_block=PublicAccessBlock.RESTRICT_PUBLIC_BUCKETS),
        None,
        {"member": {"s3:GetObject"}},
    ),
    "a policy that denies everybody": (
        policy("Deny", "*", *sorted(LIST | READ | OF_POLICY)),
        None,
        {
            "member with policy": _DENIED - OF_POLICY,
            "owner": _DENIED,
            "owner's key for reading": GETS - READ,
            "admin": _DENIED,
            "admin's key for reading": GETS - READ,
        },
    ),
    "a bucket that is read by all": (
        acls(granted("public-read")),
        None,
        dict.fromkeys(("anonymous", "stranger", "guest with policy", "member"), LIST),
    ),
    "a bucket that is written by all": (
        acls(granted("public-read-write")),
        None,
        dict.fromkeys(("anonymous", "stranger", "guest with policy", "member"), LIST | CREATE),
    ),
    "a bucket that is read by users": (
        acls(granted("authenticated-read")),
        None,
        dict.fromkeys(("stranger", "guest with policy", "member"), LIST),
    ),
    "an object that is read by all": (
        BucketRules(),
        granted("public-read"),
        dict.fromkeys(("anonymous", "stranger", "guest with policy", "member"), READ),
    ),
    "everything for all, and ignored": (
        acls(granted("public-read-write"), public_access_block=EVERYTHING_BLOCKED),
        granted("public-read"),
        {},
    ),
    "all grants to another account": (
        acls(TO_STRANGER),
        TO_STRANGER,
        {"stranger": BY_ACL, "guest with policy": BY_ACL},
    ),
    "ACLs that leave the owner out": (
        acls((Grant(STRANGER.canonical_id, "READ"),)),
        (Grant(STRANGER.canonical_id, "READ"),),
        {
            "stranger": LIST | READ,
            "guest with policy": LIST | READ,
            "owner": IN_BUCKET - LIST - READ - CREATE,
            "owner's key for reading": GETS - READ,
        },
    ),
}


def actions() -> set[str]:
    needs = [need for row in OPERATIONS.values() for need in row.needs]
    return {action for need in needs for action in (need.action, need.versioned) if action is not None}


def test_each_action_of_the_operations_has_a_class() -> None:
    known = SERVICE | IN_BUCKET
    assert actions() - known == set(), "say here who may do these"
    assert known - actions() == set(), "no operation needs these"


def allowed(who: str, rules: BucketRules, acl: Acl | None, owner_id: str = OWNER.user_id) -> set[str]:
    principal, identity = WHO[who]
    stored = StoredObject(owner_id, acl)
    found = set()
    for action in actions() - SERVICE:
        key = "key" if action in ON_OBJECTS else None
        resource = Resource("b", OWNER.user_id, key, rules, stored=lambda: stored)
        if decide(Question(principal, action, resource, lambda name: (), identity)).is_allowed:
            found.add(action)
    return found


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("name", CASES)
def test_everybody_may_what_aws_documents(name: str, who: str) -> None:
    rules, acl, unusual = CASES[name]
    assert allowed(who, rules, acl) == unusual.get(who, USUAL[who])


@pytest.mark.parametrize("who", WHO)
def test_buckets_are_listed_and_created_in_the_own_account(who: str) -> None:
    principal, identity = WHO[who]
    expected = who in ("stranger", "guest with policy", "member with policy", "owner", "admin")
    for action in SERVICE:
        assert decide(Question(principal, action, Resource(), lambda name: (), identity)).is_allowed == expected


# "The object writer owns the object": the bucket's owner may delete it, and neither read it nor give rights on it.
OWNED_BY_WRITER = READ | OBJECT_ACP | OBJECT_WRITE_ACP


def test_an_object_of_another_account_is_its_own() -> None:
    for rules in (BucketRules(), policy("Allow", "*", *_ALL_S3)._replace(has_acls=True, ownership="ObjectWriter")):
        assert not allowed("owner", rules, None, STRANGER.user_id) & OWNED_BY_WRITER
        assert allowed("owner", rules, None, STRANGER.user_id) >= OF_OBJECT
        assert allowed("stranger", rules, None, STRANGER.user_id) >= OWNED_BY_WRITER
    shared = canned("bucket-owner-full-control", STRANGER.canonical_id, OWNER.canonical_id)
    assert allowed("owner", BucketRules(), shared, STRANGER.user_id) == IN_BUCKET
    enforced = BucketRules(has_acls=False, ownership="BucketOwnerEnforced")
    assert allowed("owner", enforced, None, STRANGER.user_id) == IN_BUCKET


def test_users_of_every_account_are_in_the_group_of_those_who_are_authenticated() -> None:
    everybody = BucketRules(acl=(Grant(AUTHENTICATED_USERS, "WRITE"), Grant(ALL_USERS, "READ")))
    assert allowed("stranger", everybody, None) == LIST | CREATE
    assert allowed("anonymous", everybody, None) == LIST
