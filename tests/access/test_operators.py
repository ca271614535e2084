"""Each operator by itself: what it compares, absent keys, sets of values, wrong types."""

from __future__ import annotations

from typing import Any

import pytest

from s3gw.access.operators import OPERATORS
from tests.access.policies import condition_holds

AGENT, IP, TIME, SECURE, ARN, AGE = (
    "aws:UserAgent",
    "aws:SourceIp",
    "aws:CurrentTime",
    "aws:SecureTransport",
    "aws:PrincipalArn",
    "s3:signatureAge",
)
NOON = "2026-07-01T12:00:00Z"
USER = "arn:aws:iam::111122223333:user/alice"

# operator, key, the policy's value, a fact that it holds for, one that it doesn't
CASES: list[tuple[str, str, Any, str, str]] = [
    ("StringEquals", AGENT, "curl", "curl", "Curl"),
    ("StringEquals", AGENT, ["curl", "wget"], "wget", "boto"),
    ("StringEquals", AGENT, "c*", "c*", "curl"),
    ("StringNotEquals", AGENT, "curl", "Curl", "curl"),
    ("StringNotEquals", AGENT, ["curl", "wget"], "boto", "wget"),
    ("StringEqualsIgnoreCase", AGENT, "cURL", "Curl", "curls"),
    ("StringNotEqualsIgnoreCase", AGENT, "cURL", "curls", "Curl"),
    ("StringLike", AGENT, "c?rl/*", "curl/8", "Curl/8"),
    ("StringNotLike", AGENT, "c?rl/*", "Curl/8", "curl/8"),
    ("NumericEquals", AGE, "10", "10.0", "11"),
    ("NumericEquals", AGE, 10, "10", "11"),
    ("NumericNotEquals", AGE, "10", "11", "10"),
    ("NumericLessThan", AGE, "10", "9", "10"),
    ("NumericLessThanEquals", AGE, "10", "10", "11"),
    ("NumericGreaterThan", AGE, "10", "11", "10"),
    ("NumericGreaterThanEquals", AGE, "10", "10", "9"),
    ("NumericEquals", AGE, "10", "10", "ten"),
    ("DateEquals", TIME, NOON, "2026-07-01T14:00:00+02:00", "2026-07-01T12:00:01Z"),
    ("DateNotEquals", TIME, NOON, "2026-07-01T12:00:01Z", NOON),
    ("DateLessThan", TIME, NOON, "2026-07-01T11:59:59Z", NOON),
    ("DateLessThanEquals", TIME, NOON, NOON, "2026-07-01T12:00:01Z"),
    ("DateGreaterThan", TIME, NOON, "2026-07-01T12:00:01Z", NOON),
    ("DateGreaterThanEquals", TIME, NOON, NOON, "2026-07-01T11:59:59Z"),
    ("DateGreaterThan", TIME, "2026-07-01", NOON, "2026-06-30T23:59:59Z"),
    ("DateLessThan", "aws:EpochTime", "1700000000", "1699999999", "1700000000"),
    ("DateLessThan", "aws:EpochTime", "2023-11-14T22:13:20Z", "1699999999", "1700000000"),
    ("NumericLessThan", "aws:EpochTime", "1700000000", "1699999999", "1700000000"),
    ("Bool", SECURE, "true", "true", "false"),
    ("Bool", SECURE, False, "false", "true"),
    ("Bool", SECURE, "TRUE", "true", "yes"),
    ("BinaryEquals", AGENT, "QmluYXJ5", "QmluYXJ5", "QmluYXJ6"),
    ("IpAddress", IP, "203.0.113.0/24", "203.0.113.255", "203.0.114.0"),
    ("IpAddress", IP, "203.0.113.9", "203.0.113.9", "203.0.113.8"),
    ("IpAddress", IP, "203.0.113.77/24", "203.0.113.1", "nonsense"),
    ("IpAddress", IP, ["203.0.113.0/24", "2001:db8::/32"], "2001:db8:1::1", "2001:db9::1"),
    ("IpAddress", IP, "0.0.0.0/0", "203.0.113.1", "2001:db8::1"),
    ("IpAddress", IP, "203.0.113.0/24", "::ffff:203.0.113.1", "::203.0.113.1"),
    ("NotIpAddress", IP, "203.0.113.0/24", "203.0.114.0", "203.0.113.255"),
    ("NotIpAddress", IP, ["203.0.113.0/24", "2001:db8::/32"], "2001:db9::1", "2001:db8:1::1"),
    ("ArnEquals", ARN, USER, USER, "arn:aws:iam::111122223333:user/bob"),
    ("ArnEquals", ARN, "arn:aws:iam::*:user/al*", USER, "arn:aws:iam::111122223333:group/alice"),
    ("ArnLike", ARN, "arn:aws:iam::111122223333:user/*", USER, "arn:aws:iam::444455556666:user/alice"),
    ("ArnLike", ARN, "arn:*:*:*:*:user/alice", USER, "arn:user/alice"),
    ("ArnNotEquals", ARN, USER, "arn:aws:iam::111122223333:user/bob", USER),
    ("ArnNotLike", ARN, "arn:aws:iam::*:user/al*", "arn:aws:iam::111122223333:user/bob", USER),
]
NEGATED = sorted(name for name in OPERATORS if OPERATORS[name].is_negated)
VALUES = {name: value for name, _, value, _, _ in CASES}
KEYS = {name: key for name, key, _, _, _ in CASES}


