"""What is refused, and in which words. The messages are those of S3's servers where they are known."""

from __future__ import annotations

import json
from contextlib import suppress
from time import process_time
from typing import Any

import pytest

from s3gw.access.actions import ACTIONS, ON_BUCKETS, ON_OBJECTS
from s3gw.access.document import DEEPEST, LONGEST_TEXT
from s3gw.access.operators import OPERATORS
from s3gw.access.parse import (
    CACHED,
    LARGEST_OF_BUCKET,
    LARGEST_OF_IDENTITY,
    parse_bucket_policy,
    parse_identity_policy,
)
from s3gw.errors import LimitExceeded, MalformedPolicy, MalformedPolicyDocument, S3Error
from s3gw.operations.table import OPERATIONS
from tests.access.policies import BUCKET, BUCKET_ARN, document, effect_of, of_identity, statement

ALL = f"{BUCKET_ARN}/*"


def refusal(text: str | bytes, bucket: str | None = BUCKET) -> str:
    with pytest.raises(S3Error) as caught:
        parse_identity_policy(text) if bucket is None else parse_bucket_policy(text, bucket)
    assert type(caught.value) is (MalformedPolicyDocument if bucket is None else MalformedPolicy)
    assert caught.value.status == 400
    return caught.value.message


def changed(**elements: Any) -> str:
    return document(statement(**elements))


def conditioned(condition: Any, **elements: Any) -> str:
    return document(statement(Condition=condition, **elements))


