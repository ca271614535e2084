"""The one place that decides who may do what.

Closed by default: a request is refused unless a rule here allows it. The rules so far: an admin may do everything, the
owner of a bucket may do everything in it, and every user may list and create buckets of their own.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from s3gw.auth.principal import Principal
from s3gw.errors import AccessDenied
from s3gw.metadata.buckets import Bucket

Resource = Literal["service", "bucket", "object", "source", "keys"]


class Need(NamedTuple):
    """An IAM action on a resource that an operation needs.

    `versioned` replaces the action when the request names a version. With `header`, the need exists only when that
    header is sent. Needs on `keys` are asked for each key of the body, by the handler, through `Context.allowed`.
    """

    action: str
    on: Resource
    versioned: str | None = None
    header: str | None = None


# What any user may do without owning anything.
_OF_EVERY_USER = frozenset(("s3:ListAllMyBuckets", "s3:CreateBucket"))


def is_allowed(principal: Principal, action: str, bucket: Bucket | None) -> bool:
    """`bucket` is the one acted on or in; None for an action on the service."""
    if principal.is_anonymous:
        return False
    if principal.role == "admin":
        return True
    if bucket is None:
        return action in _OF_EVERY_USER
    return bucket.owner_id == principal.user_id


def require(principal: Principal, action: str, bucket: Bucket | None) -> None:
    if not is_allowed(principal, action, bucket):
        raise AccessDenied()