@pytest.mark.parametrize(("operator", "key", "value", "holds", "fails"), CASES)
def test_an_operator_holds_for_what_aws_documents(operator: str, key: str, value: Any, holds: str, fails: str) -> None:
    condition = {operator: {key: value}}
    assert condition_holds(condition, {key: holds})
    assert not condition_holds(condition, {key: fails})


def test_every_operator_has_a_case() -> None:
    assert {name for name, *_ in CASES} == set(OPERATORS) - {"Null"}


@pytest.mark.parametrize("operator", sorted(VALUES))
def test_an_absent_key_fulfils_only_negated_operators_and_if_exists(operator: str) -> None:
    key, value = KEYS[operator], VALUES[operator]
    assert condition_holds({operator: {key: value}}, {}) == (operator in NEGATED)
    assert condition_holds({f"{operator}IfExists": {key: value}}, {})


@pytest.mark.parametrize(("operator", "key", "value", "holds", "fails"), CASES)
def test_if_exists_changes_nothing_where_the_key_is_there(
    operator: str, key: str, value: Any, holds: str, fails: str
) -> None:
    condition = {f"{operator}IfExists": {key: value}}
    assert condition_holds(condition, {key: holds})
    assert not condition_holds(condition, {key: fails})


@pytest.mark.parametrize(
    ("value", "facts", "expected"),
    [
        ("true", {}, True),
        ("true", {AGENT: "curl"}, False),
        ("false", {}, False),
        ("false", {AGENT: "curl"}, True),
        (True, {}, True),
        ("false", {AGENT: ""}, True),
    ],
)
def test_null_tells_whether_the_key_is_absent(value: Any, facts: dict[str, str], expected: bool) -> None:
    for operator in ("Null", "ForAnyValue:Null", "ForAllValues:Null"):
        assert condition_holds({operator: {AGENT: value}}, facts) is expected


TAGS = "s3:RequestObjectTagKeys"


@pytest.mark.parametrize(
    ("operator", "present", "expected"),
    [
        ("ForAllValues:StringEquals", ["a"], True),
        ("ForAllValues:StringEquals", ["a", "b"], True),
        ("ForAllValues:StringEquals", ["a", "c"], False),
        ("ForAllValues:StringEquals", [], True),
        ("ForAllValues:StringEquals", [""], True),
        ("ForAnyValue:StringEquals", ["a", "c"], True),
        ("ForAnyValue:StringEquals", ["c"], False),
        ("ForAnyValue:StringEquals", [], False),
        ("ForAnyValue:StringEquals", [""], False),
        ("ForAnyValue:StringEqualsIfExists", [], True),
        ("ForAnyValue:StringEqualsIfExists", ["c"], False),
        ("ForAllValues:StringNotEquals", ["c", "d"], True),
        ("ForAllValues:StringNotEquals", ["a", "c"], False),
        ("ForAnyValue:StringNotEquals", ["a", "c"], True),
        ("ForAnyValue:StringNotEquals", ["a"], False),
        ("ForAnyValue:StringNotEquals", [], False),
        ("StringEquals", ["c", "b"], True),
        ("StringNotEquals", ["c", "b"], False),
        ("StringNotEquals", ["c", "d"], True),
    ],
)
def test_sets_of_values_are_compared_as_aws_documents(operator: str, present: list[str], expected: bool) -> None:
    condition = {operator: {TAGS: ["a", "b"]}}
    assert condition_holds(condition, {TAGS: present}, Action="s3:PutObject") is expected


@pytest.mark.parametrize(
    ("operator", "key", "value"),
    [
        ("NumericEquals", AGE, "ten"),
        ("NumericLessThan", AGE, "1_0"),
        ("NumericLessThan", AGE, "inf"),
        ("DateLessThan", TIME, "tomorrow"),
        ("Bool", SECURE, "yes"),
        ("BinaryEquals", AGENT, "not base64"),
        ("ArnEquals", ARN, "*"),
    ],
)
def test_a_value_of_a_wrong_type_equals_nothing(operator: str, key: str, value: str) -> None:
    for fact in (value, "1", "true", "", NOON, USER):
        assert not condition_holds({operator: {key: value}}, {key: fact})


def test_all_operators_and_all_keys_have_to_hold() -> None:
    condition = {"StringEquals": {AGENT: "curl", "aws:Referer": "here"}, "Bool": {SECURE: "true"}}
    facts = {AGENT: "curl", "aws:Referer": "here", SECURE: "true"}
    assert condition_holds(condition, facts)
    for key in facts:
        assert not condition_holds(condition, {**facts, key: "other"})


def test_an_empty_list_of_values_matches_nothing() -> None:
    assert not condition_holds({"StringEquals": {AGENT: []}}, {AGENT: "curl"})
