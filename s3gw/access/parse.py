"""Makes a Policy of a document, or says in AWS's words what is wrong with it.

Amazon S3 User Guide, "Policies and permissions in Amazon S3"; IAM User Guide, "IAM JSON policy element reference". S3's
messages are those of its servers, which no documentation lists. A policy is parsed once per content.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from s3gw.access.actions import ACTIONS, ON_BUCKETS, ON_OBJECTS, all_matching, matching
from s3gw.access.conditions import MalformedCondition, read_conditions
from s3gw.access.document import TOO_LARGE, UnreadableDocument, read_document
from s3gw.access.policy import OF_BUCKET, OF_IDENTITY, Condition, Effect, Policy, Statement, policy_of
from s3gw.access.principals import Principals, read_principals
from s3gw.access.templates import Template, read_template
from s3gw.errors import LimitExceeded, MalformedPolicy, MalformedPolicyDocument, S3Error

LARGEST_OF_BUCKET = 20 * 1024  # bytes
LARGEST_OF_IDENTITY = 6144  # characters, as of a managed policy
CACHED = 32  # those in use are known_rules.py's to keep

VERSIONS = ("2008-10-17", "2012-10-17")
_ELEMENTS = frozenset(("Version", "Id", "Statement"))
_OF_STATEMENT = frozenset(
    ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
)
_S3 = "arn:aws:s3:::"
_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+", re.ASCII)
_SID = re.compile("[A-Za-z0-9]*", re.ASCII)


class Dialect(NamedTuple):
    """`bucket` is None for identity policies. They are IAM's, who says some things in words of its own."""

    bucket: str | None
    error: type[S3Error]

    def refuse(self, message: str) -> S3Error:
        return self.error(message if self.bucket is not None else _OF_IAM.get(message, message))


_OF_IAM = {
    "Missing required field Action": "Policy statement must contain actions.",
    "Missing required field Resource": "Policy statement must contain resources.",
    "Policy has invalid action": "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
    "Policy has an invalid condition key": "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
    "Policy has invalid resource": 'Resource must be in ARN format or "*".',
}


@lru_cache(maxsize=CACHED)
def parse_bucket_policy(text: str | bytes, bucket: str) -> Policy:
    """Raises MalformedPolicy. Whether `text` is empty, and who may put it, is the caller's to say."""
    return _parse(text, Dialect(bucket, MalformedPolicy))


@lru_cache(maxsize=CACHED)
def parse_identity_policy(text: str | bytes) -> Policy:
    """Raises MalformedPolicyDocument or LimitExceeded."""
    return _parse(text, Dialect(None, MalformedPolicyDocument))


def _parse(text: str | bytes, dialect: Dialect) -> Policy:
    version, raw = read_envelope(text, dialect)
    statements = tuple(read_statement(item, str(number), version, dialect) for number, item in enumerate(raw, 1))
    names = [item["Sid"] for item in raw if item.get("Sid")]
    if dialect.bucket is None and len(set(names)) != len(names):
        raise dialect.refuse("Statement IDs (SID) in a single policy must be unique.")
    return policy_of(version, statements, OF_IDENTITY if dialect.bucket is None else OF_BUCKET)


def read_envelope(text: str | bytes, dialect: Dialect) -> tuple[str, list[Any]]:
    """The version, and the statements as they are written."""
    is_of_bucket = dialect.bucket is not None
    limit = LARGEST_OF_BUCKET if is_of_bucket else LARGEST_OF_IDENTITY
    try:
        document = read_document(text, limit, counts_characters=not is_of_bucket)
    except UnreadableDocument as error:
        if not is_of_bucket and str(error) == TOO_LARGE:
            raise LimitExceeded from None
        raise dialect.refuse(str(error)) from None
    for name in document.keys() - _ELEMENTS:
        raise dialect.refuse(f"Unknown field {name}")
    version = document.get("Version", VERSIONS[0])
    if version not in VERSIONS:
        raise dialect.refuse("The policy must contain a valid version string")
    if not isinstance(document.get("Id", ""), str):
        raise dialect.refuse("Invalid Id")
    if "Statement" not in document:
        raise dialect.refuse("Missing required field Statement")
    raw = document["Statement"]
    statements = raw if isinstance(raw, list) else [raw]
    if not statements:
        raise dialect.refuse("Could not parse the policy: Statement is empty!")
    return version, statements


