"""What one policy says of one request. The order of all policies and other rules is decide.py's."""

from __future__ import annotations

from typing import NamedTuple

from s3gw.access.actions import ACTIONS
from s3gw.access.conditions import holds
from s3gw.access.policy import OF_BUCKET, Effect, Policy, Statement
from s3gw.access.principals import How, Who
from s3gw.access.templates import Facts

_S3 = "arn:aws:s3:::"
_CLOSEST_LAST: tuple[How | None, ...] = ("account", "canonical user", "everybody", "user", None)


class Verdict(NamedTuple):
    """`effect` is None where no statement applies. `statement` is its Sid or its number, from 1. `named` is how an
    Allow of a bucket's policy named who asks, in the closest way of all that apply; None in an identity policy.
    `policy` is the policy's title.
    """

    effect: Effect | None
    statement: str = ""
    named: How | None = None
    policy: str = OF_BUCKET

    def __str__(self) -> str:
        """The rule that decided. A Sid may hold anything, so what a terminal would act on is escaped."""
        return f"statement {self.statement!r} of {self.policy}"


_NOTHING = Verdict(None)


def decide_policy(policy: Policy, who: Who, action: str, resource_arn: str, facts: Facts) -> Verdict:
    """`resource_arn`: arn:aws:s3:::bucket, arn:aws:s3:::bucket/key, or "*" for what acts on no bucket.

    Deny wins. What `facts` raises is passed on: a statement that needs an object's tags comes after those that don't,
    and what a statement needs is asked for when all else of it fits.
    """
    if action not in ACTIONS:
        raise KeyError(action)
    resource = resource_arn.removeprefix(_S3)
    for statement in policy.denies:
        if action in statement.actions and _applies(statement, who, resource, facts):
            return Verdict("Deny", statement.name, None, policy.title)
    best = _NOTHING
    for statement in policy.allows:
        if action in statement.actions and _applies(statement, who, resource, facts):
            named = None if statement.principals is None else statement.principals.naming(who)
            if best.effect is None or _CLOSEST_LAST.index(named) > _CLOSEST_LAST.index(best.named):
                best = Verdict("Allow", statement.name, named, policy.title)
            if who.is_root or named in ("everybody", "user", None):
                break
    return best


def _applies(statement: Statement, who: Who, resource: str, facts: Facts) -> bool:
    principals = statement.principals
    if principals is not None:
        if principals.is_negated:
            if principals.excepts(who):
                return False
        elif principals.naming(who) is None:
            return False
    is_allow = statement.effect == "Allow"
    unresolved = statement.is_not_resource and is_allow
    for template in statement.resources:
        if template.matches(resource, facts, unresolved):
            if statement.is_not_resource:
                return False
            break
    else:
        if not statement.is_not_resource:
            return False
    return all(holds(condition, facts, is_allow) for condition in statement.conditions)
