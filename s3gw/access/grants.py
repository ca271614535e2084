"""What a grant lets its user do: read, write or admin on a bucket, on a prefix or on one file.

Pure. What a grant of a bucket allows holds for every key in it, and what one of a prefix allows for every key that
begins with it. `admin` leaves out what would give more than it has: the bucket's policy, its ACL, who owns its objects,
and deleting it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

from s3gw.access.actions import ON_BUCKETS, RENAME, named

Kind = Literal["bucket", "prefix", "file"]
Permission = Literal["read", "write", "admin"]
Facts = Callable[[str], Sequence[str]]

AT_THE_END = sys.maxsize  # a time at which all that expires has expired

_READ = named(
    """GetObject GetObjectVersion GetObjectTagging GetObjectVersionTagging GetObjectAttributes
    GetObjectVersionAttributes"""
)
# Who began an upload may list its parts and abort it; authorize.py leaves that to the upload's row.
_WRITE = _READ | named(
    "PutObject PutObjectTagging PutObjectVersionTagging DeleteObjectTagging DeleteObjectVersionTagging"
)
_WRITE |= {RENAME}
_ADMIN = _WRITE | named(
    "DeleteObject DeleteObjectVersion GetObjectAcl GetObjectVersionAcl AbortMultipartUpload ListMultipartUploadParts"
)
ON_KEYS: Mapping[str, frozenset[str]] = {"read": _READ, "write": _WRITE, "admin": _ADMIN}
# On the bucket, where the request keeps to the granted prefix.
LISTS = named("ListBucket ListBucketVersions")
_LOOKS = LISTS | named("GetBucketLocation")
_NOT_FOR_ADMINS = named(
    """CreateBucket DeleteBucket PutBucketPolicy DeleteBucketPolicy PutBucketAcl PutBucketOwnershipControls
    PutBucketPublicAccessBlock"""
)
ON_BUCKET: Mapping[str, frozenset[str]] = {"read": _LOOKS, "write": _LOOKS, "admin": ON_BUCKETS - _NOT_FOR_ADMINS}


class Grant(NamedTuple):
    """`path` is the prefix or the key, "" of a bucket; `by` is who granted it; `group` through which the user has it.
    `expires_at` is in microseconds.
    """

    kind: Kind
    path: str
    permission: Permission
    by: str
    group: str | None = None
    expires_at: int | None = None

    def __str__(self) -> str:
        """The rule that decided. A path may hold anything, so what a terminal would act on is escaped."""
        path = self.path.encode("unicode_escape").decode()
        what = "the bucket" if self.kind == "bucket" else f"{self.kind} {path}"
        to = "" if self.group is None else f" to group {self.group}"
        return f"granted {self.permission} on {what} by {self.by}{to}"

    def holds(self, now: int) -> bool:
        return self.expires_at is None or now < self.expires_at

    def covers(self, kind: Kind, path: str) -> bool:
        """Whether it is inherited there."""
        if self.kind == "bucket":
            return True
        if self.kind == "prefix":
            return kind != "bucket" and path.startswith(self.path)
        return kind == "file" and path == self.path


# Of a user: the grants by the id of the bucket that they are about.
Grants = Mapping[int, tuple[Grant, ...]]
NO_GRANTS: Grants = MappingProxyType({})


def find_grant(grants: Iterable[Grant], action: str, key: str | None, facts: Facts, now: int) -> Grant | None:
    """The first that allows the action on the bucket, or on a key of it."""
    for grant in grants:
        if grant.holds(now) and (
            _allows_on_bucket(grant, action, facts) if key is None else _allows(grant, action, key)
        ):
            return grant
    return None


def _allows(grant: Grant, action: str, key: str) -> bool:
    return action in ON_KEYS[grant.permission] and grant.covers("file", key)


def _allows_on_bucket(grant: Grant, action: str, facts: Facts) -> bool:
    if grant.kind == "bucket":
        return action in ON_BUCKET[grant.permission]
    if grant.kind == "file" or action not in LISTS:
        return False
    prefixes = facts("s3:prefix")
    return bool(prefixes) and all(prefix.startswith(grant.path) for prefix in prefixes)


def administering(grants: Iterable[Grant], kind: Kind, path: str, now: int) -> list[Grant]:
    """Those by which a user may give there what it has itself."""
    return [grant for grant in grants if grant.permission == "admin" and grant.holds(now) and grant.covers(kind, path)]