def read_statement(raw: Any, number: str, version: str, dialect: Dialect) -> Statement:
    """`number` names it where it has no Sid."""
    if not isinstance(raw, dict):
        raise dialect.refuse("This policy contains invalid Json")
    for name in raw.keys() - _OF_STATEMENT:
        raise dialect.refuse(f"Unknown field {name}")
    sid = raw.get("Sid", "")
    if not isinstance(sid, str) or (dialect.bucket is None and not _SID.fullmatch(sid)):
        raise dialect.refuse(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular"
            " expression [0-9A-Za-z]*"
        )
    effect: Effect = _effect(raw, dialect)
    principals = _principals(raw, effect, dialect)
    action_patterns, is_not_action = _one_of(raw, "Action", dialect)
    actions = _actions(action_patterns, is_not_action, dialect)
    resource_patterns, is_not_resource = _one_of(raw, "Resource", dialect)
    has_variables = version == "2012-10-17"
    resources = tuple(_resources(resource_patterns, has_variables, dialect))
    conditions = _conditions(raw, has_variables, dialect)
    if dialect.bucket is not None and not is_not_action:
        _check_combinations(action_patterns, None if is_not_resource else resource_patterns, conditions, dialect)
    return _statement(sid or number, effect, principals, actions, resources, is_not_resource, conditions)


def _statement(
    name: str,
    effect: Effect,
    principals: Principals | None,
    actions: frozenset[str],
    resources: tuple[Template, ...],
    is_not_resource: bool,
    conditions: tuple[Condition, ...],
) -> Statement:
    """With what can't be known decided: it never allows, and never keeps a Deny from applying."""
    unknowable = tuple(condition for condition in conditions if condition.is_unknowable)
    known = tuple(condition for condition in conditions if not condition.is_unknowable)
    has_unknowable_resource = any(item.is_unknowable for item in resources)
    is_never_applied = effect == "Allow" and (bool(unknowable) or has_unknowable_resource)
    if effect == "Deny" and not is_not_resource:
        resources = tuple(item.with_unknowable_as_anything() for item in resources)
    is_costly = any(item.is_costly for item in known) or any(item.is_costly for item in resources)
    return Statement(
        name,
        effect,
        principals,
        actions,
        resources,
        is_not_resource,
        tuple(sorted(known, key=lambda item: item.is_costly)),
        unknowable,
        has_unknowable_resource,
        is_never_applied,
        cost=2 if is_costly else 1 if known else 0,
    )


def _effect(raw: dict[str, Any], dialect: Dialect) -> Effect:
    effect = raw.get("Effect")
    if effect is None:
        raise dialect.refuse("Missing required field Effect")
    if effect == "Allow":
        return "Allow"
    if effect == "Deny":
        return "Deny"
    raise dialect.refuse(f"Invalid effect: {effect}")


def _principals(raw: dict[str, Any], effect: Effect, dialect: Dialect) -> Principals | None:
    present = [name for name in ("Principal", "NotPrincipal") if name in raw]
    if dialect.bucket is None:
        if present:
            raise dialect.refuse("Policy document should not specify a principal.")
        return None
    if not present:
        raise dialect.refuse("Missing required field Principal")
    is_negated = present[0] == "NotPrincipal"
    if is_negated and effect == "Allow":  # "Using it with "Effect":"Allow" is not supported."
        raise dialect.refuse("NotPrincipal must be used with Effect Deny")
    principals = read_principals(raw[present[0]], is_negated)
    if principals is None or len(present) > 1:
        raise dialect.refuse("Invalid principal in policy")
    return principals


