"""Each key by itself, keys that can't be known here, and policy variables."""

from __future__ import annotations

import pytest

from s3gw.access.actions import ON_BUCKETS, ON_OBJECTS
from s3gw.access.condition_keys import KEYS, ConditionKey, find_key
from s3gw.operations.facts import FACTS
from tests.access.policies import BUCKET_ARN, KEY_ARN, NOBODY, condition_holds, document, effect_of, statement

KNOWN = sorted(key.name for key in KEYS.values() if not key.is_unknowable)
UNKNOWABLE = sorted(key.name for key in KEYS.values() if key.is_unknowable)


def whole(name: str) -> str:
    return f"{name}color" if name.endswith("/") else name


def request_of(key: ConditionKey) -> tuple[str, str]:
    """An action that has the key, and what it acts on."""
    action = sorted((key.actions or {"s3:GetObject"}) & (ON_BUCKETS | ON_OBJECTS))[0]
    return action, BUCKET_ARN if action in ON_BUCKETS else f"{BUCKET_ARN}/*"


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("spell", [str, str.upper, str.lower])
def test_a_key_is_asked_for_in_its_own_spelling_however_the_policy_spells_it(name: str, spell: type[str]) -> None:
    action, resource = request_of(KEYS[name.lower()])
    spelled = spell(name) + ("color" if name.endswith("/") else "")
    condition = {"StringEquals": {spelled: "red"}}
    assert condition_holds(condition, {whole(name): "red"}, Action=action, Resource=resource)
    assert not condition_holds(condition, {whole(name): "blue"}, Action=action, Resource=resource)
    assert not condition_holds(condition, {}, Action=action, Resource=resource)


@pytest.mark.parametrize("name", UNKNOWABLE)
@pytest.mark.parametrize(
    "operator", ["StringEquals", "StringNotEquals", "StringEqualsIfExists", "Null", "ForAllValues:StringNotLike"]
)
def test_what_cannot_be_known_never_allows_and_always_denies(name: str, operator: str) -> None:
    for value in ("true", "false"):
        condition = {operator: {whole(name): value}}
        assert effect_of(document(statement("Allow", Condition=condition))) is None
        assert effect_of(document(statement("Deny", Condition=condition))) == "Deny"


def test_a_deny_that_cannot_be_known_still_needs_its_other_conditions() -> None:
    condition = {"StringEquals": {"aws:SourceVpc": "vpc-1", "aws:UserAgent": "curl"}}
    text = document(statement("Deny", Condition=condition))
    assert effect_of(text, facts={"aws:UserAgent": "curl"}) == "Deny"
    assert effect_of(text, facts={"aws:UserAgent": "boto"}) is None


def test_a_key_that_aws_does_not_document_is_absent_and_never_asked_for() -> None:
    assert not condition_holds({"StringEquals": {"aws:Nonsense": "x"}}, {"aws:Nonsense": "x"})
    assert condition_holds({"StringNotEquals": {"aws:Nonsense": "x"}}, {"aws:Nonsense": "x"})


@pytest.mark.parametrize("name", ["s3:Nonsense", "ec2:Region", "prefix", "s3:ExistingObjectTag", "s3:prefix/a", "aws:"])
def test_other_names_are_no_keys(name: str) -> None:
    assert find_key(name) is None


def test_tag_keys_keep_their_case() -> None:
    condition = {"StringEquals": {"s3:existingobjecttag/Color": "red"}}
    assert condition_holds(condition, {"s3:ExistingObjectTag/Color": "red"})
    assert not condition_holds(condition, {"s3:ExistingObjectTag/color": "red"})


USERNAME = {"aws:username": "alice", "s3:prefix": "home/alice/"}


