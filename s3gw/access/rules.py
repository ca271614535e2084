"""The rules that a decision stands on, as values: those about who asks, and those about the bucket."""

from __future__ import annotations

from typing import NamedTuple

from s3gw.access.acl import Acl
from s3gw.access.grants import NO_GRANTS, Grants
from s3gw.access.policy import Policy
from s3gw.access.public_access_block import NOTHING_BLOCKED, PublicAccessBlock, member_of


class IdentityRules(NamedTuple):
    """Policies of a user and its groups; and those of the key in use, which only narrow (None: it has none).

    `session` has the place of session policies, which narrow as well; nothing issues sessions yet. `grants` are what
    the user and its groups were granted.
    """

    policies: tuple[Policy, ...] = ()
    key: tuple[Policy, ...] | None = None
    session: tuple[Policy, ...] | None = None
    grants: Grants = NO_GRANTS


class BucketRules(NamedTuple):
    """`ownership` is AWS's ObjectOwnership; `has_acls`: it isn't BucketOwnerEnforced, where no ACL counts. `acl` None:
    the owner's alone. `public_access_block` is the bucket's and its account's together, `of_account` the account's.
    """

    policy: Policy | None = None
    is_policy_public: bool = False
    acl: Acl | None = None
    ownership: str = "ObjectWriter"
    public_access_block: PublicAccessBlock = NOTHING_BLOCKED
    has_acls: bool = True
    requester_pays: bool = False
    of_account: PublicAccessBlock = NOTHING_BLOCKED

    def blocking(self, switch: PublicAccessBlock) -> str:
        """What has the switch on, for people: the account's block is named first, as it counts for all its buckets."""
        whose = "account" if switch in self.of_account else "bucket"
        return f"the {whose}'s public access block ({member_of(switch)})"


class DocumentUnread(Exception):
    """The decision depends on what the request says in its body: ask again when that is read."""


class ObjectUnread(Exception):
    """The decision depends on the object that is there, which nobody has read yet: ask again when it is read."""


NO_IDENTITY_RULES = IdentityRules()
NO_BUCKET_RULES = BucketRules()