def _one_of(raw: dict[str, Any], name: str, dialect: Dialect) -> tuple[list[str], bool]:
    """The strings of `name` or of its opposite, and whether it is the opposite."""
    present = [field for field in (name, f"Not{name}") if field in raw]
    if not present:
        raise dialect.refuse(f"Missing required field {name}")
    if len(present) > 1:
        raise dialect.refuse(f"Statement has both {name} and Not{name}")
    value = raw[present[0]]
    values = value if isinstance(value, list) else [value]
    if not values:
        raise dialect.refuse(f"Missing required field {name}")
    if not all(isinstance(item, str) for item in values):
        raise dialect.refuse(f"Policy has invalid {name.lower()}")
    return values, present[0] != name


def _actions(patterns: list[str], is_negated: bool, dialect: Dialect) -> frozenset[str]:
    for pattern in patterns:
        is_valid = _ACTION.fullmatch(pattern) and (dialect.bucket is None or matching(pattern))
        if not is_valid:
            raise dialect.refuse("Policy has invalid action")
    actions = all_matching(patterns)
    return ACTIONS - actions if is_negated else actions


def _resources(patterns: Iterable[str], has_variables: bool, dialect: Dialect) -> Iterable[Template]:
    """What follows `arn:aws:s3:::`. Those of other services match nothing and are left out."""
    for pattern in patterns:
        rest = rest_in_bucket(pattern, dialect.bucket) if dialect.bucket is not None else rest_of_identity(pattern)
        if rest is None:
            raise dialect.refuse("Policy has invalid resource")
        if rest:
            yield read_template(rest, has_variables=has_variables)


def rest_in_bucket(pattern: str, bucket: str) -> str | None:
    """What follows `arn:aws:s3:::`. None for a resource that can't be in the bucket. A pattern may be wider than that:
    `*`, `*/*`.
    """
    rest = pattern.removeprefix(_S3)
    name = rest.partition("/")[0]
    is_in = rest != pattern and read_template(name, has_variables=False).matches(bucket, _no_facts)
    return rest if is_in else None


def rest_of_identity(pattern: str) -> str | None:
    """The same; "" for what isn't S3's, None for what is no ARN."""
    if pattern == "*":
        return pattern
    parts = pattern.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":
        return None
    of_s3 = zip(parts[1:5], ("aws", "s3", "", ""), strict=True)
    return (
        parts[5]
        if all(read_template(part, has_variables=False).matches(text, _no_facts) for part, text in of_s3)
        else ""
    )


def _no_facts(key: str) -> tuple[str, ...]:
    return ()


def _conditions(raw: dict[str, Any], has_variables: bool, dialect: Dialect) -> tuple[Condition, ...]:
    try:
        return tuple(
            read_conditions(
                raw.get("Condition", {}), has_variables=has_variables, is_of_bucket=dialect.bucket is not None
            )
        )
    except MalformedCondition as error:
        raise dialect.refuse(str(error)) from None


def _check_combinations(
    actions: list[str], resources: list[str] | None, conditions: tuple[Condition, ...], dialect: Dialect
) -> None:
    """Each action must act on one of the resources, and its requests must have each condition's key; of an action with
    wildcards one must that it names.
    """
    applicable = ON_OBJECTS | ON_BUCKETS
    if resources is not None:
        on_objects = ON_OBJECTS if any("/" in item for item in resources) else frozenset()
        on_buckets = ON_BUCKETS if any("/" not in item for item in resources) else frozenset()
        applicable = on_objects | on_buckets
    for pattern in actions:
        meant = matching(pattern) & applicable
        if not meant:
            raise dialect.refuse("Action does not apply to any resource(s) in statement")
        for condition in conditions:
            if condition.key.actions is not None and not meant & condition.key.actions:
                raise dialect.refuse("Conditions do not apply to combination of actions and resources in statement")
