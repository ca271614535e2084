"""Who has something to do with a bucket, so that its owner may know that there is such a user."""

from __future__ import annotations

import uuid

from s3gw.access import acl
from s3gw.access.principals import Who
from s3gw.access.rules import BucketRules
from s3gw.auth.principal import Principal
from s3gw.known_rules import bucket_rules
from s3gw.metadata import access_rules, grants, identities, objects
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import Connection
from s3gw.metadata.identities import User


def find_acquainted(conn: Connection, bucket: Bucket, name: str, key: str | None) -> User | None:
    """By exact name or id: who is in the owner's account, was granted something in the bucket, himself or as one of a
    group, or is named by its policy, its ACL or that of the object.
    """
    try:
        user = identities.find_user(conn, name)
    except identities.NoSuchUser:
        return None
    if name not in (user.name, user.id):  # it was an e-mail address
        return None
    if (user.account_owner_id or user.id) == bucket.owner_id or grants.reach(conn, bucket.id, user.id):
        return user
    documents = access_rules.of_bucket(conn, bucket.id)
    rules = bucket_rules(documents, bucket.name, bucket.account_public_access_block)
    named = _is_named(rules, user) or (key is not None and _has_object(conn, bucket, user, key))
    return user if named else None


def _is_named(rules: BucketRules, user: User) -> bool:
    """More closely than everybody is."""
    who = Who(False, user.account_id, user.canonical_id, user.id, user.name, user.arn, user.account_owner is None)
    statements = () if rules.policy is None else rules.policy.statements
    principals = [item.principals for item in statements if item.principals is not None]
    in_policy = any(found._replace(everybody=False).naming(who) is not None for found in principals)
    return in_policy or any(grant.grantee == user.canonical_id for grant in rules.acl or ())


def _has_object(conn: Connection, bucket: Bucket, user: User, key: str) -> bool:
    found = objects.find(conn, bucket.id, key)
    if found is None:
        return False
    granted = () if found.acl is None else acl.from_json(found.acl)
    return found.owner_id == user.id or any(grant.grantee == user.canonical_id for grant in granted)


def stranger(name: str) -> Principal:
    """Somebody with an account of his own, whom nothing names: as who isn't acquainted, whether he is there or not."""
    user_id = str(uuid.uuid4())
    return Principal(user_id, "0" * 64, "0" * 12, name, "user", "", user_id)
