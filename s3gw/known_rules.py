"""The rules that this process has in memory, of buckets and of users: read and parsed when they changed, not at each
request. What tells is the revision that came with the row (metadata/access_rules.py), so a change counts for the next
request of every process. Used on the event loop only.
"""

from __future__ import annotations

import json
from collections import OrderedDict, defaultdict
from collections.abc import Hashable
from dataclasses import replace
from typing import TypeVar

from s3gw.access import acl, public_access_block
from s3gw.access.grants import Grant
from s3gw.access.parse import parse_bucket_policy, parse_identity_policy
from s3gw.access.policy import Policy, tied
from s3gw.access.public import is_public
from s3gw.access.public_access_block import PublicAccessBlock
from s3gw.access.rules import BucketRules, IdentityRules
from s3gw.auth.principal import Principal
from s3gw.errors import InvalidAccessKeyId
from s3gw.metadata import access_rules
from s3gw.metadata.access_rules import BucketDocuments, IdentityDocuments, PolicyDocument
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import Database

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# Buckets, and as many users; those that were read longest ago are forgotten.
_MOST = 4096
# Of all their documents, in characters: a parsed policy takes up to 300 times the memory of its text.
_MOST_TEXT = 2 * 1024**2


class Memory(OrderedDict[K, V]):
    """Rules, and how long the documents are that they were made of."""

    def __init__(self) -> None:
        super().__init__()
        self._sizes: dict[K, int] = {}
        self._size = 0

    def keep(self, key: K, rules: V, size: int) -> None:
        self._size += size - self._sizes.get(key, 0)
        self[key], self._sizes[key] = rules, size
        while len(self) > _MOST or (self._size > _MOST_TEXT and len(self) > 1):
            oldest, _ = self.popitem(last=False)
            self._size -= self._sizes.pop(oldest)


class KnownRules:
    """`of_buckets` and `of_identities` are looked up by the keys below; what isn't there has to be read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.of_buckets = Memory[tuple[int, str, int], BucketRules]()
        self.of_identities = Memory[tuple[str, str, str, str], IdentityRules]()

    async def read_bucket(self, bucket: Bucket) -> BucketRules:
        """Of its id, its revision, and the public access block of its owner's account."""
        documents = await self._database.read(access_rules.of_bucket, bucket.id)
        block = bucket.account_public_access_block
        rules = bucket_rules(documents, bucket.name, block)
        size = sum(map(len, documents.by_kind.values()))
        self.of_buckets.keep((bucket.id, documents.revision, block), rules, size)
        return rules

    async def read_identity(self, principal: Principal) -> IdentityRules:
        """Of the user's id, the access key, and the revisions of both.

        Raises InvalidAccessKeyId where one of them was deleted since the request was authenticated: what it was
        narrowed to or denied is gone with it.
        """
        named = principal.user_id, principal.access_key_id
        documents = await self._database.read(access_rules.of_identity, *named)
        of_user, of_key = documents.revisions
        if of_user is None or (of_key is None and principal.access_key_id):
            raise InvalidAccessKeyId(AWSAccessKeyId=principal.access_key_id)
        rules = identity_rules(documents)
        size = sum(len(policy.document) for policy in (*documents.policies, *documents.of_key))
        size += sum(len(grant.path) for grant in documents.grants)
        self.of_identities.keep((*named, of_user, of_key or ""), rules, size)
        return rules


def bucket_rules(documents: BucketDocuments, name: str, account_block: int) -> BucketRules:
    found = {kind: json.loads(document) for kind, document in documents.by_kind.items()}
    policy = parse_bucket_policy(found["Policy"], name) if "Policy" in found else None
    if policy is not None and "PolicyPrincipals" in found:
        policy = tied(policy, {(account, name): user_id for account, name, user_id in found["PolicyPrincipals"]})
    controls = found.get("OwnershipControls")
    ownership = controls["Rules"][0]["ObjectOwnership"] if controls else "ObjectWriter"
    of_bucket = public_access_block.of_members(found.get("PublicAccessBlock"))
    return BucketRules(
        policy=policy,
        is_policy_public=policy is not None and is_public(policy),
        acl=acl.of_pairs(found["ACL"]) if "ACL" in found else None,
        ownership=ownership,
        has_acls=ownership != "BucketOwnerEnforced",
        public_access_block=of_bucket | PublicAccessBlock(account_block),
        requester_pays=found.get("RequestPayment") == "Requester",
        of_account=PublicAccessBlock(account_block),
    )


def identity_rules(documents: IdentityDocuments) -> IdentityRules:
    of_key = tuple(map(_titled, documents.of_key))
    of_buckets: dict[int, list[Grant]] = defaultdict(list)
    for bucket_id, kind, path, permission, by, group, expires_at in documents.grants:
        of_buckets[bucket_id].append(Grant(kind, path, permission, by, group, expires_at))  # type: ignore[arg-type]
    grants = {bucket_id: tuple(found) for bucket_id, found in of_buckets.items()}
    return IdentityRules(tuple(map(_titled, documents.policies)), of_key or None, grants=grants)


def _titled(policy: PolicyDocument) -> Policy:
    kind = "access key" if policy.holder_kind == "key" else policy.holder_kind
    title = f"policy '{policy.name}' of {kind} '{policy.holder_name}'"
    return replace(parse_identity_policy(policy.document), title=title)
