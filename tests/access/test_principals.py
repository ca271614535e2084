"""Whom Principal and NotPrincipal mean, and how a verdict says that somebody was named."""

from __future__ import annotations

from typing import Any

import pytest

from s3gw.access.evaluate import decide_policy
from s3gw.access.parse import parse_bucket_policy
from s3gw.access.policy import tied, users_of
from s3gw.access.principals import Who, read_principals
from tests.access.policies import ALICE, BUCKET, KEY_ARN, NO_FACTS, NOBODY, ROOT, STRANGER, document, statement

ARN = "arn:aws:iam::111122223333"


def named(who: Who, *principals: Any) -> str | None:
    policy = parse_bucket_policy(document(*(statement(Principal=item) for item in principals)), BUCKET)
    verdict = decide_policy(policy, who, "s3:GetObject", KEY_ARN, NO_FACTS)
    return verdict.named if verdict.effect else None


@pytest.mark.parametrize(
    ("principal", "alice", "root", "stranger", "nobody"),
    [
        ("*", "everybody", "everybody", "everybody", "everybody"),
        ({"AWS": "*"}, "everybody", "everybody", "everybody", "everybody"),
        ({"AWS": "111122223333"}, "account", "account", None, None),
        ({"AWS": f"{ARN}:root"}, "account", "account", None, None),
        ({"AWS": f"{ARN}:user/alice"}, "user", None, None, None),
        ({"AWS": "arn:aws:iam:::user/alice"}, "user", None, None, None),
        ({"AWS": "arn:aws:iam:::user/u-alice"}, "user", None, None, None),
        ({"AWS": "arn:aws:iam:::user/u-bob"}, None, None, "user", None),
        ({"AWS": f"{ARN}:user/u-alice"}, "user", None, None, None),
        ({"AWS": f"{ARN}:user/staff/alice"}, None, None, None, None),
        ({"AWS": "arn:aws:iam::444455556666:user/alice"}, None, None, None, None),
        ({"AWS": "arn:aws:iam::s3tenant1:root"}, None, None, None, None),
        ({"AWS": ["444455556666", f"{ARN}:user/alice"]}, "user", None, "account", None),
        ({"CanonicalUser": "a" * 64}, "canonical user", "canonical user", None, None),
        ({"AWS": f"{ARN}:role/admin"}, None, None, None, None),
        ({"AWS": "arn:aws:sts::111122223333:assumed-role/admin/session"}, None, None, None, None),
        ({"Service": "logging.s3.amazonaws.com"}, None, None, None, None),
        ({"Federated": "graph.facebook.com"}, None, None, None, None),
        ({"Service": "cloudfront.amazonaws.com", "AWS": "444455556666"}, None, None, "account", None),
    ],
)
def test_a_principal_names_whom_aws_documents(
    principal: Any, alice: str | None, root: str | None, stranger: str | None, nobody: str | None
) -> None:
    found = tuple(named(who, principal) for who in (ALICE, ROOT, STRANGER, NOBODY))
    assert found == (alice, root, stranger, nobody)


def test_the_closest_naming_of_all_allows_is_told() -> None:
    account, user, canonical = {"AWS": "111122223333"}, {"AWS": f"{ARN}:user/alice"}, {"CanonicalUser": "a" * 64}
    assert named(ALICE, account, user) == named(ALICE, user, account) == "user"
    assert named(ALICE, account, "*") == "everybody"
    assert named(ALICE, account, canonical) == "canonical user"


@pytest.mark.parametrize(
    "principal",
    [
        "",
        "111122223333",
        None,
        {},
        [],
        5,
        {"AWS": []},
        {"AWS": ""},
        {"AWS": None},
        {"AWS": "alice"},
        {"AWS": "12345"},
        {"AWS": "AIDAEXAMPLE"},
        {"AWS": f"{ARN}:*"},
        {"AWS": f"{ARN}:user/*"},
        {"AWS": f"{ARN}:user/a?"},
        {"AWS": f"{ARN}:user/"},
        {"AWS": f"{ARN}:user/a\n"},
        {"AWS": "arn:aws:iam::12345:root"},
        {"AWS": "arn:aws:iam:::root"},
        {"AWS": f"{ARN}:group/admins"},
        {"AWS": ["*", "alice"]},
        {"CanonicalUser": "*"},
        {"CanonicalUser": "A" * 64},
        {"CanonicalUser": "a" * 63},
        {"Service": "*"},
        {"Federated": "*"},
        {"Everyone": "*"},
        {"aws": "*"},
    ],
)
def test_others_are_no_principals(principal: Any) -> None:
    assert read_principals(principal) is None


@pytest.mark.parametrize(
    ("excepted", "denied"),
    [
        ({"AWS": f"{ARN}:user/alice"}, (False, True, True, True)),
        ({"AWS": [f"{ARN}:user/alice", f"{ARN}:root"]}, (False, False, True, True)),
        ({"AWS": "111122223333"}, (True, False, True, True)),
        ({"CanonicalUser": "b" * 64}, (True, True, False, True)),
        ("*", (False, False, False, False)),
    ],
)
def test_not_principal_denies_all_but_whom_it_names(excepted: Any, denied: tuple[bool, ...]) -> None:
    text = document(statement("Deny", Principal=None, NotPrincipal=excepted))
    policy = parse_bucket_policy(text, BUCKET)
    found = [
        decide_policy(policy, who, "s3:GetObject", KEY_ARN, NO_FACTS).effect for who in (ALICE, ROOT, STRANGER, NOBODY)
    ]
    assert tuple(effect == "Deny" for effect in found) == denied


def test_a_user_that_was_there_is_meant_by_id() -> None:
    text = document(statement(Principal={"AWS": [f"{ARN}:user/alice", "arn:aws:iam:::user/bob"]}))
    policy = tied(parse_bucket_policy(text, BUCKET), {("111122223333", "alice"): "u-alice"})
    assert users_of(policy) == {("", "bob")}
    for who, effect in (
        (ALICE, "Allow"),
        (ALICE._replace(name="other", arn=f"{ARN}:user/other"), "Allow"),
        (ALICE._replace(user_id="u-later"), None),
        (ALICE._replace(user_id="u", name="u-alice", arn=f"{ARN}:user/u-alice"), None),
        (STRANGER, "Allow"),
        (NOBODY, None),
    ):
        assert decide_policy(policy, who, "s3:GetObject", KEY_ARN, NO_FACTS).effect == effect