NOT_JSON = "This policy contains invalid Json"
FIRST_BYTE = "Policies must be valid JSON and the first byte must be '{'"
NO_RESOURCE = "Action does not apply to any resource(s) in statement"
NO_KEY = "Conditions do not apply to combination of actions and resources in statement"
EMPTY = "Could not parse the policy: Statement is empty!"
BAD_SID = (
    "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
)
SAME_SID = "Statement IDs (SID) in a single policy must be unique."
NO_VENDOR = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
BAD_IP = "Invalid IP address in Conditions"
NEVER = "Invalid Condition type : "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", FIRST_BYTE),
        ("[]", FIRST_BYTE),
        (" {}", FIRST_BYTE),
        ("null", FIRST_BYTE),
        ("{", NOT_JSON),
        ("{}}", NOT_JSON),
        (b'{"Statement": "\xff"}', NOT_JSON),
        ('{"Version": NaN}', NOT_JSON),
        ('{"Statement": [], "Statement": []}', NOT_JSON),
        (changed().replace('"Effect": "Allow"', '"Effect": "Deny", "Effect": "Allow"'), NOT_JSON),
        ("{}", "Missing required field Statement"),
        ('{"Statement": []}', EMPTY),
        ('{"Statement": ["a"]}', NOT_JSON),
        ('{"Statement": null}', NOT_JSON),
        ('{"Statements": []}', "Unknown field Statements"),
        (document(statement(), version="2012-10-18"), "The policy must contain a valid version string"),
        ('{"Version": 2012, "Statement": []}', "The policy must contain a valid version string"),
        ('{"Version": null, "Statement": []}', "The policy must contain a valid version string"),
        ('{"Id": 5, "Statement": []}', "Invalid Id"),
        (document({}), "Missing required field Effect"),
        (changed(Effect="allow"), "Invalid effect: allow"),
        (changed(Effects="Allow"), "Unknown field Effects"),
        (changed(Principal=None), "Missing required field Principal"),
        (changed(Principal="alice"), "Invalid principal in policy"),
        (changed(NotPrincipal="*"), "Invalid principal in policy"),
        (changed(Principal=None, NotPrincipal={"AWS": "1" * 12}), "NotPrincipal must be used with Effect Deny"),
        (changed(Action=None), "Missing required field Action"),
        (changed(Action=[]), "Missing required field Action"),
        (changed(Action="s3:GetNothing"), "Policy has invalid action"),
        (changed(Action="s3:Nothing*"), "Policy has invalid action"),
        (changed(Action=["s3:GetObject", "ec2:*"]), "Policy has invalid action"),
        (changed(Action="GetObject"), "Policy has invalid action"),
        (changed(Action=""), "Policy has invalid action"),
        (changed(Action=5), "Policy has invalid action"),
        (changed(Action=None, NotAction="s3:GetNothing"), "Policy has invalid action"),
        (changed(NotAction="s3:GetObject"), "Statement has both Action and NotAction"),
        (changed(Resource=None), "Missing required field Resource"),
        (changed(Resource=[]), "Missing required field Resource"),
        (changed(Resource="*"), "Policy has invalid resource"),
        (changed(Resource="arn:aws:s3:::other/*"), "Policy has invalid resource"),
        (changed(Resource=[ALL, "arn:aws:s3:::other/*"]), "Policy has invalid resource"),
        (changed(Resource="arn:aws:s3:::pictures2/*"), "Policy has invalid resource"),
        (changed(Resource="arn:aws:s3:::other*/a"), "Policy has invalid resource"),
        (changed(Resource="arn:aws:ec2:::pictures/*"), "Policy has invalid resource"),
        (changed(Resource="pictures/*"), "Policy has invalid resource"),
        (changed(Resource=None, NotResource="arn:aws:s3:::other/*"), "Policy has invalid resource"),
        (changed(NotResource=ALL), "Statement has both Resource and NotResource"),
        (changed(Resource=BUCKET_ARN), NO_RESOURCE),
        (changed(Action="s3:ListBucket"), NO_RESOURCE),
        (changed(Action=["s3:GetObject", "s3:ListBucket"]), NO_RESOURCE),
        (changed(Action="s3:ListAllMyBuckets", Resource=BUCKET_ARN), NO_RESOURCE),
        (changed(Sid=5), BAD_SID),
        (conditioned([]), "Invalid Condition"),
        (conditioned({"StringEquals": []}), NEVER + "StringEquals"),
        (conditioned({"StringEquals": {"aws:Referer": None}}), NOT_JSON),
        (conditioned({"StringEquals": {"aws:Referer": {}}}), NOT_JSON),
        (conditioned({"StringIs": {"aws:Referer": "a"}}), NEVER + "StringIs"),
        (conditioned({"stringequals": {"aws:Referer": "a"}}), NEVER + "stringequals"),
        (conditioned({"NullIfExists": {"aws:Referer": "true"}}), NEVER + "NullIfExists"),
        (conditioned({"ForSome:StringEquals": {"aws:Referer": "a"}}), NEVER + "ForSome:StringEquals"),
        (conditioned({"StringEquals": {"s3:Nonsense": "a"}}), "Policy has an invalid condition key"),
        (conditioned({"StringEquals": {"ec2:Region": "a"}}), "Policy has an invalid condition key"),
        (conditioned({"StringEquals": {"Referer": "a"}}), "Policy has an invalid condition key"),
        (conditioned({"IpAddress": {"aws:SourceIp": "123"}}), BAD_IP),
        (conditioned({"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}), BAD_IP),
        (conditioned({"NotIpAddress": {"aws:SourceIp": ["::1", "10.0.0.0/255.0.0.0"]}}), BAD_IP),
        (conditioned({"StringEquals": {"s3:prefix": "a"}}), NO_KEY),
        (conditioned({"StringEquals": {"s3:ExistingObjectTag/a": "b"}}, Action="s3:PutObject"), NO_KEY),
        (conditioned({"Null": {"s3:RequestObjectTag/a": "true"}}, Action=["s3:PutObjectAcl", "s3:PutObject"]), NO_KEY),
        (conditioned({"Null": {"s3:x-amz-acl": "true"}}, Action=["s3:GetObject", "s3:PutObject"]), NO_KEY),
        (conditioned({"Null": {"s3:prefix": "true"}}, Action="s3:*"), NO_KEY),
    ],
)  # fmt: skip
def test_a_bucket_policy_is_refused_in_the_words_of_s3(text: str | bytes, message: str) -> None:
    assert refusal(text) == message


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"Statement": statement()}),
        json.dumps(
            {"Version": "2008-10-17", "Id": "any text", "Statement": [statement(Sid="any text, of any length")]}
        ),
        document(statement(Sid="a"), statement(Sid="a")),
        changed(Action="*"),
        changed(Action="S3:getobject"),
        changed(Action=["s3:Get*", "s3:ListBucket"], Resource=[BUCKET_ARN, ALL]),
        changed(Action="s3:ListBucket", Resource=[BUCKET_ARN, ALL]),
        changed(Action=None, NotAction="s3:ListBucket"),
        changed(Resource=None, NotResource=f"{BUCKET_ARN}/a"),
        changed(Resource=f"{BUCKET_ARN}/"),
        changed(Effect="Deny", Principal=None, NotPrincipal={"AWS": "1" * 12}),
        changed(Principal={"AWS": "arn:aws:iam::s3tenant1:root"}),
        conditioned({}),
        conditioned({"StringEquals": {"s3:prefix": "a"}}, Action="s3:*", Resource=[BUCKET_ARN, ALL]),
        conditioned({"NumericLessThan": {"s3:TlsVersion": 1.2}}, Action="s3:*"),
        conditioned({"Bool": {"aws:SecureTransport": True}}),
        conditioned({"StringEquals": {"aws:Undocumented": "a"}}),
        conditioned({"DateLessThan": {"aws:CurrentTime": "tomorrow"}}),
    ],
)
def test_a_bucket_policy_that_s3_accepts_is_accepted(text: str) -> None:
    assert parse_bucket_policy(text, BUCKET).statements


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (document(statement()), "Policy document should not specify a principal."),
        (document(of_identity(Resource=None)), "Policy statement must contain resources."),
        (document(of_identity(Action=None)), "Policy statement must contain actions."),
        (document(of_identity(Resource="pictures")), 'Resource must be in ARN format or "*".'),
        (document(of_identity(Sid="a b")), BAD_SID),
        (document(of_identity(Sid="a"), of_identity(Sid="a")), SAME_SID),
        (document(of_identity(Action="GetObject")), NO_VENDOR),
        (document(of_identity(Condition={"Bool": {"Secure": "true"}})), NO_VENDOR),
        (document(of_identity(Condition={"StringIs": {"aws:Referer": "a"}})), "Invalid Condition type : StringIs"),
        ("[]", FIRST_BYTE),
    ],
)  # fmt: skip
def test_an_identity_policy_is_refused_in_the_words_of_iam(text: str, message: str) -> None:
    assert refusal(text, None) == message


