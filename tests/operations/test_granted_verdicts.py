"""Grants: permission × action × resource, for people whom test_verdicts.py knows, with what each permission means.

Whatever else decides (denies, what a key is narrowed to, expiry) is asked with a grant beside it.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from s3gw.access.acl import Grant as AclGrant
from s3gw.access.actions import RENAME
from s3gw.access.decide import Decision, Question, Resource, StoredObject, decide
from s3gw.access.grants import Grant, Kind, Permission, administering
from s3gw.access.parse import parse_bucket_policy, parse_identity_policy
from s3gw.access.rules import NO_BUCKET_RULES, BucketRules, IdentityRules
from s3gw.auth.principal import ANONYMOUS, Principal
from tests.operations.test_verdicts import GUEST, IN_BUCKET, MEMBER, ON_OBJECTS, OWNER, STRANGER, actions

BUCKET_ID, NOW = 7, 1_000_000
READ_FILES = {
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:GetObjectTagging",
    "s3:GetObjectVersionTagging",
    "s3:GetObjectAttributes",
    "s3:GetObjectVersionAttributes",
}
WRITE_FILES = READ_FILES | {
    "s3:PutObject",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionTagging",
    "s3:DeleteObjectTagging",
    "s3:DeleteObjectVersionTagging",
    RENAME,
}
ADMIN_FILES = WRITE_FILES | {
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetObjectAcl",
    "s3:GetObjectVersionAcl",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
}
LISTS = {"s3:ListBucket", "s3:ListBucketVersions"}
NOT_FOR_ADMINS = {
    "s3:DeleteBucket",
    "s3:PutBucketPolicy",
    "s3:DeleteBucketPolicy",
    "s3:PutBucketAcl",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPublicAccessBlock",
}
ON_FILES: dict[Permission, set[str]] = {"read": READ_FILES, "write": WRITE_FILES, "admin": ADMIN_FILES}
ON_BUCKET: dict[Permission, set[str]] = {
    "read": LISTS | {"s3:GetBucketLocation"},
    "write": LISTS | {"s3:GetBucketLocation"},
    "admin": IN_BUCKET - ON_OBJECTS - NOT_FOR_ADMINS,
}
PATHS: dict[Kind, str] = {"bucket": "", "prefix": "a/", "file": "a/1"}
NOTHING: set[str] = set()


def expected(kind: Kind, permission: Permission) -> dict[str, set[str]]:
    """By what is acted on: two keys, the bucket as a whole, and lists of it under a prefix."""
    of_bucket = kind == "bucket"
    return {
        "a/1": ON_FILES[permission],
        "a/2": NOTHING if kind == "file" else ON_FILES[permission],
        "b/1": ON_FILES[permission] if of_bucket else NOTHING,
        "the bucket": ON_BUCKET[permission] if of_bucket else NOTHING,
        "prefix a/b": ON_BUCKET[permission] if of_bucket else LISTS if kind == "prefix" else NOTHING,
        "prefix a": ON_BUCKET[permission] if of_bucket else NOTHING,
    }


def answer(
    action: str,
    place: str,
    *grants: Grant,
    who: Principal = STRANGER,
    rules: BucketRules = NO_BUCKET_RULES,
    identity: IdentityRules | None = None,
    owner_id: str = OWNER.user_id,
    bucket_id: int = BUCKET_ID,
    now: int = NOW,
) -> Decision:
    key = None if place.startswith(("the", "prefix")) else place
    prefixes = (place.removeprefix("prefix "),) if place.startswith("prefix ") else ()
    resource = Resource("b", OWNER.user_id, key, rules, bucket_id, lambda: StoredObject(owner_id, None))
    known = (identity or IdentityRules())._replace(grants={BUCKET_ID: grants})
    return decide(Question(who, action, resource, lambda name: prefixes if name == "s3:prefix" else (), known, now))


def allowed(place: str, *grants: Grant, **other: Any) -> set[str]:
    concerned = IN_BUCKET - ON_OBJECTS if place.startswith(("the", "prefix")) else ON_OBJECTS
    return {action for action in actions() & concerned if answer(action, place, *grants, **other).is_allowed}


@pytest.mark.parametrize("permission", ON_FILES)
@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("who", [STRANGER, GUEST, MEMBER], ids=lambda who: who.name)
def test_a_grant_allows_what_its_permission_says_where_it_is_inherited(
    who: Principal, kind: Kind, permission: Permission
) -> None:
    """Of another account, of another without a policy there, and of the bucket's own."""
    grant = Grant(kind, PATHS[kind], permission, "alice")
    for place, expectation in expected(kind, permission).items():
        assert allowed(place, grant, who=who) == expectation, place


def test_who_was_granted_something_lists_that_and_creates_nothing() -> None:
    def asked(action: str, now: int) -> Decision:
        grants = {BUCKET_ID: (Grant("file", "a", "read", "alice", expires_at=NOW),)}
        return decide(Question(GUEST, action, Resource(), lambda name: (), IdentityRules(grants=grants), now))

    assert asked("s3:ListAllMyBuckets", NOW - 1)[::3] == (True, True)
    assert not asked("s3:ListAllMyBuckets", NOW).is_allowed
    assert not asked("s3:CreateBucket", NOW - 1).is_allowed


