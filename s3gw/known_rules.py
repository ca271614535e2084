"""The rules that this process has in memory, of buckets and of users: read and parsed when they changed, not at each
request. What tells is the revision that came with the row (metadata/access_rules.py), so a change counts for the next
request of every process. Used on the event loop only.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Hashable
from typing import TypeVar

from s3gw.access import acl, public_access_block
from s3gw.access.parse import parse_bucket_policy, parse_identity_policy
from s3gw.access.public import is_public
from s3gw.access.public_access_block import PublicAccessBlock
from s3gw.access.rules import NO_BUCKET_RULES, NO_IDENTITY_RULES, BucketRules, IdentityRules
from s3gw.auth.principal import Principal
from s3gw.metadata import access_rules
from s3gw.metadata.access_rules import BucketDocuments, IdentityDocuments
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import Database

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_MOST = 4096  # buckets, and as many users; those that were asked for longest ago are forgotten


class KnownRules:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._of_buckets: OrderedDict[tuple[int, str, int], BucketRules] = OrderedDict()
        self._of_identities: OrderedDict[tuple[str, str, str, str], IdentityRules] = OrderedDict()

    async def of_bucket(self, bucket: Bucket) -> BucketRules:
        if not bucket.rules_revision and not bucket.account_public_access_block:
            return NO_BUCKET_RULES
        key = bucket.id, bucket.rules_revision, bucket.account_public_access_block
        known = self._of_buckets.get(key)
        if known is None:
            documents = await self._database.read(access_rules.of_bucket, bucket.id)
            known = bucket_rules(documents, bucket.name, bucket.account_public_access_block)
            _keep(self._of_buckets, (bucket.id, documents.revision, bucket.account_public_access_block), known)
        return known

    async def of_identity(self, principal: Principal) -> IdentityRules:
        if not principal.rules_revision and not principal.key_rules_revision:
            return NO_IDENTITY_RULES
        key = (
            principal.user_id,
            principal.access_key_id,
            principal.rules_revision,
            principal.key_rules_revision,
        )
        known = self._of_identities.get(key)
        if known is None:
            documents = await self._database.read(access_rules.of_identity, *key[:2])
            known = identity_rules(documents)
            _keep(self._of_identities, (*key[:2], *documents.revisions), known)
        return known


def _keep(cache: OrderedDict[K, V], key: K, rules: V) -> None:
    cache[key] = rules
    if len(cache) > _MOST:
        cache.popitem(last=False)


def bucket_rules(documents: BucketDocuments, name: str, account_block: int) -> BucketRules:
    found = {kind: json.loads(document) for kind, document in documents.by_kind.items()}
    policy = parse_bucket_policy(found["Policy"], name) if "Policy" in found else None
    controls = found.get("OwnershipControls")
    of_bucket = public_access_block.of_members(found.get("PublicAccessBlock"))
    return BucketRules(
        policy=policy,
        is_policy_public=policy is not None and is_public(policy),
        acl=acl.of_pairs(found["ACL"]) if "ACL" in found else None,
        ownership=controls["Rules"][0]["ObjectOwnership"] if controls else "ObjectWriter",
        public_access_block=of_bucket | PublicAccessBlock(account_block),
        requester_pays=found.get("RequestPayment") == "Requester",
    )


def identity_rules(documents: IdentityDocuments) -> IdentityRules:
    of_key = tuple(parse_identity_policy(text) for text in documents.of_key)
    return IdentityRules(tuple(parse_identity_policy(text) for text in documents.policies), of_key or None)
