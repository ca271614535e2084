"""One policy, one request: what applies, what wins, in which order facts are asked for, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from sys import getrefcount
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gw.access import evaluate
from s3gw.access.evaluate import Verdict, decide_policy
from s3gw.access.parse import LARGEST_OF_BUCKET, parse_bucket_policy, parse_identity_policy
from tests.access.policies import (
    ALICE,
    BUCKET,
    BUCKET_ARN,
    KEY_ARN,
    NO_FACTS,
    NOBODY,
    ROOT,
    STRANGER,
    document,
    effect_of,
    facts_of,
    of_identity,
    statement,
)


def verdict(*statements: dict[str, Any]) -> Verdict:
    return decide_policy(
        parse_bucket_policy(document(*statements), BUCKET), STRANGER, "s3:GetObject", KEY_ARN, NO_FACTS
    )


def test_a_verdict_names_the_statement_by_its_sid_or_its_number() -> None:
    allow, deny = statement(), statement("Deny")
    assert verdict(allow) == Verdict("Allow", "1", "everybody")
    assert verdict(allow, {**deny, "Sid": "NoTemp"}) == Verdict("Deny", "NoTemp")
    assert verdict(allow, deny) == Verdict("Deny", "2")
    assert verdict({**allow, "Action": "s3:PutObject"}) == Verdict(None)


def test_an_identity_policy_names_nobody() -> None:
    policy = parse_identity_policy(document(of_identity(Action="s3:*", Resource="*")))
    allowed = Verdict("Allow", "1", policy="an identity policy")
    assert decide_policy(policy, ALICE, "s3:ListAllMyBuckets", "*", NO_FACTS) == allowed
    assert decide_policy(policy, ALICE, "s3:GetObject", KEY_ARN, NO_FACTS) == allowed


def test_an_action_that_s3_has_not_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        decide_policy(parse_bucket_policy(document(statement()), BUCKET), ROOT, "s3:Other", KEY_ARN, NO_FACTS)


@pytest.mark.parametrize(
    ("elements", "resource", "expected"),
    [
        ({"Resource": f"{BUCKET_ARN}/*"}, KEY_ARN, "Allow"),
        ({"Resource": f"{BUCKET_ARN}/*"}, f"{BUCKET_ARN}/", "Allow"),
        ({"Resource": f"{BUCKET_ARN}/cats/t?m.jpg"}, KEY_ARN, "Allow"),
        ({"Resource": f"{BUCKET_ARN}/cats/"}, KEY_ARN, None),
        ({"Resource": f"{BUCKET_ARN}/CATS/*"}, KEY_ARN, None),
        ({"Resource": [f"{BUCKET_ARN}/dogs/*", f"{BUCKET_ARN}/cats/*"]}, KEY_ARN, "Allow"),
        ({"Resource": f"{BUCKET_ARN}/a:b*"}, f"{BUCKET_ARN}/a:b:c", "Allow"),
        ({"Resource": f"{BUCKET_ARN}/*"}, "arn:aws:s3:::pictures2/a", None),
        ({"Resource": None, "NotResource": f"{BUCKET_ARN}/dogs/*"}, KEY_ARN, "Allow"),
        ({"Resource": None, "NotResource": f"{BUCKET_ARN}/cats/*"}, KEY_ARN, None),
        ({"Action": None, "NotAction": "s3:Put*"}, KEY_ARN, "Allow"),
        ({"Action": None, "NotAction": ["s3:Put*", "s3:GetObject"]}, KEY_ARN, None),
    ],
)
def test_a_statement_applies_to_its_resources_and_actions(
    elements: dict[str, Any], resource: str, expected: str | None
) -> None:
    assert effect_of(document(statement(**elements)), resource=resource) == expected
    assert effect_of(document(statement("Deny", **elements)), resource=resource) == (expected and "Deny")


class NotReadYet(Exception):
    pass


def unread(key: str) -> Sequence[str]:
    """The facts before the object was read."""
    if key.startswith("s3:ExistingObjectTag/"):
        raise NotReadYet
    return ("curl",) if key == "aws:UserAgent" else ()


TAGGED = {"StringEquals": {"s3:ExistingObjectTag/temp": "yes"}}
BY_AGENT = {"StringEquals": {"aws:UserAgent": "curl"}}


def asked(*statements: dict[str, Any]) -> str | None:
    policy = parse_bucket_policy(document(*statements), BUCKET)
    return decide_policy(policy, STRANGER, "s3:GetObject", KEY_ARN, unread).effect


def test_of_a_policy_256_who_asked_are_remembered_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "_MOST_REMEMBERED", 3)
    policy = parse_bucket_policy(document(statement(Principal={"AWS": ["111122223333"]})), BUCKET)
    people = [ALICE._replace(user_id=str(number), name=str(number)) for number in range(5)]
    for who in [*people, *people, STRANGER]:
        assert decide_policy(policy, who, "s3:GetObject", KEY_ARN, NO_FACTS).effect == (
            None if who is STRANGER else "Allow"
        )
        assert 0 < len(policy.concerning) <= 3


def test_what_facts_raises_is_passed_on() -> None:
    for effect in ("Allow", "Deny"):
        with pytest.raises(NotReadYet):
            asked(statement(effect, Condition=TAGGED))


def test_a_fact_is_asked_for_only_when_all_else_fits() -> None:
    for element in (
        {"Principal": {"AWS": "111122223333"}},
        {"Resource": f"{BUCKET_ARN}/dogs/*"},
        {"Action": "s3:GetObjectTagging"},
        {"Condition": {**TAGGED, "StringNotEquals": {"aws:UserAgent": "curl"}}},
    ):
        assert asked(statement("Deny", **{"Condition": TAGGED, **element})) is None


def test_a_deny_that_needs_no_tags_decides_before_one_that_does() -> None:
    assert asked(statement("Deny", Condition=TAGGED), statement("Deny", Condition=BY_AGENT)) == "Deny"
    assert asked(statement("Allow", Condition=TAGGED), statement("Deny", Condition=BY_AGENT)) == "Deny"


def test_an_allow_that_needs_no_tags_decides_before_one_that_does() -> None:
    assert asked(statement("Allow", Condition=TAGGED), statement("Allow", Condition=BY_AGENT)) == "Allow"


def test_a_deny_that_needs_tags_is_not_skipped_for_an_allow() -> None:
    with pytest.raises(NotReadYet):
        asked(statement("Deny", Condition=TAGGED), statement("Allow"))


def test_a_variable_of_tags_is_asked_for_last_too() -> None:
    by_tag = statement("Deny", Resource=f"{BUCKET_ARN}/${{s3:ExistingObjectTag/temp}}/*")
    assert asked(by_tag, statement("Deny", Condition=BY_AGENT)) == "Deny"


PRINCIPALS = st.sampled_from(
    ["*", {"AWS": "111122223333"}, {"AWS": "arn:aws:iam::111122223333:user/alice"}, {"CanonicalUser": "b" * 64}]
)
CONDITIONS = st.sampled_from(
    [
        {},
        BY_AGENT,
        TAGGED,
        {"StringNotLike": {"aws:UserAgent": "c*"}},
        {"ForAllValues:StringEquals": {"aws:CalledVia": "a"}},
        {"Null": {"aws:Referer": "true"}},
    ]
)
STATEMENTS = st.builds(
    lambda effect, principal, action, key, condition: statement(
        effect, Principal=principal, Action=action, Resource=f"{BUCKET_ARN}/{key}", Condition=condition
    ),
    st.sampled_from(["Allow", "Deny"]),
    PRINCIPALS,
    st.sampled_from(["s3:GetObject", "s3:Get*", "s3:*", ["s3:GetObjectTagging", "s3:GetObject"]]),
    st.sampled_from(["*", "cats/*", "dogs/*", "${aws:username}/*"]),
    CONDITIONS,
)
REQUESTS = st.tuples(
    st.sampled_from([ROOT, ALICE, STRANGER, NOBODY]),
    st.sampled_from(["s3:GetObject", "s3:PutObject"]),
    st.sampled_from([KEY_ARN, f"{BUCKET_ARN}/dogs/rex.jpg"]),
    st.fixed_dictionaries(
        {},
        optional={
            "aws:UserAgent": st.sampled_from(["curl", "boto"]),
            "s3:ExistingObjectTag/temp": st.just("yes"),
            "aws:username": st.just("cats"),
        },
    ),
)


@given(st.lists(STATEMENTS, min_size=1, max_size=6), REQUESTS, st.randoms())
def test_the_order_of_statements_is_irrelevant(statements: list[dict[str, Any]], request_: Any, random: Any) -> None:
    shuffled = list(statements)
    random.shuffle(shuffled)
    assert effect_of(document(*statements), *request_) == effect_of(document(*shuffled), *request_)


@given(st.lists(STATEMENTS, min_size=1, max_size=6), STATEMENTS, REQUESTS)
def test_adding_an_allow_takes_nothing_away_and_adding_a_deny_gives_nothing(
    statements: list[dict[str, Any]], added: dict[str, Any], request_: Any
) -> None:
    before, after = (effect_of(document(*items), *request_) for items in (statements, [*statements, added]))
    changes = {(None, "Allow")} if added["Effect"] == "Allow" else {(None, "Deny"), ("Allow", "Deny")}
    assert before == after or (before, after) in changes


@given(st.lists(STATEMENTS, min_size=1, max_size=6), REQUESTS)
def test_a_policy_is_the_sum_of_its_statements_and_deny_wins(statements: list[dict[str, Any]], request_: Any) -> None:
    alone = {effect_of(document(item), *request_) for item in statements}
    expected = "Deny" if "Deny" in alone else "Allow" if "Allow" in alone else None
    assert effect_of(document(*statements), *request_) == expected


@given(st.lists(STATEMENTS, min_size=1, max_size=6), st.lists(REQUESTS, max_size=20))
def test_what_a_policy_remembers_changes_no_answer(statements: list[dict[str, Any]], requests: list[Any]) -> None:
    text = document(*statements)
    policy = parse_bucket_policy(text, BUCKET)
    for who, action, resource, facts in requests:
        effect = decide_policy(policy, who, action, resource, facts_of(facts)).effect
        assert effect == effect_of(text, who, action, resource, facts)


def test_values_of_256_characters_at_most_are_remembered() -> None:
    policy = parse_bucket_policy(document(statement(Condition=BY_AGENT)), BUCKET)
    for length, is_remembered in ((257, False), (256, True)):
        agent = "x" * length
        before = getrefcount(agent)
        decide_policy(policy, STRANGER, "s3:GetObject", KEY_ARN, facts_of({"aws:UserAgent": agent}))
        assert getrefcount(agent) - before == is_remembered


def test_twenty_statements_that_do_not_apply_cost_microseconds() -> None:
    made = [statement(Sid=str(i), Resource=f"{BUCKET_ARN}/{i}/*", Condition=BY_AGENT) for i in range(10)]
    made += [statement("Deny", Sid=f"d{i}", Action="s3:PutObject", Condition=BY_AGENT) for i in range(10)]
    policy = parse_bucket_policy(document(*made), BUCKET)
    started = process_time()
    for _ in range(200):
        assert decide_policy(policy, STRANGER, "s3:GetObject", KEY_ARN, NO_FACTS).effect is None
    assert (process_time() - started) / 200 < 200e-6  # 8 µs on a machine that does nothing else


def hostile(pattern: str, key: str | None) -> str:
    """As many statements as a bucket's policy has room for, whose patterns nearly match."""
    made: list[dict[str, Any]] = []
    while len(json.dumps({"Statement": made}, separators=(",", ":"))) < LARGEST_OF_BUCKET - 1000:
        wild = (
            pattern * (700 // len(pattern)) + f"z{len(made)}*"
        )  # ends with one: what precedes it has to be looked for
        made.append(
            statement("Deny", Resource=f"{BUCKET_ARN}/{wild}")
            if key is None
            else statement("Deny", Condition={"StringLike": {key: wild}})
        )
    return json.dumps({"Version": "2012-10-17", "Statement": made}, separators=(",", ":"))


@pytest.mark.parametrize(
    "pattern", ["*a", "*a?", "*?", "?*a", "*a?a?a?b", "${aws:username}*", "${aws:username, '*a?'}"]
)
@pytest.mark.parametrize("key", [None, "aws:UserAgent"])
def test_the_largest_policy_of_hostile_wildcards_is_evaluated_in_milliseconds(pattern: str, key: str | None) -> None:
    policy = parse_bucket_policy(hostile(pattern, key), BUCKET)
    facts = facts_of({"aws:UserAgent": "a" * 2048, "aws:username": "a"})
    resource = f"{BUCKET_ARN}/{'a' * 1024}"
    started = process_time()
    assert decide_policy(policy, STRANGER, "s3:GetObject", resource, facts).effect is None
    assert process_time() - started < 0.1  # 5 ms are aimed at, on a machine that does nothing else


@pytest.mark.parametrize("operator", [None, "StringLike", "StringEqualsIgnoreCase"])
def test_a_variable_that_stands_a_thousand_times_costs_milliseconds(operator: str | None) -> None:
    """Its value is a header, which may be as long as a head can be."""
    facts, repeated = {"aws:Referer": "a" * 30_000}, "${aws:Referer}" * 1200
    condition = None if operator is None else {operator: {"aws:Referer": repeated}}
    resource = f"{BUCKET_ARN}/" + (repeated if operator is None else "*")
    text = document(statement(Resource=resource, Condition=condition))
    assert effect_of(text, facts=facts) is None
    started = process_time()
    assert effect_of(text, facts=facts) is None
    assert process_time() - started < 0.02  # 1 ms; it was 30 to 80
