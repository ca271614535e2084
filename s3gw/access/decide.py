"""The one place that decides who may do what.

Closed by default: a request is refused unless a rule here allows it. The rules so far: an admin may do everything, the
owner of a bucket may do everything in it, and every user may list and create buckets of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from s3gw.auth.principal import Principal

# Condition key -> its values, none where the request has no such fact. Computed when a rule asks.
Facts = Callable[[str], Sequence[str]]


class Resource(NamedTuple):
    """What is acted on: a key of a bucket, a bucket (no key), or the service (no bucket)."""

    bucket: str | None = None
    owner_id: str | None = None
    key: str | None = None


class Question(NamedTuple):
    """`action` is the name that IAM has for it."""

    principal: Principal
    action: str
    resource: Resource
    facts: Facts


class Decision(NamedTuple):
    """`reason` names the rule that decided."""

    is_allowed: bool
    reason: str


# What any user may do without owning anything.
_OF_EVERY_USER = frozenset(("s3:ListAllMyBuckets", "s3:CreateBucket"))


def decide(question: Question) -> Decision:
    principal, action, resource, _ = question
    if not principal.user_id:  # an anonymous one
        return Decision(False, "nothing is allowed to everybody")
    if principal.role == "admin":
        return Decision(True, "an admin may do everything")
    if resource.bucket is None:
        if action in _OF_EVERY_USER:
            return Decision(True, "every user may list and create buckets")
    elif resource.owner_id == principal.user_id:
        return Decision(True, "the bucket is the user's own")
    return Decision(False, "no rule allows it")
