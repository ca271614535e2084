"""The one place that decides who may do what. Closed by default: what no rule allows is refused.

The order is AWS's ("Policy evaluation logic", IAM User Guide): a deny anywhere decides; what narrows a key has to allow
too; then somebody has to allow. Within an account that is the owner, an identity policy, the bucket's policy or an ACL;
across accounts both sides have to, but for what somebody was granted himself. Pure: the rules come with the question,
and facts are computed when a rule asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from s3gw.access import acl
from s3gw.access.acl import ALL_USERS, AUTHENTICATED_USERS, Acl
from s3gw.access.evaluate import Verdict, decide_policy, unmet_allows
from s3gw.access.grants import AT_THE_END, find_grant
from s3gw.access.policy import Policy
from s3gw.access.principals import Who
from s3gw.access.public_access_block import NOTHING_BLOCKED, PublicAccessBlock
from s3gw.access.rules import NO_BUCKET_RULES, NO_IDENTITY_RULES, BucketRules, IdentityRules, ObjectUnread
from s3gw.auth.principal import Principal

# Condition key -> its values, none where the request has no such fact. Computed when a rule asks.
Facts = Callable[[str], Sequence[str]]


class StoredObject(NamedTuple):
    """What rules know of an object: `owner_id` is the user that its account belongs to; `acl` None: the owner's."""

    owner_id: str
    acl: Acl | None


def unread() -> StoredObject | None:
    raise ObjectUnread


class Resource(NamedTuple):
    """What is acted on: a key of a bucket, a bucket (no key), or the service (no bucket), where a bucket may be made of
    the name `new_bucket`.

    `owner_id` is the user that the bucket's account belongs to, `bucket_id` what grants call the bucket: another one
    may have its name later. `stored` gives the object that is there, or None, and raises ObjectUnread as long as that
    isn't known.
    """

    bucket: str | None = None
    owner_id: str | None = None
    key: str | None = None
    rules: BucketRules = NO_BUCKET_RULES
    bucket_id: int | None = None
    stored: Callable[[], StoredObject | None] = unread
    new_bucket: str | None = None

    @property
    def arn(self) -> str:
        if self.bucket is None:
            return "*" if self.new_bucket is None else f"arn:aws:s3:::{self.new_bucket}"
        return f"arn:aws:s3:::{self.bucket}" if self.key is None else f"arn:aws:s3:::{self.bucket}/{self.key}"


class Question(NamedTuple):
    """`action` is the name that IAM has for it, `now` the time of the request, in microseconds."""

    principal: Principal
    action: str
    resource: Resource
    facts: Facts
    identity: IdentityRules = NO_IDENTITY_RULES
    now: int = AT_THE_END


class Decision(NamedTuple):
    """`reason` names the rule that decided. `is_denied`: a rule forbids it, and not just none allows it.
    `only_granted`: of what is listed, it is about what the principal was granted.
    """

    is_allowed: bool
    reason: str
    is_denied: bool = False
    only_granted: bool = False


_ADMIN = Decision(True, "an admin may do everything")
_OWN_BUCKET, _OWN_OBJECT = (Decision(True, f"the {what} is the user's own") for what in ("bucket", "object"))

# "The root user of the account that owns the bucket can perform these even if the bucket policy explicitly denies it".
_OF_POLICY = frozenset(
    ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:GetBucketPolicyStatus")
)


def decide(question: Question) -> Decision:
    """Raises ObjectUnread where that depends on an object that wasn't read."""
    principal, action, resource, _, identity, _ = question
    policy = resource.rules.policy
    of_bucket = None if policy is None else _asked(policy, question)
    if of_bucket is not None and of_bucket.effect == "Deny" and not _is_exempt(principal, action, resource):
        return Decision(False, f"denied by {of_bucket}", True)
    if identity.key is None and identity.session is None:
        return _decide_allowed(question, of_bucket)
    within = _narrowed(question)
    if isinstance(within, Decision):
        return within
    decision = _decide_allowed(question, of_bucket)
    return decision._replace(reason=f"{decision.reason}, within {within}") if decision.is_allowed else decision


