"""moto's IAM engine, asked about the same policies. It is small: what it leaves out is listed, and explains all that
differs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.iam.exceptions import MalformedPolicyDocument as MotoMalformedPolicyDocument
from moto.iam.policy_validation import IAMPolicyDocumentValidator

from s3gw.access.parse import parse_identity_policy
from s3gw.errors import MalformedPolicyDocument
from tests.access.policies import ALICE, BUCKET_ARN, KEY_ARN, document, effect_of, of_identity
from tests.access.test_examples import OF_BUCKETS, OF_IDENTITIES, Request

EFFECTS = {PermissionResult.PERMITTED: "Allow", PermissionResult.DENIED: "Deny", PermissionResult.NEUTRAL: None}


def moto_says(text: str, request: Request) -> str | None:
    facts: dict[str, Any] = dict(request.facts)
    answer = IAMPolicy(text).is_action_permitted(request.action, request.resource, incoming_condition_values=facts)
    return EFFECTS[answer]


Statement = dict[str, Any]


def is_unfulfilled(statement: Statement, request: Request) -> bool:
    """For moto: a StringEquals that fails."""
    wanted = statement.get("Condition", {}).get("StringEquals", {})
    return any(
        key in request.facts and request.facts[key] not in (value if isinstance(value, list) else [value])
        for key, value in wanted.items()
    )


DIFFERENCES: dict[str, Callable[[Statement, Request], bool]] = {
    "an operator other than StringEquals is taken as fulfilled": lambda statement, request: bool(
        statement.get("Condition", {}).keys() - {"StringEquals"}
    ),
    "a StringEquals of a key that is absent is taken as fulfilled": lambda statement, request: bool(
        statement.get("Condition", {}).get("StringEquals", {}).keys() - request.facts.keys()
    ),
    "a statement whose condition fails denies, an Allow too": is_unfulfilled,
    "who asks isn't compared with Principal": lambda statement, request: statement.get("Principal", "*") != "*",
    "NotPrincipal isn't read": lambda statement, request: "NotPrincipal" in statement,
    "a statement with NotResource allows, a Deny too": lambda statement, request: "NotResource" in statement,
    "variables aren't replaced": lambda statement, request: "${" in str(statement.get("Resource")),
}
ASKED = [
    (statements, request)
    for statements, requests in [*OF_BUCKETS.values(), *OF_IDENTITIES.values()]
    for request in requests
]


def differing() -> list[tuple[list[Statement], Request]]:
    return [
        (statements, request)
        for statements, request in ASKED
        if moto_says(document(*statements), request) != request.expected
    ]


def test_moto_agrees_on_aws_examples_but_for_what_it_leaves_out() -> None:
    for statements, request in differing():
        found = [name for item in statements for name, explains in DIFFERENCES.items() if explains(item, request)]
        assert found, (statements, request)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_each_difference_explains_something(name: str) -> None:
    """Else moto has learned it, and its opinion counts there."""
    assert any(DIFFERENCES[name](item, request) for statements, request in differing() for item in statements)


def test_moto_agrees_on_some() -> None:
    assert len(ASKED) - len(differing()) > len(ASKED) // 3


ELEMENTS = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Resource": st.lists(
            st.sampled_from(
                [
                    "*",
                    f"{BUCKET_ARN}/*",
                    f"{BUCKET_ARN}/cats/*",
                    f"{BUCKET_ARN}/*/tom*",
                    f"{BUCKET_ARN}",
                    "arn:aws:s3:::other/*",
                ]
            ),
            min_size=1,
            max_size=3,
        ),
    }
)
ACTIONS = st.tuples(
    st.sampled_from(["Action", "NotAction"]),
    st.lists(
        st.sampled_from(["*", "s3:*", "s3:Get*", "s3:*Object", "s3:GetObject", "s3:Put*Tagging", "ec2:*"]),
        min_size=1,
        max_size=3,
    ),
)


@given(
    st.lists(st.tuples(ELEMENTS, ACTIONS), min_size=1, max_size=5),
    st.sampled_from(["s3:GetObject", "s3:PutObject", "s3:PutObjectTagging", "s3:ListBucket", "s3:DeleteBucket"]),
    st.sampled_from([KEY_ARN, BUCKET_ARN, f"{BUCKET_ARN}/dogs/rex"]),
)
def test_moto_agrees_on_effects_actions_and_resources(made: list[Any], action: str, resource: str) -> None:
    text = document(*[{**elements, name: patterns} for elements, (name, patterns) in made])
    request = Request(ALICE, action, resource, {}, None)
    assert effect_of(text, ALICE, action, resource, bucket=None) == moto_says(text, request)


BOTH_REFUSE = [
    "{",
    json.dumps({"Version": "2012-10-18", "Statement": [of_identity()]}),
    document(of_identity(Resource=None)),
    document(of_identity(Action=None)),
    document(of_identity(Effect="allow")),
    document(of_identity(Sid="a"), of_identity(Sid="a")),
    document(of_identity(Action="GetObject")),
    document(of_identity(Resource="pictures")),
    document(of_identity(Effects="Allow")),
    document(of_identity(Condition={"StringIs": {"aws:Referer": "a"}})),
    document(of_identity(Condition=["a"])),
    document({}),
]
MOTO_ACCEPTS = {
    "a Principal, which IAM refuses": document(of_identity(Principal="*")),
    "any Sid; IAM's are [0-9A-Za-z]*": document(of_identity(Sid="a b")),
}
BOTH_ACCEPT = [
    document(of_identity()),
    document(of_identity(Sid="A1", Resource="*", Action=["s3:*", "ec2:Get*"])),
    document(of_identity(Resource=None, NotResource=f"{BUCKET_ARN}/*")),
    document(of_identity(Action=None, NotAction="s3:*")),
    document(of_identity(Condition={"ForAnyValue:StringLikeIfExists": {"aws:Referer": ["a", "b"]}})),
]


@pytest.mark.parametrize("text", BOTH_REFUSE)
def test_moto_refuses_the_same_identity_policies(text: str) -> None:
    with pytest.raises(MotoMalformedPolicyDocument):
        IAMPolicyDocumentValidator(text).validate()
    with pytest.raises(MalformedPolicyDocument):
        parse_identity_policy(text)


@pytest.mark.parametrize("text", BOTH_ACCEPT)
def test_moto_accepts_the_same_identity_policies(text: str) -> None:
    IAMPolicyDocumentValidator(text).validate()
    assert parse_identity_policy(text).statements


@pytest.mark.parametrize("difference", MOTO_ACCEPTS)
def test_moto_checks_less_of_identity_policies_than_iam(difference: str) -> None:
    IAMPolicyDocumentValidator(MOTO_ACCEPTS[difference]).validate()
    with pytest.raises(MalformedPolicyDocument):
        parse_identity_policy(MOTO_ACCEPTS[difference])
