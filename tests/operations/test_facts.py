"""What conditions are told of a call."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from s3gw.access.condition_keys import KEYS
from s3gw.access.rules import ObjectUnread
from s3gw.auth.principal import ANONYMOUS, Principal
from s3gw.metadata.objects import ObjectVersion
from s3gw.operations.call import Call, GivenContext, Source
from s3gw.operations.facts import FACTS, UNREAD, Known, facts_of

ALICE = Principal("1", "c", "123456789012", "alice", "user", "AKIA", "root")
INPUT = {
    "Prefix": "a/",
    "Delimiter": "/",
    "MaxKeys": 7,
    "VersionId": "null",
    "ACL": "private",
    "GrantFullControl": "id=1",
    "GrantRead": "id=2",
    "GrantReadACP": "id=3",
    "GrantWrite": "id=4",
    "GrantWriteACP": "id=5",
    "StorageClass": "STANDARD",
    "MetadataDirective": "COPY",
    "WebsiteRedirectLocation": "/other",
    "ObjectOwnership": "ObjectWriter",
    "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"},
    "IfMatch": '"e"',
    "IfNoneMatch": "*",
    "Tagging": "color=red&size=%20L",
}
CONTEXT = GivenContext("10.1.2.3", True, "agent", "http://page", "AWS4-HMAC-SHA256", 1500, "POST", "hash", "1.3")
ALWAYS = {
    "aws:CurrentTime": "2006-02-03T16:45:09Z",
    "aws:EpochTime": "1138985109",
    "aws:PrincipalIsAWSService": "false",
    "aws:ViaAWSService": "false",
    "aws:RequestedRegion": "us-east-1",
}
KNOWN = ALWAYS | {
    "aws:userid": "1",
    "aws:username": "alice",
    "aws:PrincipalAccount": "123456789012",
    "aws:PrincipalArn": "arn:aws:iam::123456789012:user/alice",
    "aws:PrincipalType": "User",
    "aws:ResourceAccount": "999999999999",
    "aws:SourceIp": "10.1.2.3",
    "aws:SecureTransport": "true",
    "aws:UserAgent": "agent",
    "aws:Referer": "http://page",
    "s3:ResourceAccount": "999999999999",
    "s3:authType": "POST",
    "s3:signatureversion": "AWS4-HMAC-SHA256",
    "s3:signatureAge": "1500",
    "s3:x-amz-content-sha256": "hash",
    "s3:TlsVersion": "1.3",
    "s3:prefix": "a/",
    "s3:delimiter": "/",
    "s3:max-keys": "7",
    "s3:VersionId": "null",
    "s3:x-amz-acl": "private",
    "s3:x-amz-grant-full-control": "id=1",
    "s3:x-amz-grant-read": "id=2",
    "s3:x-amz-grant-read-acp": "id=3",
    "s3:x-amz-grant-write": "id=4",
    "s3:x-amz-grant-write-acp": "id=5",
    "s3:x-amz-storage-class": "STANDARD",
    "s3:x-amz-metadata-directive": "COPY",
    "s3:x-amz-website-redirect-location": "/other",
    "s3:x-amz-object-ownership": "ObjectWriter",
    "s3:locationconstraint": "eu-west-1",
    "s3:if-match": '"e"',
    "s3:if-none-match": "*",
}
OF_NOBODY = ALWAYS | {"aws:PrincipalType": "Anonymous", "aws:SecureTransport": "false"}


def call(principal: Principal, input: dict[str, Any], context: GivenContext = CONTEXT) -> Call:
    services = SimpleNamespace(settings=SimpleNamespace(region="us-east-1"))
    made = Call(cast("Any", services), principal, input, "request", 1_138_985_109_999_999)
    made.context = context
    made.bucket = cast("Any", SimpleNamespace(owner_account_id="999999999999"))
    return made


def facts(of: Call, name: str, action: str = "s3:GetObject", known: Known = UNREAD) -> tuple[str, ...]:
    return tuple(facts_of(of, action, known, name))


@pytest.mark.parametrize("name", sorted(FACTS))
def test_a_fact_is_that_of_the_call(name: str) -> None:
    assert facts(call(ALICE, INPUT), name) == (KNOWN[name],)
    nobody = call(ANONYMOUS, {}, GivenContext())
    nobody.bucket = None
    assert facts(nobody, name) == ((OF_NOBODY[name],) if name in OF_NOBODY else ())


def test_the_root_of_an_account_has_no_user_name() -> None:
    root = ALICE._replace(account_owner_id="1")
    assert facts(call(root, {}), "aws:username") == ()
    assert facts(call(root, {}), "aws:userid") == ("123456789012",)
    assert facts(call(root, {}), "aws:PrincipalArn") == ("arn:aws:iam::123456789012:root",)
    assert facts(call(root, {}), "aws:PrincipalType") == ("Account",)


def test_a_key_that_nobody_knows_has_no_values() -> None:
    assert facts(call(ALICE, INPUT), "s3:Unheard") == ()


@pytest.mark.parametrize(("version_id", "endings"), [(None, [""]), ("null", ["", "?versionId=null"])])
def test_the_source_of_a_copy_is_told_with_and_without_what_may_be_left_out(
    version_id: str | None, endings: list[str]
) -> None:
    copy = call(ALICE, {"CopySource": "/%62/k"})
    assert facts(copy, "s3:x-amz-copy-source", "s3:PutObject") == ()
    copy.source = Source(cast("Any", SimpleNamespace(name="b")), "k/ü", version_id)
    told = facts(copy, "s3:x-amz-copy-source", "s3:PutObject")
    assert list(told) == [start + end for end in endings for start in ("b/k/ü", "/b/k/ü")]


def test_whether_an_object_is_created_is_told_of_writes() -> None:
    part = call(ALICE, {})
    part.creates_object = False
    for of, told in ((call(ALICE, {}), "true"), (part, "false")):
        assert facts(of, "s3:ObjectCreationOperation", "s3:PutObject") == (told,)
        assert facts(of, "s3:ObjectCreationOperation", "s3:GetObject") == ()


def test_tags_that_are_asked_for_are_those_of_the_header_or_the_document() -> None:
    document = {"Tagging": {"TagSet": [{"Key": "color", "Value": "red"}, {"Key": "size", "Value": " L"}]}}
    for input in (INPUT, document):
        assert facts(call(ALICE, input), "s3:RequestObjectTag/size") == (" L",)
        assert facts(call(ALICE, input), "s3:RequestObjectTag/weight") == ()
        assert facts(call(ALICE, input), "s3:RequestObjectTagKeys") == ("color", "size")
    assert facts(call(ALICE, {}), "s3:RequestObjectTagKeys") == ()


def test_of_more_tags_than_an_object_can_have_one_more_is_told() -> None:
    """A policy may compare each of them with thousands of values."""
    header = {"Tagging": "&" * 40 + "&".join(f"k{number}=" for number in range(50))}
    assert facts(call(ALICE, {"Tagging": "a=1" + "&" * 99}), "s3:RequestObjectTagKeys") == ("a",)
    assert facts(call(ALICE, {"Tagging": "a=1" + "&" * 100}), "s3:RequestObjectTagKeys") == ()  # it is refused
    document = {"Tagging": {"TagSet": [{"Key": f"k{number}", "Value": ""} for number in range(5000)]}}
    for input in (header, document):
        assert facts(call(ALICE, input), "s3:RequestObjectTagKeys") == tuple(f"k{number}" for number in range(11))


def test_tags_that_are_there_are_known_when_the_object_was_read() -> None:
    name, version = "s3:ExistingObjectTag/color", cast("ObjectVersion", SimpleNamespace(tags='[["color","red"]]'))
    asking = KEYS["s3:existingobjecttag/"].actions or ()
    assert {"s3:GetObject", "s3:GetObjectVersionAttributes", "s3:PutObjectAcl"} < set(asking)
    for action in asking:
        with pytest.raises(ObjectUnread):
            facts(call(ALICE, {}), name, action)
        assert facts(call(ALICE, {}), name, action, Known(True, version)) == ("red",)
        assert facts(call(ALICE, {}), name, action, Known(True)) == ()
        assert facts(call(ALICE, {}), name.replace("color", "size"), action, Known(True, version)) == ()
    for action in ("s3:PutObject", "s3:DeleteObject", "s3:ListBucket"):
        assert facts(call(ALICE, {}), name, action) == ()
