"""A policy as it is evaluated: immutable values, made once per content in parse.py."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from s3gw.access.condition_keys import ConditionKey
from s3gw.access.operators import NamedOperator, Test
from s3gw.access.principals import Principals
from s3gw.access.templates import Template

Effect = Literal["Allow", "Deny"]
# What a policy is called as long as nobody gives it another title.
OF_BUCKET, OF_IDENTITY = "the bucket policy", "an identity policy"


class Condition(NamedTuple):
    """One key under one operator. `written` is what the policy says, `tests` what of it can be compared."""

    operator: NamedOperator
    is_negated: bool
    key: ConditionKey
    written: tuple[str, ...]
    tests: tuple[Test, ...]
    is_unknowable: bool
    is_costly: bool


@dataclass(frozen=True, slots=True)
class Statement:
    """`conditions` are those to be evaluated, in order of cost; `unknowable` those that can't be known here."""

    name: str
    effect: Effect
    principals: Principals | None
    actions: frozenset[str]
    resources: tuple[Template, ...]
    is_not_resource: bool
    conditions: tuple[Condition, ...]
    unknowable: tuple[Condition, ...]
    has_unknowable_resource: bool
    is_never_applied: bool
    cost: int


@dataclass(frozen=True, slots=True)
class Policy:
    """`statements` in the order of the document; `denies` and `allows` are those that can apply, cheap ones first.

    `title` says which one it is, to people: "policy 'readers' of group 'staff'". `concerning` is evaluate.py's memory.
    """

    version: str
    statements: tuple[Statement, ...]
    denies: tuple[Statement, ...]
    allows: tuple[Statement, ...]
    title: str
    concerning: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)


def users_of(policy: Policy) -> frozenset[tuple[str, str]]:
    """Whom its statements name as users: account ("" for any) and name."""
    return frozenset().union(*(item.principals.users for item in policy.statements if item.principals is not None))


def tied(policy: Policy, ids: Mapping[tuple[str, str], str]) -> Policy:
    """With those users meant by their ids, as AWS means principals from when the policy is put."""
    statements = tuple(
        item if item.principals is None else replace(item, principals=item.principals.tied(ids))
        for item in policy.statements
    )
    return policy_of(policy.version, statements, policy.title)


def policy_of(version: str, statements: tuple[Statement, ...], title: str) -> Policy:
    able = sorted((item for item in statements if not item.is_never_applied), key=lambda item: item.cost)
    denies = tuple(item for item in able if item.effect == "Deny")
    allows = tuple(item for item in able if item.effect == "Allow")
    return Policy(version, statements, denies, allows, title)
