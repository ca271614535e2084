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
from s3gw.access.policy import Policy
from s3gw.access.public import is_public
from s3gw.access.public_access_block import PublicAccessBlock
from s3gw.access.rules import BucketRules, IdentityRules
from s3gw.auth.principal import Principal
from s3gw.metadata import access_rules
from s3gw.metadata.access_rules import BucketDocuments, IdentityDocuments, PolicyDocument
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import Database

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_MOST = 4096  # buckets, and as many users; those that were asked for longest ago are forgotten


class KnownRules:
    """`of_buckets` and `of_identities` are looked up by the keys below; what isn't there has to be read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.of_buckets: OrderedDict[tuple[int, str, int], BucketRules] = OrderedDict()
        self.of_identities: OrderedDict[tuple[str, str, str, str], IdentityRules] = OrderedDict()

    async def read_bucket(self, bucket: Bucket) -> BucketRules:
        """Of its id, its revision, and the public access block of its owner's account."""
        documents = await self._database.read(access_rules.of_bucket, bucket.id)
        block = bucket.account_public_access_block
        rules = bucket_rules(documents, bucket.name, block)
        _keep(self.of_buckets, (bucket.id, documents.revision, block), rules)
        return rules

    async def read_identity(self, principal: Principal) -> IdentityRules:
        """Of the user's id, the access key, and the revisions of both."""
        named = principal.user_id, principal.access_key_id
        documents = await self._database.read(access_rules.of_identity, *named)
        rules = identity_rules(documents)
        _keep(self.of_identities, (*named, *documents.revisions), rules)
        return rules


def _keep(cache: OrderedDict[K, V], key: K, rules: V) -> None:
    cache[key] = rules
    if len(cache) > _MOST:
        cache.popitem(last=False)


def bucket_rules(documents: BucketDocuments, name: str, account_block: int) -> BucketRules:
    found = {kind: json.loads(document) for kind, document in documents.by_kind.items()}
    policy = parse_bucket_policy(found["Policy"], name) if "Policy" in found else None
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
