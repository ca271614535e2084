"""What `policy lint` says of a policy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from s3gw.access.close_names import hint_of_action
from s3gw.access.lint import Finding, lint
from tests.access.policies import BUCKET, BUCKET_ARN, document, of_identity, statement

OWNER = {"AWS": "111122223333"}
UNKNOWABLE = "StringEquals aws:SourceVpc exists on AWS, but can't be known here: "


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ({"Principal": OWNER}, []),
        ({}, [("warning", "everybody is allowed this: the policy is public")]),
        ({"Principal": OWNER, "Effect": "Maybe"}, [("error", "Invalid effect: Maybe")]),
        (
            {"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}},
            [("warning", UNKNOWABLE + "the statement never applies")],
        ),
        (
            {"Effect": "Deny", "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}},
            [("warning", UNKNOWABLE + "the condition always holds")],
        ),
        (
            {"Effect": "Deny", "Resource": f"{BUCKET_ARN}/${{aws:SourceVpc}}"},
            [("warning", "a resource has a variable that can't be known here: it stands for anything")],
        ),
        (
            {"Effect": "Deny", "Condition": {"BoolIfExists": {"aws:Typo": "true"}}},
            [("warning", "BoolIfExists aws:Typo is no key that a request to S3 has: it is always absent")],
        ),
        (
            {"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "no"}}},
            [("warning", "Bool aws:SecureTransport has a value that isn't of the operator's type, and never matches")],
        ),
        (
            {"Effect": "Deny", "Condition": {"StringLike": {"aws:Referer": []}}},
            [("warning", "StringLike aws:Referer has no values, and none can match")],
        ),
        (
            {"Principal": OWNER, "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": "a"}}},
            [("warning", "ForAllValues:StringEquals aws:TagKeys also holds where the request has no such key")],
        ),
        (
            {"Principal": {"Service": "logging.s3.amazonaws.com"}},
            [("note", "nobody here is logging.s3.amazonaws.com")],
        ),
        (
            {
                "Effect": "Deny",
                "Principal": None,
                "NotPrincipal": {"AWS": "arn:aws:iam::111122223333:user/alice"},
            },
            [
                ("note", "users that aren't there are accepted, and meant once they are: AWS refuses such a policy"),
                ("note", "on AWS, NotPrincipal must name a user's account too, or the user may be denied"),
            ],
        ),
    ],
)
def test_a_statement_of_a_bucket_policy_is_explained(made: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    text = document(statement(**{"Sid": "It", **made}))
    assert [tuple(finding) for finding in lint(text, BUCKET)] == [(level, "It", what) for level, what in expected]


def test_every_malformed_statement_is_told() -> None:
    text = document(statement(Action="s3:No"), statement(Principal=OWNER), statement(Sid="Third", Resource="*"), 5)
    assert lint(text, BUCKET) == [
        Finding("error", "1", "Policy has invalid action: s3:No"),
        Finding(
            "error",
            "Third",
            "Policy has invalid resource: * (expected is arn:aws:s3:::pictures or arn:aws:s3:::pictures/KEY)",
        ),
        Finding("error", "4", "This policy contains invalid Json"),
    ]


def test_a_text_that_is_no_policy_is_one_error() -> None:
    broken = "This policy contains invalid Json: line 2, column 10: Expecting ',' delimiter"
    assert lint('{"Version": "2012-10-17",\n "Id": 5 "Statement": []}', BUCKET) == [Finding("error", "", broken)]
    for text in ('{"Id": "a", "Id": "b"}', '{"Id":' + "[" * 9 + "]" * 9 + "}"):
        assert "a name is there twice in one object, or it is too deep" in lint(text, None)[0].what
    for text in (b"{\xff", '{"Id":' + "[" * 100_000):
        assert lint(text, BUCKET)[0].severity == "error"
    assert lint("{" + "a" * 300_000, None) == [Finding("error", "", "Cannot exceed quota for PolicySize: 6144")]


def test_the_other_version_is_told_where_it_has_variables() -> None:
    made = statement("Deny", Resource=f"{BUCKET_ARN}/${{aws:username}}")
    assert [finding.what for finding in lint(json.dumps({"Statement": [made]}), BUCKET)] == [
        "variables need Version 2012-10-17: here ${…} is plain text"
    ]


def test_an_identity_policy_is_read_as_one() -> None:
    found = lint(document(of_identity(Sid="a", Action=["ec2:*", "s3:Typo"]), of_identity(Sid="a")), None)
    assert [tuple(finding) for finding in found] == [
        ("note", "a", "ec2:* is no action of S3"),
        ("warning", "a", "s3:Typo is no action of S3"),
        ("error", "a", "Statement IDs (SID) in a single policy must be unique."),
    ]
    assert lint(document(statement()), None)[0].what.startswith("Policy document should not specify a principal.")


def test_a_sid_that_is_repeated_is_only_warned_of_in_a_bucket_policy() -> None:
    found = lint(document(*[statement("Deny", Sid="a")] * 2), BUCKET)
    assert [(finding.severity, finding.where) for finding in found] == [("warning", "a")]


@pytest.mark.parametrize(
    ("made", "bucket", "part"),
    [
        ({"Principal": {"AWS": [OWNER["AWS"], "alice"]}}, BUCKET, ': "alice" (right are "*" and '),
        ({"Principal": {"AWS": []}}, BUCKET, ': {"AWS": []} (right are '),
        ({"Principal": "alice"}, BUCKET, ': "alice" (right are '),
        (
            {"Condition": {"Bool": {"s3:prefx": "a"}}},
            BUCKET,
            ": s3:prefx is no condition key of S3; did you mean s3:prefix?",
        ),
        ({"Condition": {"Bool": {"s3:zzz": "a"}}}, BUCKET, ": s3:zzz is no condition key of S3"),
        ({"Resource": [f"{BUCKET_ARN}/*", "arn:aws:s3:::picture/*"]}, BUCKET, ": arn:aws:s3:::picture/* (expected is "),
        ({"Principal": None, "Resource": "pictures/*"}, None, ": pictures/* (expected is arn:aws:s3:::BUCKET or "),
        ({"Principal": None, "Action": "GetObject"}, None, ": GetObject"),
        (
            {"Principal": None, "Condition": {"Bool": {"s3:ExistingObjectTags/a": "b"}}},
            None,
            ": s3:ExistingObjectTags/a is no condition key of S3; did you mean s3:ExistingObjectTag?",
        ),
    ],
)
def test_a_refusal_names_what_it_is_about(made: dict[str, Any], bucket: str | None, part: str) -> None:
    (error,) = lint(document(statement(**made)), bucket)
    assert error.severity == "error"
    assert part in error.what
    assert error.what.index(part) > 0


B, IN = BUCKET_ARN, f"{BUCKET_ARN}/*"


@pytest.mark.parametrize(
    ("actions", "resources", "about"),
    [
        ("s3:GetObject", B, {"s3:GetObject": "objects, as arn:aws:s3:::BUCKET/* names them"}),
        ("s3:ListBucket", IN, {"s3:ListBucket": "a bucket, as arn:aws:s3:::BUCKET names it"}),
        ("s3:ListAllMyBuckets", [B, IN], {"s3:ListAllMyBuckets": 'the account, as "*" names it'}),
        (["s3:GetObject", "s3:ListBucket"], B, {"s3:GetObject": "objects, as arn:aws:s3:::BUCKET/* names them"}),
        (["s3:GetObject", "s3:ListBucket"], [B, IN], {}),
        (["s3:Get*", "s3:*", "ec2:Get*"], B, {}),
        ("s3:GetObject", "arn:aws:s3:::pic*", {}),
        ("s3:GetObject", "arn:aws:s3:::${aws:username}", {}),
        ("s3:ListBucket", "arn:aws:s3:::${aws:PrincipalTag/team}", {}),
        (["s3:ListAllMyBuckets", "s3:GetObject", "s3:ListBucket"], "*", {}),
        (
            "s3:GetObject",
            "arn:aws:sqs:us-east-1:1:q/a",
            {"s3:GetObject": "objects, as arn:aws:s3:::BUCKET/* names them"},
        ),
    ],
)
def test_an_action_that_never_applies_to_the_resources_is_told(
    actions: Any, resources: Any, about: dict[str, str]
) -> None:
    found = lint(document(of_identity("Deny", Action=actions, Resource=resources)), None)
    assert [finding.what for finding in found if "ec2" not in finding.what] == [
        f"{action} never applies to these resources: it is about {what}" for action, what in about.items()
    ]
    assert not [one for one in lint(document(of_identity(NotResource=B, Resource=None)), None) if "never" in one.what]


def test_a_condition_on_a_key_that_no_action_has_is_told() -> None:
    condition = {"StringEquals": {"s3:prefix": "a/"}}
    (told,) = lint(document(of_identity(Condition=condition)), None)
    assert told == Finding("warning", "1", "StringEquals s3:prefix: no request of the statement's actions has this key")
    lists = of_identity(Action=["s3:GetObject", "s3:ListBucket"], Resource="*", Condition=condition)
    assert lint(document(lists), None) == []
    exempt = statement("Deny", Action=None, NotAction="s3:List*", Condition=condition)
    assert [one.what for one in lint(document(exempt), BUCKET)] == [told.what]


def test_a_name_of_64_characters_is_compared_and_no_longer_one() -> None:
    action = "s3:CreateBucketMetadataTableConfiguration".ljust(64, "n")
    assert hint_of_action(action) == "; did you mean s3:CreateBucketMetadataTableConfiguration?"
    assert hint_of_action(f"{action[:-1]}nn") == ""
