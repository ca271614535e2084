"""Who may say who else has access to a bucket. It is asked as it is for PutBucketPolicy: the owner's account, as far as
its policies allow, and admins. Beside them, who was granted admin may give on what he has.
"""

from __future__ import annotations

from typing import NamedTuple

from s3gw.access.grants import Grant, Kind, administering
from s3gw.auth.principal import Principal
from s3gw.metadata.buckets import Bucket
from s3gw.operations.authorize import decide_on, load_rules
from s3gw.operations.call import Call, GivenContext
from s3gw.operations.facts import facts_of
from s3gw.operations.table import OPERATIONS
from s3gw.services import OperationServices

_SETS_POLICY, _LISTS = OPERATIONS["PutBucketPolicy"], OPERATIONS["ListObjectsV2"]


class Rights(NamedTuple):
    """`is_seen`: the bucket may be told of. `is_owners`: all of it may be shared; `by_grant`: what lies in these."""

    is_seen: bool
    is_owners: bool
    by_grant: tuple[Grant, ...]
    now: int

    def may_share(self, kind: Kind, path: str) -> bool:
        return self.is_owners or bool(administering(self.by_grant, kind, path, self.now))

    def may_share_until(self, kind: Kind, path: str, expires_at: int | None) -> bool:
        """Nobody gives for longer than he has."""
        return self.is_owners or any(
            grant.expires_at is None or (expires_at is not None and expires_at <= grant.expires_at)
            for grant in administering(self.by_grant, kind, path, self.now)
        )


async def rights_on(
    services: OperationServices, principal: Principal, bucket: Bucket, context: GivenContext, now: int
) -> Rights:
    call = Call(services, principal, {}, "", now, bucket=bucket, context=context)
    await load_rules(call, _SETS_POLICY)
    policy, lists = (decide_on(call, row.needs[0], None, facts_of)[0] for row in (_SETS_POLICY, _LISTS))
    in_account = principal.account_owner_id == bucket.owner_id or principal.role == "admin"
    granted = tuple(grant for grant in call.identity.grants.get(bucket.id, ()) if grant.holds(now))
    is_owners = policy.is_allowed and in_account
    is_seen = is_owners or lists.is_allowed or bool(granted) or principal.sees_all
    by_grant = tuple(grant for grant in granted if grant.permission == "admin")
    return Rights(is_seen, is_owners, () if policy.is_denied else by_grant, now)