@pytest.mark.parametrize(
    ("pattern", "key", "facts", "expected"),
    [
        ("home/${aws:username}/*", "home/alice/a", USERNAME, True),
        ("home/${AWS:UserName}/*", "home/alice/a", USERNAME, True),
        ("home/${aws:username}/*", "home/bob/a", USERNAME, False),
        ("home/${aws:username}/*", "home//a", {}, False),
        ("home/${aws:username, 'guest'}/*", "home/guest/a", {}, True),
        ("home/${aws:username,'guest'}/*", "home/alice/a", USERNAME, True),
        ("home/${ aws:username , 'guest' }/*", "home/guest/a", {}, True),
        ("home/${aws:username, ''}x", "home/x", {}, True),
        ("${aws:PrincipalTag/team}/*", "red/a", {"aws:PrincipalTag/team": "red"}, True),
        ("${aws:username}/*", "bob/a", {"aws:username": "*"}, False),
        ("${aws:username}/*", "*/a", {"aws:username": "*"}, True),
        ("${aws:username}/*", "a/a", {"aws:username": ("a", "b")}, False),
        ("${aws:Nonsense, 'x'}/*", "x/a", {}, True),
        ("a${}b${ }c", "a${}b${ }c", {}, True),
        ("${aws:Nonsense}/*", "x/a", {"aws:Nonsense": "x"}, False),
        ("a${*}b", "a*b", {}, True),
        ("a${*}b", "axb", {}, False),
        ("a${?}b", "a?b", {}, True),
        ("a${?}b", "axb", {}, False),
        ("a${$}{aws:username}", "a${aws:username}", USERNAME, True),
        ("a${aws:username", "a${aws:username", USERNAME, True),
    ],
)
def test_variables_are_replaced_in_resources(pattern: str, key: str, facts: dict[str, str], expected: bool) -> None:
    text = document(statement(Resource=f"{BUCKET_ARN}/{pattern}"))
    assert (effect_of(text, resource=f"{BUCKET_ARN}/{key}", facts=facts) == "Allow") is expected


def test_variables_are_replaced_in_strings_and_arns_of_conditions() -> None:
    facts = {"aws:username": "Alice", "aws:UserAgent": "alice", "aws:PrincipalArn": "arn:aws:iam::1:user/Alice"}
    assert condition_holds({"StringEqualsIgnoreCase": {"aws:UserAgent": "${aws:username}"}}, facts)
    assert not condition_holds({"StringEquals": {"aws:UserAgent": "${aws:username}"}}, facts)
    assert condition_holds({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/${aws:username}"}}, facts)
    assert condition_holds({"StringLike": {"aws:UserAgent": "${aws:username, 'x'}${*}"}}, {"aws:UserAgent": "x*"})


def test_version_2008_has_no_variables() -> None:
    text = document(statement(Resource=f"{BUCKET_ARN}/${{aws:username}}"), version="2008-10-17")
    assert effect_of(text, resource=f"{BUCKET_ARN}/alice", facts=USERNAME) is None
    assert effect_of(text, resource=f"{BUCKET_ARN}/${{aws:username}}", facts=USERNAME) == "Allow"


def test_a_variable_without_a_value_never_helps_an_allow_nor_hinders_a_deny() -> None:
    """AWS: "this might cause the entire statement to be invalid"; the safe side is taken."""
    condition = {"StringNotEquals": {"aws:UserAgent": "${aws:username}"}}
    for element in ({"Condition": condition}, {"Resource": None, "NotResource": f"{BUCKET_ARN}/${{aws:username}}"}):
        facts = {"aws:UserAgent": "curl"}
        assert effect_of(document(statement("Allow", **element)), NOBODY, facts=facts) is None
        assert effect_of(document(statement("Deny", **element)), NOBODY, facts=facts) == "Deny"


@pytest.mark.parametrize("element", ["Resource", "NotResource"])
def test_a_variable_that_cannot_be_known_never_allows_and_denies(element: str) -> None:
    elements = {"Resource": None, element: f"{BUCKET_ARN}/${{aws:SourceVpc}}/*"}
    resource = f"{BUCKET_ARN}/vpc-1/a"
    assert effect_of(document(statement("Allow", **elements)), resource=resource) is None
    assert effect_of(document(statement("Deny", **elements)), resource=resource) == "Deny"
    condition = {"StringNotEquals": {"aws:UserAgent": "${aws:SourceVpc}"}}
    assert effect_of(document(statement("Allow", Condition=condition)), resource=KEY_ARN) is None
    assert effect_of(document(statement("Deny", Condition=condition)), resource=KEY_ARN) == "Deny"


def test_every_fact_of_a_call_is_a_key_that_a_policy_can_ask_for() -> None:
    assert all(KEYS[name.lower()].name == name and not KEYS[name.lower()].is_unknowable for name in FACTS)
