"""AWS's example policies, with the outcomes that their pages tell.

Amazon S3 User Guide, "Examples of Amazon S3 bucket policies", "Examples of using conditions", "Tagging and access
control policies"; IAM User Guide, "Policy evaluation logic", "Variables and tags", "NotAction", "NotResource".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytest

from s3gw.access.principals import Who
from tests.access.policies import (
    ALICE,
    BUCKET,
    BUCKET_ARN,
    NOBODY,
    ROOT,
    STRANGER,
    document,
    effect_of,
    of_identity,
    statement,
)

ALL = f"{BUCKET_ARN}/*"
BOTH = [BUCKET_ARN, ALL]
EVE = ALICE._replace(name="eve", arn="arn:aws:iam::111122223333:user/eve", user_id="u-eve")
STRANGERS = {"AWS": "arn:aws:iam::444455556666:root"}
Values = Mapping[str, str | Sequence[str]]


class Request(NamedTuple):
    who: Who
    action: str
    resource: str
    facts: Values
    expected: str | None


def get(expected: str | None, who: Who = STRANGER, key: str = "a", **facts: str) -> Request:
    return Request(who, "s3:GetObject", f"{BUCKET_ARN}/{key}", _named(facts), expected)


def put(expected: str | None, who: Who = STRANGER, key: str = "a", **facts: Any) -> Request:
    return Request(who, "s3:PutObject", f"{BUCKET_ARN}/{key}", _named(facts), expected)


def listing(expected: str | None, who: Who = STRANGER, **facts: str) -> Request:
    return Request(who, "s3:ListBucket", BUCKET_ARN, _named(facts), expected)


SHORT = {
    "ip": "aws:SourceIp",
    "secure": "aws:SecureTransport",
    "referer": "aws:Referer",
    "acl": "s3:x-amz-acl",
    "grant": "s3:x-amz-grant-full-control",
    "prefix": "s3:prefix",
    "delimiter": "s3:delimiter",
    "most": "s3:max-keys",
    "encryption": "s3:x-amz-server-side-encryption",
    "source": "s3:x-amz-copy-source",
    "storage": "s3:x-amz-storage-class",
    "environment": "s3:ExistingObjectTag/environment",
    "project": "s3:RequestObjectTag/Project",
    "tags": "s3:RequestObjectTagKeys",
    "username": "aws:username",
    "age": "s3:signatureAge",
    "tls": "s3:TlsVersion",
    "now": "aws:CurrentTime",
    "arn": "aws:PrincipalArn",
    "version": "s3:signatureversion",
}


def _named(facts: Mapping[str, Any]) -> Values:
    return {SHORT[name]: value for name, value in facts.items()}


OF_BUCKETS: dict[str, tuple[list[dict[str, Any]], list[Request]]] = {
    "granting public read": (
        [statement(Sid="PublicRead", Action=["s3:GetObject", "s3:GetObjectVersion"])],
        [get("Allow", NOBODY), get("Allow"), put(None, NOBODY), listing(None)],
    ),
    "accounts may put, if the owner gets full control": (
        [
            statement(
                Principal={"AWS": ["arn:aws:iam::444455556666:root", "arn:aws:iam::777788889999:root"]},
                Action=["s3:PutObject", "s3:PutObjectAcl"],
                Condition={"StringEquals": {"s3:x-amz-acl": ["bucket-owner-full-control"]}},
            )
        ],
        [put("Allow", acl="bucket-owner-full-control"), put(None, acl="public-read"), put(None), put(None, NOBODY)],
    ),
    "deny what isn't from these addresses": (
        [
            statement(
                "Deny",
                Sid="IPAllow",
                Action="s3:*",
                Resource=BOTH,
                Condition={"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
            )
        ],
        [get(None, ip="192.0.2.9"), get("Deny", ip="192.0.3.9"), get("Deny", ROOT, ip="2001:db8::1")],
    ),
    "IPv4 and IPv6 ranges with exceptions": (
        [
            statement(
                Action="s3:*",
                Condition={
                    "IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "2001:DB8:1234:5678::/64"]},
                    "NotIpAddress": {"aws:SourceIp": ["203.0.113.0/24", "2001:DB8:1234:5678:ABCD::/80"]},
                },
            )
        ],
        [
            get("Allow", ip="192.0.2.1"),
            get("Allow", ip="2001:db8:1234:5678::1"),
            get(None, ip="203.0.113.1"),
            get(None, ip="2001:db8:1234:5678:abcd::1"),
        ],
    ),
    "only over HTTPS": (
        [
            statement(
                "Deny", Action="s3:*", Resource=BOTH, Condition={"Bool": {"aws:SecureTransport": "false"}}
            )
        ],
        [get("Deny", secure="false"), get(None, secure="true"), listing("Deny", secure="false")],
    ),
    "only from these pages": (
        [
            statement(
                Action=["s3:GetObject", "s3:GetObjectVersion"],
                Condition={"StringLike": {"aws:Referer": ["http://www.example.com/*", "http://example.com/*"]}},
            )
        ],
        [get("Allow", referer="http://example.com/a"), get(None, referer="http://example.org/"), get(None)],
    ),
    "multi-factor authentication is required": (
        [
            statement(
                "Deny",
                Action="s3:*",
                Resource=f"{BUCKET_ARN}/taxdocuments/*",
                Condition={"Null": {"aws:MultiFactorAuthAge": True}},
            )
        ],
        [get("Deny", key="taxdocuments/a"), get(None)],
    ),
    "objects have to be encrypted by a key of KMS": (
        [
            statement(
                "Deny",
                Action="s3:PutObject",
                Condition={"Null": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "true"}},
            )
        ],
        [put("Deny"), get(None)],
    ),
    "deny unencrypted uploads": (
        [
            statement(
                "Deny",
                Action="s3:PutObject",
                Condition={"StringNotEquals": {"s3:x-amz-server-side-encryption": "AES256"}},
            )
        ],
        [put("Deny"), put("Deny", encryption="aws:kms"), put(None, encryption="AES256")],
    ),
    "only objects with a tag": (
        [
            statement(
                Principal=STRANGERS,
                Action=["s3:GetObject", "s3:GetObjectVersion"],
                Condition={"StringEquals": {"s3:ExistingObjectTag/environment": "production"}},
            )
        ],
        [get("Allow", environment="production"), get(None, environment="test"), get(None)],
    ),
    "only with these tag keys": (
        [
            statement(
                Principal=STRANGERS,
                Action="s3:PutObject",
                Condition={"ForAllValues:StringLike": {"s3:RequestObjectTagKeys": ["Owner", "CreationDate"]}},
            )
        ],
        [put("Allow", tags=["Owner", "CreationDate"]), put(None, tags=["Owner", "x"]), put("Allow")],
    ),
    "one tag key and its value are required": (
        [
            statement(
                Principal=STRANGERS,
                Action="s3:PutObject",
                Condition={"StringEquals": {"s3:RequestObjectTag/Project": "X"}},
            )
        ],
        [put("Allow", project="X"), put(None, project="Y"), put(None)],
    ),
    "copies of one source only": (
        [
            statement(Principal=STRANGERS, Action="s3:PutObject"),
            statement(
                "Deny",
                Principal=STRANGERS,
                Action="s3:PutObject",
                Condition={"StringNotLike": {"s3:x-amz-copy-source": f"{BUCKET}/public/*"}},
            ),
        ],
        [put("Allow", source="pictures/public/a"), put("Deny", source="pictures/private/a"), put("Deny")],
    ),
    "one storage class": (
        [
            statement(
                Principal=STRANGERS,
                Action="s3:PutObject",
                Condition={"StringEquals": {"s3:x-amz-storage-class": ["STANDARD_IA"]}},
            )
        ],
        [put("Allow", storage="STANDARD_IA"), put(None, storage="STANDARD"), put(None)],
    ),
    "full control has to be granted to the owner": (
        [
            statement(
                Principal=STRANGERS,
                Action="s3:PutObject",
                Condition={"StringEquals": {"s3:x-amz-grant-full-control": "id=abc"}},
            ),
            statement(
                "Deny",
                Principal=STRANGERS,
                Action="s3:PutObject",
                Condition={"StringNotEquals": {"s3:x-amz-grant-full-control": "id=abc"}},
            ),
        ],
        [put("Allow", grant="id=abc"), put("Deny", grant="id=def"), put("Deny")],
    ),
    "a listing of one prefix": (
        [
            statement(
                Principal=STRANGERS,
                Action="s3:ListBucket",
                Resource=BUCKET_ARN,
                Condition={"StringEquals": {"s3:prefix": "projects"}},
            ),
            statement(
                "Deny",
                Principal=STRANGERS,
                Action="s3:ListBucket",
                Resource=BUCKET_ARN,
                Condition={"StringNotEquals": {"s3:prefix": "projects"}},
            ),
        ],
        [listing("Allow", prefix="projects"), listing("Deny", prefix="other"), listing("Deny")],
    ),
    "at most ten keys of a listing": (
        [
            statement(
                Principal=STRANGERS,
                Action="s3:ListBucket",
                Resource=BUCKET_ARN,
                Condition={"NumericLessThanEquals": {"s3:max-keys": "10"}},
            )
        ],
        [listing("Allow", most="10"), listing(None, most="11"), listing(None)],
    ),
    "signatures of at most ten minutes": (
        [
            statement(
                "Deny",
                Action="s3:*",
                Condition={"NumericGreaterThan": {"s3:signatureAge": "600000"}},
            )
        ],
        [get(None, age="600000"), get("Deny", age="600001"), get(None)],
    ),
    "TLS 1.2 at least": (
        [
            statement(
                "Deny", Action="s3:*", Resource=BOTH, Condition={"NumericLessThan": {"s3:TlsVersion": 1.2}}
            )
        ],
        [get("Deny", tls="1.1"), get(None, tls="1.2"), get(None, tls="1.3")],
    ),
    "only signatures of version 4": (
        [
            statement(
                "Deny",
                Action="s3:*",
                Condition={"StringNotEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}},
            )
        ],
        [get("Deny", version="AWS"), get(None, version="AWS4-HMAC-SHA256"), get("Deny", NOBODY)],
    ),
    "all but one user are denied": (
        [
            statement(
                "Deny",
                Principal=None,
                NotPrincipal={"AWS": ["arn:aws:iam::111122223333:user/alice", "arn:aws:iam::111122223333:root"]},
                Action="s3:*",
                Resource=BOTH,
            )
        ],
        [get(None, ALICE), get(None, ROOT), get("Deny"), get("Deny", NOBODY), get("Deny", EVE)],
    ),
    "from one endpoint of a VPC": (
        [
            statement(
                "Deny",
                Action="s3:*",
                Resource=BOTH,
                Condition={"StringNotEquals": {"aws:SourceVpce": "vpce-1a2b3c4d"}},
            )
        ],
        [get("Deny"), listing("Deny", ROOT)],  # as on AWS for a request that came by no endpoint
    ),
    "an organization": (
        [
            statement(
                Condition={"StringEquals": {"aws:PrincipalOrgID": ["o-aa111bb222"]}},
            )
        ],
        [get(None), get(None, ROOT)],  # as on AWS for an account of no organization
    ),
    "one folder of each user": (
        [
            statement(
                Principal={"AWS": "111122223333"},
                Action=["s3:GetObject", "s3:PutObject"],
                Resource=f"{BUCKET_ARN}/home/${{aws:username}}/*",
            )
        ],
        [
            get("Allow", ALICE, "home/alice/a", username="alice"),
            get(None, ALICE, "home/bob/a", username="alice"),
            get(None, ROOT, "home/alice/a"),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_BUCKETS)
def test_an_example_of_a_bucket_policy_has_the_outcome_that_aws_tells(name: str) -> None:
    statements, requests = OF_BUCKETS[name]
    found = [effect_of(document(*statements), *request[:4]) for request in requests]
    assert found == [request.expected for request in requests]


OF_IDENTITIES: dict[str, tuple[list[dict[str, Any]], list[Request]]] = {
    "a user's own folder, and the listings that lead to it": (
        [
            of_identity(
                Action="s3:ListBucket",
                Resource=BUCKET_ARN,
                Condition={"StringEquals": {"s3:prefix": ["", "home/"], "s3:delimiter": ["/"]}},
            ),
            of_identity(
                Action="s3:ListBucket",
                Resource=BUCKET_ARN,
                Condition={"StringLike": {"s3:prefix": ["home/${aws:username}/*"]}},
            ),
            of_identity(Action=["s3:*"], Resource=[f"{BUCKET_ARN}/home/${{aws:username}}/*"]),
        ],
        [
            listing("Allow", ALICE, prefix="", delimiter="/", username="alice"),
            listing("Allow", ALICE, prefix="home/alice/x", username="alice"),
            listing(None, ALICE, prefix="home/bob/", username="alice"),
            listing(None, ALICE, username="alice"),
            get("Allow", ALICE, "home/alice/x", username="alice"),
            get(None, ALICE, "home/bob/x", username="alice"),
        ],
    ),
    "everything but deleting": (
        [of_identity(Action=None, NotAction="s3:Delete*", Resource="*")],
        [get("Allow", ALICE), Request(ALICE, "s3:DeleteObject", f"{BUCKET_ARN}/a", {}, None)],
    ),
    "all but one bucket is denied": (
        [
            of_identity(Action="s3:*", Resource="*"),
            of_identity("Deny", Action="s3:*", Resource=None, NotResource=[BUCKET_ARN, ALL]),
        ],
        [get("Allow", ALICE), Request(ALICE, "s3:GetObject", "arn:aws:s3:::other/a", {}, "Deny")],
    ),
    "a time that has passed": (
        [
            of_identity(
                Condition={
                    "DateGreaterThan": {"aws:CurrentTime": "2026-04-01T00:00:00Z"},
                    "DateLessThan": {"aws:CurrentTime": "2026-06-30T23:59:59Z"},
                }
            )
        ],
        [
            get("Allow", ALICE, now="2026-05-01T00:00:00Z"),
            get(None, ALICE, now="2026-07-01T00:00:00Z"),
            get(None, ALICE, now="2026-03-31T00:00:00Z"),
        ],
    ),
    "a deny overrides what is allowed": (
        [
            of_identity(Action="s3:*", Resource="*"),
            of_identity("Deny", Action="s3:*", Resource=f"{BUCKET_ARN}/secret/*"),
        ],
        [get("Allow", ALICE), get("Deny", ALICE, "secret/a")],
    ),
    "the default of a variable": (
        [of_identity(Resource=f"{BUCKET_ARN}/${{aws:PrincipalTag/team, 'company-wide'}}/*")],
        [get("Allow", ALICE, "company-wide/a"), get(None, ALICE, "red/a")],
    ),
    "only users of a path": (
        [of_identity(Condition={"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/a*"}})],
        [get("Allow", ALICE, arn=ALICE.arn), get(None, ROOT, arn=ROOT.arn)],
    ),
}


@pytest.mark.parametrize("name", OF_IDENTITIES)
def test_an_example_of_an_identity_policy_has_the_outcome_that_aws_tells(name: str) -> None:
    statements, requests = OF_IDENTITIES[name]
    found = [effect_of(document(*statements), *request[:4], bucket=None) for request in requests]
    assert found == [request.expected for request in requests]