def _decide_allowed(question: Question, of_bucket: Verdict | None) -> Decision:
    """Of what neither the bucket's policy denies nor the key is too narrow for."""
    principal, resource = question.principal, question.resource
    if principal.role == "admin":
        return _ADMIN
    of_identity = _strongest(question.identity.policies, question) if question.identity.policies else None
    if of_identity is not None and of_identity.effect == "Deny":
        return Decision(False, f"denied by {of_identity}", True)
    if resource.bucket is None:
        return _in_own_account(question, of_identity)
    return _by_owner(question, of_bucket, of_identity)


def _is_exempt(principal: Principal, action: str, resource: Resource) -> bool:
    is_owner = principal.is_root and principal.user_id == resource.owner_id
    return action in _OF_POLICY and (is_owner or principal.role == "admin")


def unmet(question: Question) -> list[str]:
    """Which statements would allow it but for their conditions, of all policies that there are."""
    identity, policy = question.identity, question.resource.rules.policy
    policies = (*identity.policies, *(identity.key or ()), *(identity.session or ()), *([policy] if policy else ()))
    asked = _who(question.principal), question.action, question.resource.arn, question.facts
    return [found for policy in policies for found in unmet_allows(policy, *asked)]


def _asked(policy: Policy, question: Question) -> Verdict:
    who = _who(question.principal)
    return decide_policy(policy, who, question.action, question.resource.arn, question.facts)


@lru_cache(maxsize=1024)
def _who(principal: Principal) -> Who:
    return Who(
        principal.is_anonymous,
        principal.account_id,
        principal.canonical_id,
        principal.user_id,
        principal.name,
        principal.arn,
        principal.is_root,
    )


def _narrowed(question: Question) -> Decision | str:
    """What a key or a session is narrowed to: the refusal, or by which statements it is wide enough. They give nothing:
    what they allow must be allowed by somebody else.
    """
    within = []
    for name, policies in (("access key", question.identity.key), ("session", question.identity.session)):
        if policies is None:
            continue
        verdict = _strongest(policies, question)
        if verdict is None:
            return Decision(False, f"no policy of the {name} allows it", True)
        if verdict.effect == "Deny":
            return Decision(False, f"denied by {verdict}", True)
        within.append(str(verdict))
    return " and ".join(within)


def _strongest(policies: Sequence[Policy], question: Question) -> Verdict | None:
    allowing: Verdict | None = None
    for policy in policies:
        verdict = _asked(policy, question)
        if verdict.effect == "Deny":
            return verdict
        if verdict.effect == "Allow":
            allowing = allowing or verdict
    return allowing


def _in_own_account(question: Question, of_identity: Verdict | None) -> Decision:
    """Listing and creating buckets: of the own account, so that its root may. Who was granted something lists that."""
    principal, grants = question.principal, question.identity.grants
    if principal.is_anonymous:
        return Decision(False, "nothing is allowed to everybody")
    if principal.is_root:
        return Decision(True, "the account's root may list and create its buckets")
    if of_identity is not None:
        return Decision(True, f"allowed by {of_identity}")
    if question.action == "s3:ListAllMyBuckets" and any(
        grant.holds(question.now) for of_bucket in grants.values() for grant in of_bucket
    ):
        return Decision(True, "who was granted something of a bucket may list it", only_granted=True)
    return Decision(False, "no rule allows it")


class _Side(NamedTuple):
    """What the side of the resource says. `names_account`: it leaves it to the account, whom of its users to let."""

    reason: str
    names_account: bool


def _by_owner(question: Question, of_bucket: Verdict | None, of_identity: Verdict | None) -> Decision:
    principal, action, resource = question.principal, question.action, question.resource
    has_own_acl = resource.rules.has_acls and action in acl.OF_OBJECT and resource.key is not None
    stored = resource.stored() if has_own_acl else None
    owner_id = resource.owner_id if stored is None else stored.owner_id
    same_account = not principal.is_anonymous and principal.account_owner_id == owner_id
    if same_account and principal.is_root:
        return _as_owner(question, stored)
    side = _of_policy(question, of_bucket, owner_id, same_account)
    if side is None:
        side = _of_acl(question, stored)
    needs_identity = not principal.is_anonymous and not principal.is_root
    if same_account:
        if of_identity is not None:
            return Decision(True, f"allowed by {of_identity}")
        needs_identity = side is not None and side.names_account
    if side is not None and (of_identity is not None or not needs_identity):
        return Decision(True, side.reason)
    if owner_id == resource.owner_id and (reason := _granted_himself(question)) is not None:
        return Decision(True, reason)
    if side is None:
        return Decision(False, _blocked(question, of_bucket, owner_id, stored) or "no rule allows it")
    return Decision(False, f"{side.reason}, but no policy of the user's own account allows it")