@pytest.mark.parametrize(
    ("elements", "effect"),
    [
        ({"Resource": "*"}, "Allow"),
        ({"Resource": "arn:aws:s3:::*"}, "Allow"),
        ({"Resource": "arn:aws:s3:::pict*"}, "Allow"),
        ({"Resource": "arn:*:s3:*:*:pictures/cats/*"}, "Allow"),
        ({"Resource": ["arn:aws:ec2:*:*:instance/*", ALL]}, "Allow"),
        ({"Resource": "arn:aws:ec2:*:*:instance/*"}, None),
        ({"Resource": "arn:aws:s3:::other/*"}, None),
        ({"Resource": None, "NotResource": "arn:aws:ec2:*:*:instance/*"}, "Allow"),
        ({"Action": ["ec2:*", "iam:Get*"]}, None),
        ({"Action": "*"}, "Allow"),
        ({"Action": None, "NotAction": "ec2:*"}, "Allow"),
        ({"Action": None, "NotAction": "s3:Get*"}, None),
        ({"Condition": {"StringEquals": {"ec2:Region": "a"}}}, None),
        ({"Condition": {"StringNotEquals": {"ec2:Region": "a"}}}, "Allow"),
        ({"Condition": {"StringNotEquals": {"s3:prefix": "a"}}}, "Allow"),
    ],
)
def test_an_identity_policy_may_name_any_bucket_and_other_services(
    elements: dict[str, Any], effect: str | None
) -> None:
    assert effect_of(document(of_identity(**elements)), bucket=None) == effect


def padded(size: int, made: dict[str, Any], fill: str = "a") -> str:
    """Of `size` bytes or characters without white space."""
    compact = {"ensure_ascii": False, "separators": (",", ":")}
    empty = json.dumps({"Id": "", "Statement": [made]}, **compact)  # type: ignore[arg-type]
    return json.dumps({"Id": fill * (size - len(empty)), "Statement": [made]}, **compact)  # type: ignore[arg-type]


