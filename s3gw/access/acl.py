"""Access control lists: who was granted which permission on a bucket or object.

A list is a tuple of grants, kept as JSON. None stands for the one that everything begins with, where the owner alone
has full control. Source: Amazon S3 User Guide, "Access control list (ACL) overview".
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import NamedTuple

_GROUPS = "http://acs.amazonaws.com/groups/"
ALL_USERS = _GROUPS + "global/AllUsers"
AUTHENTICATED_USERS = _GROUPS + "global/AuthenticatedUsers"
LOG_DELIVERY = _GROUPS + "s3/LogDelivery"
GROUPS = frozenset((ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY))
PUBLIC = frozenset((ALL_USERS, AUTHENTICATED_USERS))
PERMISSIONS = frozenset(("FULL_CONTROL", "READ", "WRITE", "READ_ACP", "WRITE_ACP"))
# "Mapping of ACL permissions and access policy permissions": what each permission lets do. What isn't here, no ACL can
# allow. Objects have no WRITE.
OF_BUCKET = {
    "s3:ListBucket": "READ",
    "s3:ListBucketVersions": "READ",
    "s3:ListBucketMultipartUploads": "READ",
    "s3:PutObject": "WRITE",
    "s3:GetBucketAcl": "READ_ACP",
    "s3:PutBucketAcl": "WRITE_ACP",
}
OF_OBJECT = {
    "s3:GetObject": "READ",
    "s3:GetObjectVersion": "READ",
    "s3:GetObjectAcl": "READ_ACP",
    "s3:GetObjectVersionAcl": "READ_ACP",
    "s3:PutObjectAcl": "WRITE_ACP",
    "s3:PutObjectVersionAcl": "WRITE_ACP",
}


class Grant(NamedTuple):
    """`grantee` is a canonical id or the URI of a group."""

    grantee: str
    permission: str


Acl = tuple[Grant, ...]
_EC2 = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c"  # who reads bundles of machine images
# What a canned ACL grants beside the owner's full control; "bucket-owner" stands for that user.
_CANNED: dict[str, tuple[Grant, ...]] = {
    "private": (),
    "public-read": (Grant(ALL_USERS, "READ"),),
    "public-read-write": (Grant(ALL_USERS, "READ"), Grant(ALL_USERS, "WRITE")),
    "aws-exec-read": (Grant(_EC2, "READ"),),
    "authenticated-read": (Grant(AUTHENTICATED_USERS, "READ"),),
    "bucket-owner-read": (Grant("bucket-owner", "READ"),),
    "bucket-owner-full-control": (Grant("bucket-owner", "FULL_CONTROL"),),
    "log-delivery-write": (Grant(LOG_DELIVERY, "WRITE"), Grant(LOG_DELIVERY, "READ_ACP")),
}
CANNED = frozenset(_CANNED)


def canned(name: str, owner: str, bucket_owner: str) -> Acl:
    """The grants of a canned ACL, by canonical ids; KeyError where there is none of that name."""
    grants = []
    for grant in _CANNED[name]:
        grantee = bucket_owner if grant.grantee == "bucket-owner" else grant.grantee
        if grantee != owner:  # who has full control already
            grants.append(Grant(grantee, grant.permission))
    return (Grant(owner, "FULL_CONTROL"), *grants)


def of_owner(owner: str) -> Acl:
    return (Grant(owner, "FULL_CONTROL"),)


def to_json(acl: Acl, owner: str) -> str | None:
    return None if acl == of_owner(owner) else json.dumps(acl, separators=(",", ":"))


@lru_cache(1024)
def from_json(text: str) -> Acl:
    return of_pairs(json.loads(text))


def of_pairs(pairs: Iterable[tuple[str, str]]) -> Acl:
    return tuple(Grant(grantee, permission) for grantee, permission in pairs)


def is_public(acl: Acl) -> bool:
    return any(grant.grantee in PUBLIC for grant in acl)


def grantee_with(acl: Acl, permission: str, grantees: Collection[str]) -> str | None:
    """Which of the grantees was granted the permission, or None."""
    for grant in acl:
        if grant.permission in (permission, "FULL_CONTROL") and grant.grantee in grantees:
            return grant.grantee
    return None
