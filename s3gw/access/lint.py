"""What is wrong with a policy, what of it is public, and what of it means something else here than on AWS."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from s3gw.access.actions import ACTIONS, ON_BUCKETS, ON_OBJECTS, matching
from s3gw.access.close_names import hint_of_action
from s3gw.access.parse import Dialect, read_envelope, read_statement, rest_of_identity
from s3gw.access.policy import Condition, Statement
from s3gw.access.public import is_public_statement
from s3gw.access.refused_parts import explained, explained_text, strings_of
from s3gw.errors import MalformedPolicy, MalformedPolicyDocument, S3Error

_VARIABLE = re.compile(r"\$\{[^}]*\}")
# Actions, what they are about, and which patterns, without `arn:aws:s3:::`, can match that: `*` and `?` match a slash
# too.
_ABOUT: tuple[tuple[frozenset[str], str, Callable[[str], object]], ...] = (
    (ON_OBJECTS, "objects, as arn:aws:s3:::BUCKET/* names them", re.compile(r"[/*?]").search),
    (ON_BUCKETS, "a bucket, as arn:aws:s3:::BUCKET names it", re.compile("[^/]+").fullmatch),
    (ACTIONS - ON_OBJECTS - ON_BUCKETS, 'the account, as "*" names it', re.compile(r"[*?]+").fullmatch),
)

Severity = Literal["error", "warning", "note"]


class Finding(NamedTuple):
    """`where` is a statement's Sid or number, "" for the policy. An error is what would be refused."""

    severity: Severity
    where: str
    what: str


# The actions that an operation of S3's API needs; none for a name that isn't one's.
NeedsOf = Callable[[str], Sequence[str]]


def _unknown(operation: str) -> Sequence[str]:
    return ()


def lint(text: str | bytes, bucket: str | None, needs_of: NeedsOf = _unknown) -> list[Finding]:
    """`bucket`: whose policy it is to be; None for an identity policy."""
    dialect = Dialect(bucket, MalformedPolicyDocument if bucket is None else MalformedPolicy)
    try:
        version, raw = read_envelope(text, dialect)
    except S3Error as error:
        return [Finding("error", "", explained_text(error.message, text))]
    findings: list[Finding] = []
    for number, item in enumerate(raw, 1):
        try:
            statement = read_statement(item, str(number), version, dialect)
        except S3Error as error:
            sid = item.get("Sid") if isinstance(item, dict) else None
            what = explained(error.message, item, bucket)
            findings.append(Finding("error", sid if isinstance(sid, str) and sid else str(number), what))
            continue
        findings += (Finding(severity, statement.name, what) for severity, what in _of_statement(statement))
        findings += (Finding("warning", statement.name, what) for what in _of_combinations(item, statement, bucket))
        findings += (Finding(severity, statement.name, what) for severity, what in _of_text(item, version, needs_of))
    return [*findings, *_of_names(raw, bucket)]


def _of_names(raw: list[object], bucket: str | None) -> Iterator[Finding]:
    names = [item["Sid"] for item in raw if isinstance(item, dict) and isinstance(item.get("Sid"), str) and item["Sid"]]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Finding(
            "error" if bucket is None else "warning", name, "Statement IDs (SID) in a single policy must be unique."
        )


def _of_statement(statement: Statement) -> Iterator[tuple[Severity, str]]:
    if is_public_statement(statement):
        yield "warning", "everybody is allowed this: the policy is public"
    outcome = "the statement never applies" if statement.effect == "Allow" else "the condition always holds"
    for condition in statement.unknowable:
        yield "warning", f"{_written(condition)} exists on AWS, but can't be known here: {outcome}"
    if statement.has_unknowable_resource:
        outcome = "the statement never applies" if statement.effect == "Allow" else "it stands for anything"
        yield "warning", f"a resource has a variable that can't be known here: {outcome}"
    for condition in statement.conditions:
        yield from _of_condition(condition, statement.effect)
    principals = statement.principals
    if principals is not None:
        for name in sorted(principals.foreign):
            yield "note", f"nobody here is {name}"
        if principals.users:
            yield "note", "users that aren't there are accepted, and meant once they are: AWS refuses such a policy"
        if principals.is_negated and principals.users:
            yield "note", "on AWS, NotPrincipal must name a user's account too, or the user may be denied"


def _of_condition(condition: Condition, effect: str) -> Iterator[tuple[Severity, str]]:
    written = _written(condition)
    if condition.key.is_absent:
        yield "warning", f"{written} is no key that a request to S3 has: it is always absent"
    if not condition.written:
        yield "warning", f"{written} has no values, and none can match"
    elif len(condition.tests) < len(condition.written):
        yield "warning", f"{written} has a value that isn't of the operator's type, and never matches"
    if effect == "Allow" and condition.operator.quantifier == "ForAllValues":
        yield "warning", f"{written} also holds where the request has no such key"


def _of_combinations(item: dict[str, object], statement: Statement, bucket: str | None) -> Iterator[str]:
    """What AWS refuses in the policy of a bucket, and accepts in an identity policy, where it does nothing."""
    for condition in statement.conditions:
        if condition.key.actions is not None and not statement.actions & condition.key.actions:
            yield f"{_written(condition)}: no request of the statement's actions has this key"
    if bucket is not None or "Resource" not in item:
        return
    resources = [_VARIABLE.sub("*", rest_of_identity(one) or "") for one in strings_of(item, "Resource")]
    about = [(actions, what) for actions, what, fits in _ABOUT if any(map(fits, filter(None, resources)))]
    for action in strings_of(item, "Action"):
        named = matching(action)
        if named and not any(named & actions for actions, _ in about):
            expected = next(what for actions, what, _ in _ABOUT if named & actions)
            yield f"{action} never applies to these resources: it is about {expected}"


def _of_text(item: dict[str, object], version: str, needs_of: NeedsOf) -> Iterator[tuple[Severity, str]]:
    if version == "2008-10-17" and "${" in str(item):
        yield "warning", "variables need Version 2012-10-17: here ${…} is plain text"
    for action in strings_of(item, "Action", "NotAction"):
        if not matching(action):
            yield _unknown_action(action, needs_of)


def _unknown_action(action: str, needs_of: NeedsOf) -> tuple[Severity, str]:
    """Those of other services are nothing to S3; a misspelt one is a rule that isn't there."""
    if not action.lower().startswith("s3:"):
        return "note", f"{action} is no action of S3"
    if needed := needs_of(action[len("s3:") :]):
        return "warning", f"{action} is an operation and no action: it needs {' and '.join(needed)}"
    return "warning", f"{action} is no action of S3{hint_of_action(action)}"


def _written(condition: Condition) -> str:
    named = condition.operator
    prefix = f"{named.quantifier}:" if named.quantifier else ""
    return f"{prefix}{named.name}{'IfExists' if named.if_exists else ''} {condition.key.name}"
