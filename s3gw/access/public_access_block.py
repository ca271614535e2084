"""S3 Block Public Access: four switches of a bucket, and the same four of an account.

Of both together the strictest holds. Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage".
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntFlag
from typing import Any


class PublicAccessBlock(IntFlag):
    """Kept as a number for an account, and with AWS's names (`of_members`) for a bucket."""

    BLOCK_PUBLIC_ACLS = 1  # an ACL that is public can't be put
    IGNORE_PUBLIC_ACLS = 2  # what an ACL grants to everybody isn't granted
    BLOCK_PUBLIC_POLICY = 4  # a policy that is public can't be put
    RESTRICT_PUBLIC_BUCKETS = 8  # a policy that is public allows nothing to other accounts


_MEMBERS = {
    "BlockPublicAcls": PublicAccessBlock.BLOCK_PUBLIC_ACLS,
    "IgnorePublicAcls": PublicAccessBlock.IGNORE_PUBLIC_ACLS,
    "BlockPublicPolicy": PublicAccessBlock.BLOCK_PUBLIC_POLICY,
    "RestrictPublicBuckets": PublicAccessBlock.RESTRICT_PUBLIC_BUCKETS,
}
NOTHING_BLOCKED = PublicAccessBlock(0)
EVERYTHING_BLOCKED = PublicAccessBlock(15)


def of_members(document: Mapping[str, Any] | None) -> PublicAccessBlock:
    """From a PublicAccessBlockConfiguration, where what isn't named is off; None: there is none."""
    block = NOTHING_BLOCKED
    for member, flag in _MEMBERS.items():
        if document is not None and document.get(member):
            block |= flag
    return block


def member_of(switch: PublicAccessBlock) -> str:
    return next(member for member, flag in _MEMBERS.items() if flag is switch)


def to_members(block: PublicAccessBlock) -> dict[str, bool]:
    return {member: bool(block & flag) for member, flag in _MEMBERS.items()}