def _granted_himself(question: Question) -> str | None:
    """By a grant, which names users and not accounts. Nobody can grant what isn't the bucket owner's."""
    _, action, resource, facts, identity, now = question
    if not identity.grants or resource.bucket_id is None:
        return None
    grant = find_grant(identity.grants.get(resource.bucket_id, ()), action, resource.key, facts, now)
    return None if grant is None else str(grant)


def _of_policy(question: Question, verdict: Verdict | None, owner_id: str | None, same_account: bool) -> _Side | None:
    if verdict is None or not _is_of_policy(question, verdict, owner_id):
        return None
    rules = question.resource.rules
    is_restricted = rules.is_policy_public and PublicAccessBlock.RESTRICT_PUBLIC_BUCKETS in rules.public_access_block
    if is_restricted and not same_account:
        return None
    return _Side(f"allowed by {verdict}", verdict.named in ("account", "canonical user"))


def _is_of_policy(question: Question, verdict: Verdict, owner_id: str | None) -> bool:
    """ "The bucket policy applies only to objects that the bucket owner owns"."""
    return verdict.effect == "Allow" and owner_id == question.resource.owner_id


def _blocked(
    question: Question, verdict: Verdict | None, owner_id: str | None, stored: StoredObject | None
) -> str | None:
    """What would allow it if public access weren't blocked: of what nothing allows."""
    rules = question.resource.rules
    if verdict is not None and _is_of_policy(question, verdict, owner_id):
        block = rules.blocking(PublicAccessBlock.RESTRICT_PUBLIC_BUCKETS)
        return f"allowed by {verdict}, but {block} lets a public policy allow nothing to other accounts"
    if PublicAccessBlock.IGNORE_PUBLIC_ACLS not in rules.public_access_block:
        return None
    unblocked = rules._replace(public_access_block=NOTHING_BLOCKED)
    side = _of_acl(question._replace(resource=question.resource._replace(rules=unblocked)), stored)
    block = rules.blocking(PublicAccessBlock.IGNORE_PUBLIC_ACLS)
    return None if side is None else f"{side.reason}, but {block} ignores that"


def _as_owner(question: Question, stored: StoredObject | None) -> Decision:
    """An owner may everything but what he took from himself by an ACL, which he always may read and change."""
    if question.resource.rules.has_acls:
        permission, grants = _grants(question, stored)
        is_bound = grants is not None and permission in ("READ", "WRITE")
        if is_bound and _granted(question, permission, grants) is None:
            what = "bucket" if stored is None else "object"
            return Decision(False, f"the ACL of the user's own {what} grants {permission} to others only")
    return _OWN_BUCKET if stored is None else _OWN_OBJECT


def _grants(question: Question, stored: StoredObject | None) -> tuple[str, Acl | None]:
    """The permission that an ACL would have to grant ("" where none can), and the ACL; None: the owner's alone."""
    resource, action = question.resource, question.action
    if not resource.rules.has_acls:
        return "", None
    if resource.key is not None and action in acl.OF_OBJECT:
        return acl.OF_OBJECT[action], None if stored is None else stored.acl
    if action in acl.OF_BUCKET:
        return acl.OF_BUCKET[action], resource.rules.acl
    return "", None


def _of_acl(question: Question, stored: StoredObject | None) -> _Side | None:
    permission, grants = _grants(question, stored)
    granted = _granted(question, permission, grants)
    if granted is None:
        return None
    whom = granted if granted in acl.GROUPS else f"the account {granted}"
    return _Side(f"the ACL grants {permission} to {whom}", granted not in acl.GROUPS)


def _granted(question: Question, permission: str, grants: Acl | None) -> str | None:
    """As whom the principal was granted the permission: a group that it is in, or its account."""
    principal, block = question.principal, question.resource.rules.public_access_block
    if grants is None:
        return None
    groups: tuple[str, ...] = () if PublicAccessBlock.IGNORE_PUBLIC_ACLS in block else (ALL_USERS,)
    if principal.is_anonymous:
        return acl.grantee_with(grants, permission, groups)
    groups = (*groups, AUTHENTICATED_USERS) if groups else ()
    return acl.grantee_with(grants, permission, groups) or acl.grantee_with(
        grants, permission, (principal.canonical_id,)
    )