TOO_LARGE = "Policy exceeds the maximum allowed document size."


def test_a_bucket_policy_has_at_most_20480_bytes_without_white_space() -> None:
    largest = padded(LARGEST_OF_BUCKET, statement())
    parse_bucket_policy(largest.replace('"Effect":', '\n \t"Effect"  :   '), BUCKET)
    assert refusal(largest.replace('"Id":"', '"Id":"a')) == TOO_LARGE
    assert refusal(largest.replace('"Id":"a', '"Id":"ü')) == TOO_LARGE
    assert refusal(largest.replace('"Id":"a', '"Id":"  ')) == TOO_LARGE


def test_a_text_that_is_mostly_white_space_is_bounded_too() -> None:
    assert refusal("{" + " " * LONGEST_TEXT) == TOO_LARGE


def test_an_identity_policy_has_at_most_6144_characters_without_white_space() -> None:
    parse_identity_policy(padded(LARGEST_OF_IDENTITY, of_identity(), "ü"))
    with pytest.raises(LimitExceeded, match="Cannot exceed quota for PolicySize: 6144"):
        parse_identity_policy(padded(LARGEST_OF_IDENTITY + 1, of_identity()))


def test_nesting_is_bounded() -> None:
    assert refusal('{"Statement":' + "[" * DEEPEST + "]" * DEEPEST + "}") == NOT_JSON
    assert refusal('{"Statement":' + "[" * 10_000 + "]" * 10_000 + "}") == NOT_JSON
    parse_bucket_policy(changed(Sid="[" * DEEPEST * 2), BUCKET)


@pytest.mark.parametrize(
    "unit",
    [
        '\\\\"',
        '"',
        "\\\\",
        "${ ",
        "${" + " " * 19_998,
        "${a,'",
        "${a ,  ",
        "*?",
        "arn:aws:iam::111122223333:user/a/",
        "9",
        "a.",
        "[",
        "{",
    ],
)
def test_reading_a_hostile_text_takes_time_in_proportion_to_its_size(unit: str) -> None:
    hostile = unit * (20_000 // len(unit))
    quoted = json.dumps(hostile)[1:-1]
    made = [
        document(statement(Resource=f"{BUCKET_ARN}/{hostile}")),
        document(statement(Principal={"AWS": hostile})),
        document(statement(Principal={"Service": hostile})),
        document(statement(Action=hostile)),
        *(conditioned({operator: {"aws:SourceIp": hostile}}) for operator in OPERATORS),
        *(f'{{"Statement": [{{"Sid": "{text}' for text in (quoted, hostile, hostile * 10)),
    ]
    started = process_time()
    for text in made:
        with suppress(MalformedPolicy):
            parse_bucket_policy(text, BUCKET)
    assert process_time() - started < 5  # half a second on a machine that does nothing else


def test_a_policy_is_parsed_once_per_content_and_bucket() -> None:
    assert parse_bucket_policy(changed(), BUCKET) is parse_bucket_policy(changed(), BUCKET)
    assert parse_bucket_policy.cache_info().maxsize == parse_identity_policy.cache_info().maxsize == CACHED
    with pytest.raises(MalformedPolicy):
        parse_bucket_policy(changed(), "other")


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ("s3:getobject", {"s3:GetObject"}),
        ("s3:GetObject?", set()),
        ("s3:*Torrent", {"s3:GetObjectTorrent", "s3:GetObjectVersionTorrent"}),
        ("s3:Get?bject", {"s3:GetObject"}),
        ("s3:*", set(ACTIONS)),
        ("*", set(ACTIONS)),
    ],
)
def test_actions_have_wildcards_and_any_case(patterns: str, expected: set[str]) -> None:
    statements = parse_identity_policy(document(of_identity(Action=patterns))).statements
    assert statements[0].actions == expected


def test_every_action_that_an_operation_needs_is_one_of_s3s() -> None:
    """A policy could neither allow nor deny it otherwise."""
    needed = {need.action for row in OPERATIONS.values() for need in row.needs}
    assert needed <= ACTIONS
    assert not ON_OBJECTS & ON_BUCKETS
