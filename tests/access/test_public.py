"""Which policies are public: Amazon S3 User Guide, "The meaning of public", and its examples."""

from __future__ import annotations

from typing import Any

import pytest

from s3gw.access.parse import parse_bucket_policy
from s3gw.access.public import is_public
from tests.access.policies import BUCKET, document, statement


def is_public_with(condition: Any = None, **elements: Any) -> bool:
    made = statement(Action="s3:PutObject", Condition=condition, **elements)
    return is_public(parse_bucket_policy(document(made), BUCKET))


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ("*", True),
        ({"AWS": "*"}, True),
        ({"AWS": ["111122223333", "*"]}, True),
        ({"Federated": "graph.facebook.com"}, True),
        ({"AWS": "111122223333"}, False),
        ({"AWS": "arn:aws:iam::s3tenant1:root"}, False),
        ({"CanonicalUser": "a" * 64}, False),
        ({"Service": "cloudtrail.amazonaws.com"}, False),
    ],
)
def test_a_policy_is_public_unless_it_names_its_principals(principal: Any, expected: bool) -> None:
    assert is_public_with(Principal=principal) is expected


ACCESS_POINT = "arn:aws:s3:us-west-2:123456789012:accesspoint/"


@pytest.mark.parametrize(
    ("key", "fixed", "open_"),
    [
        ("aws:SourceArn", "arn:aws:s3:::logs", "arn:aws:s3:::*"),
        ("aws:SourceVpc", "vpc-91237329", "vpc-*"),
        ("aws:SourceVpce", "vpce-1", "vpce-?"),
        ("aws:SourceOwner", "111122223333", "*"),
        ("aws:SourceAccount", "111122223333", "1111*"),
        ("aws:PrincipalOrgID", "o-1", "o-*"),
        ("aws:PrincipalArn", "arn:aws:iam::111122223333:user/a", "arn:aws:iam::111122223333:user/*"),
        ("aws:PrincipalAccount", "111122223333", "${aws:SourceAccount}"),
        ("aws:userid", "AIDAEXAMPLE", "AROLEID:*"),
        ("s3:x-amz-server-side-encryption-aws-kms-key-id", "key", "*"),
        ("s3:DataAccessPointAccount", "123456789012", "*"),
        ("s3:DataAccessPointArn", f"{ACCESS_POINT}one", "arn:aws:s3:us-west-2:*:accesspoint/one"),
    ],
)
def test_fixed_values_of_some_keys_make_a_policy_non_public(key: str, fixed: str, open_: str) -> None:
    for operator in ("StringEquals", "StringLike", "ForAnyValue:StringEquals"):
        assert not is_public_with({operator: {key: fixed}})
        assert is_public_with({operator: {key: open_}})
        assert is_public_with({operator: {key: [fixed, open_]}})
    for operator in ("StringNotEquals", "StringEqualsIfExists", "ForAllValues:StringEquals", "Null"):
        assert is_public_with({operator: {key: fixed}})


def test_the_name_of_an_access_point_may_be_a_wildcard_if_its_account_is_fixed() -> None:
    assert not is_public_with({"ArnLike": {"s3:DataAccessPointArn": f"{ACCESS_POINT}*"}})


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("203.0.113.0/24", False),
        ("203.0.113.7", False),
        ("10.0.0.0/8", False),
        ("11.0.0.0/8", False),
        ("10.0.0.0/7", True),
        ("0.0.0.0/1", True),
        ("0.0.0.0/0", True),
        ("2001:db8::/32", False),
        ("2001:db8::/31", True),
        ("::/0", True),
        (["203.0.113.0/24", "::/0"], True),
    ],
)
def test_addresses_of_at_most_a_slash_8_or_a_slash_32_make_a_policy_non_public(network: Any, expected: bool) -> None:
    assert is_public_with({"IpAddress": {"aws:SourceIp": network}}) is expected
    assert is_public_with({"NotIpAddress": {"aws:SourceIp": network}})
    assert is_public_with({"IpAddressIfExists": {"aws:SourceIp": network}})


@pytest.mark.parametrize("key", ["aws:Referer", "aws:UserAgent", "aws:SecureTransport", "aws:username"])
def test_other_keys_leave_it_public(key: str) -> None:
    assert is_public_with({"StringEquals": {key: "fixed"}})


def test_one_public_statement_makes_the_policy_public_and_denies_never_do() -> None:
    named, public = statement(Principal={"AWS": "111122223333"}), statement()
    assert is_public(parse_bucket_policy(document(named, public), BUCKET))
    assert not is_public(parse_bucket_policy(document(named, statement("Deny")), BUCKET))