def test_the_reason_names_the_grant() -> None:
    on_prefix = Grant("prefix", "a/", "read", "alice")
    assert answer("s3:GetObject", "a/1", on_prefix).reason == "granted read on prefix a/ by alice"
    of_group = Grant("bucket", "", "admin", "alice", "staff")
    assert answer("s3:PutBucketCORS", "the bucket", of_group).reason == (
        "granted admin on the bucket by alice to group staff"
    )
    hostile = Grant("file", "a\x1b[31m", "read", "alice")
    assert str(hostile) == "granted read on file a\\x1b[31m by alice"


def test_a_grant_holds_until_it_expires() -> None:
    grant = Grant("bucket", "", "read", "alice", expires_at=NOW)
    assert allowed("a/1", grant, now=NOW - 1) == READ_FILES
    assert allowed("a/1", grant, now=NOW) == NOTHING
    still = Grant("prefix", "a/", "read", "alice", expires_at=NOW + 1)
    assert allowed("a/1", grant, still, now=NOW) == READ_FILES


def test_a_grant_is_of_one_bucket_whatever_its_name() -> None:
    assert allowed("a/1", Grant("bucket", "", "admin", "alice"), bucket_id=BUCKET_ID + 1) == NOTHING


def test_nobody_who_is_unknown_has_a_grant() -> None:
    assert allowed("a/1", who=ANONYMOUS) == NOTHING


def _identity(effect: str, *chosen: str) -> Any:
    statement = {"Effect": effect, "Action": list(chosen), "Resource": "*"}
    return parse_identity_policy(json.dumps({"Version": "2012-10-17", "Statement": statement}))


def test_an_explicit_deny_anywhere_wins_over_a_grant() -> None:
    grant = Grant("bucket", "", "admin", "alice")
    denies = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
    policy = parse_bucket_policy(json.dumps({"Version": "2012-10-17", "Statement": denies}), "b")
    assert allowed("a/1", grant, rules=BucketRules(policy)) == ADMIN_FILES - {"s3:GetObject"}
    identity = IdentityRules((_identity("Deny", "s3:PutObject"),))
    assert allowed("a/1", grant, who=GUEST, identity=identity) == ADMIN_FILES - {"s3:PutObject"}


def test_a_key_stays_narrowed_to_what_its_policy_allows() -> None:
    identity = IdentityRules((), (_identity("Allow", "s3:GetObject", "s3:PutBucketPolicy"),))
    grant = Grant("bucket", "", "admin", "alice")
    assert allowed("a/1", grant, identity=identity) == {"s3:GetObject"}
    assert allowed("the bucket", grant, identity=identity) == NOTHING


def test_where_writers_own_their_objects_a_grant_doesn_t_reach_those_of_others() -> None:
    """As policies don't; what no ACL could grant, such as deleting, is the bucket owner's to give."""
    others = allowed("a/1", Grant("bucket", "", "admin", "alice"), who=GUEST, owner_id=MEMBER.user_id)
    assert others == ADMIN_FILES - {"s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectAcl", "s3:GetObjectVersionAcl"}
    enforced = BucketRules(has_acls=False, ownership="BucketOwnerEnforced", acl=(AclGrant("x", "READ"),))
    grant = Grant("bucket", "", "admin", "alice")
    assert allowed("a/1", grant, rules=enforced, owner_id=MEMBER.user_id) == ADMIN_FILES


def test_who_may_delete_may_rename_and_where_deletes_are_denied_nothing_is_renamed() -> None:
    deletes = IdentityRules((_identity("Allow", "s3:DeleteObject"),))
    assert answer(RENAME, "a/1", who=MEMBER, identity=deletes).is_allowed
    renames = IdentityRules((_identity("Allow", RENAME),))
    assert allowed("a/1", who=MEMBER, identity=renames) == {RENAME}
    all_else = {"Effect": "Allow", "NotAction": "s3:DeleteObject", "Resource": "*"}
    spared = parse_identity_policy(json.dumps({"Version": "2012-10-17", "Statement": all_else}))
    assert not answer(RENAME, "a/1", who=MEMBER, identity=IdentityRules((spared,))).is_allowed
    denied = IdentityRules((_identity("Deny", "s3:DeleteObject"),))
    write = Grant("bucket", "", "write", "alice")
    assert allowed("a/1", write, who=MEMBER, identity=denied) == WRITE_FILES - {RENAME}


def test_who_has_admin_gives_what_lies_in_it_while_it_holds() -> None:
    on_prefix = Grant("prefix", "a/", "admin", "alice", expires_at=NOW)
    writes = Grant("bucket", "", "write", "alice")
    within: list[tuple[Kind, str]] = [("prefix", "a/"), ("prefix", "a/b"), ("file", "a/1")]
    beyond: list[tuple[Kind, str]] = [("bucket", ""), ("prefix", "a"), ("file", "b/1")]
    for place in within:
        assert administering([writes, on_prefix], *place, NOW - 1) == [on_prefix]
        assert administering([writes, on_prefix], *place, NOW) == []
    for place in beyond:
        assert administering([writes, on_prefix], *place, NOW - 1) == []
    of_file = Grant("file", "a/1", "admin", "alice")
    assert administering([of_file], "file", "a/1", NOW) == [of_file]
    assert administering([of_file], "prefix", "a/1", NOW) == administering([of_file], "file", "a/11", NOW) == []
