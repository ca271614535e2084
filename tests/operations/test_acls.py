"""ACLs of buckets and objects: how they are given, what is refused, what they let do, and where they are disabled."""

from __future__ import annotations

from typing import Any

import pytest

from s3gw.access.acl import ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY
from tests.gateways import Person, refusal
from tests.raw_requests import send
from tests.servers import RunningServer

DENIED = (403, "AccessDenied")
NOT_SUPPORTED = (400, "AccessControlListNotSupported")


def grants(answer: Any) -> list[tuple[str, str]]:
    return [(grant["Grantee"].get("ID") or grant["Grantee"]["URI"], grant["Permission"]) for grant in answer["Grants"]]


def document(owner: Person, *given: tuple[str, str]) -> dict[str, Any]:
    listed = [
        {"Grantee": {"Type": "Group", "URI": grantee} if "/" in grantee else {"Type": "CanonicalUser", "ID": grantee}}
        | {"Permission": permission}
        for grantee, permission in given
    ]
    return {"Owner": {"ID": owner.canonical_id}, "Grants": listed}


CANNED = [
    ("private", []),
    ("public-read", [(ALL_USERS, "READ")]),
    ("public-read-write", [(ALL_USERS, "READ"), (ALL_USERS, "WRITE")]),
    ("authenticated-read", [(AUTHENTICATED_USERS, "READ")]),
    ("log-delivery-write", [(LOG_DELIVERY, "WRITE"), (LOG_DELIVERY, "READ_ACP")]),
    ("bucket-owner-read", []),
    ("bucket-owner-full-control", []),
]


@pytest.mark.parametrize(("name", "others"), CANNED)
def test_a_canned_acl_is_what_aws_says(owner: Person, owned: str, name: str, others: list[tuple[str, str]]) -> None:
    expected = [*others, (owner.canonical_id, "FULL_CONTROL")]
    owner.s3.put_bucket_acl(Bucket=owned, ACL=name)
    answer = owner.s3.get_bucket_acl(Bucket=owned)
    assert answer["Owner"]["ID"] == owner.canonical_id
    assert grants(answer) == expected
    owner.s3.put_object(Bucket=owned, Key="key", Body=b"x", ACL=name)
    assert grants(owner.s3.get_object_acl(Bucket=owned, Key="key")) == expected
    owner.s3.put_object_acl(Bucket=owned, Key="key", ACL="private")
    assert grants(owner.s3.get_object_acl(Bucket=owned, Key="key")) == [(owner.canonical_id, "FULL_CONTROL")]
    other = f"other-{owned}"
    owner.s3.create_bucket(Bucket=other, ACL=name)
    assert grants(owner.s3.get_bucket_acl(Bucket=other)) == expected


def test_grants_come_in_headers_and_in_documents(owner: Person, stranger: Person, owned: str) -> None:
    him = stranger.canonical_id
    headers = {"GrantRead": f'id="{him}", uri="{ALL_USERS}"', "GrantWriteACP": f"id={him}"}
    expected = [(ALL_USERS, "READ"), (him, "READ"), (him, "WRITE_ACP")]
    owner.s3.put_object(Bucket=owned, Key="key", Body=b"x", **headers)
    assert grants(owner.s3.get_object_acl(Bucket=owned, Key="key")) == expected
    owner.s3.put_bucket_acl(Bucket=owned, **headers)
    assert grants(owner.s3.get_bucket_acl(Bucket=owned)) == expected
    assert refusal(owner.s3.put_object, Bucket=owned, Key="key", Body=b"y") == DENIED  # he left himself out
    policy = document(owner, (owner.canonical_id, "FULL_CONTROL"), (him, "READ"))
    owner.s3.put_object_acl(Bucket=owned, Key="key", AccessControlPolicy=policy)
    answer = owner.s3.get_object_acl(Bucket=owned, Key="key")
    assert grants(answer) == [(owner.canonical_id, "FULL_CONTROL"), (him, "READ")]
    assert [grant["Grantee"]["DisplayName"] for grant in answer["Grants"]] == ["owner", "stranger"]
    owner.s3.put_bucket_acl(Bucket=owned, AccessControlPolicy=policy)
    assert grants(owner.s3.get_bucket_acl(Bucket=owned)) == grants(answer)


def test_an_acl_that_is_none_is_refused_and_changes_nothing(owner: Person, stranger: Person, owned: str) -> None:
    nobody, email = "f" * 64, {"Type": "AmazonCustomerByEmail", "EmailAddress": "a@example.com"}
    by_email = document(owner) | {"Grants": [{"Grantee": email, "Permission": "READ"}]}
    many = document(owner, *[(stranger.canonical_id, "READ")] * 101)
    cases: list[tuple[dict[str, Any], tuple[int, str]]] = [
        ({}, (400, "MissingSecurityHeader")),
        ({"ACL": "public"}, (400, "InvalidArgument")),
        ({"ACL": "private", "GrantRead": f"id={stranger.canonical_id}"}, (400, "InvalidRequest")),
        ({"ACL": "private", "AccessControlPolicy": document(owner)}, (400, "InvalidRequest")),
        ({"GrantRead": "nonsense"}, (400, "InvalidArgument")),
        ({"GrantRead": f"id={nobody}"}, (400, "InvalidArgument")),
        ({"GrantRead": 'uri="http://acs.amazonaws.com/groups/global/Nobody"'}, (400, "InvalidArgument")),
        ({"GrantRead": 'emailAddress="a@example.com"'}, (405, "MethodNotAllowed")),
        ({"AccessControlPolicy": by_email}, (405, "MethodNotAllowed")),
        ({"AccessControlPolicy": document(owner, (nobody, "READ"))}, (400, "InvalidArgument")),
        ({"AccessControlPolicy": document(owner, (owner.canonical_id, "ALL"))}, (400, "MalformedXML")),
        ({"AccessControlPolicy": document(stranger, (owner.canonical_id, "READ"))}, DENIED),
        ({"AccessControlPolicy": many}, (400, "MalformedACLError")),
    ]
    owner.s3.put_object(Bucket=owned, Key="key", Body=b"x")
    for given, expected in cases:
        assert refusal(owner.s3.put_bucket_acl, Bucket=owned, **given) == expected, given
        assert refusal(owner.s3.put_object_acl, Bucket=owned, Key="key", **given) == expected, given
        if "AccessControlPolicy" not in given and given:
            assert refusal(owner.s3.put_object, Bucket=owned, Key="new", Body=b"x", **given) == expected, given
    only_owner = [(owner.canonical_id, "FULL_CONTROL")]
    assert grants(owner.s3.get_bucket_acl(Bucket=owned)) == only_owner
    assert grants(owner.s3.get_object_acl(Bucket=owned, Key="key")) == only_owner
    assert refusal(owner.s3.head_object, Bucket=owned, Key="new")[0] == 404


def test_100_grants_are_taken(owner: Person, stranger: Person, owned: str) -> None:
    many = document(owner, *[(stranger.canonical_id, "READ")] * 100)
    owner.s3.put_bucket_acl(Bucket=owned, AccessControlPolicy=many)
    assert len(owner.s3.get_bucket_acl(Bucket=owned)["Grants"]) == 100


def test_an_object_is_read_by_whom_its_acl_names(
    server: RunningServer, owner: Person, stranger: Person, owned: str
) -> None:
    """Whatever the way in which it came: put, copied, or completed."""
    to_all = {"ACL": "public-read"}
    owner.s3.put_object(Bucket=owned, Key="put", Body=b"x" * 10, **to_all)
    owner.s3.copy_object(Bucket=owned, Key="copy", CopySource={"Bucket": owned, "Key": "put"}, **to_all)
    owner.s3.copy_object(Bucket=owned, Key="private copy", CopySource={"Bucket": owned, "Key": "put"})
    upload = owner.s3.create_multipart_upload(Bucket=owned, Key="parts", **to_all)["UploadId"]
    named = {"Bucket": owned, "Key": "parts", "UploadId": upload}
    etag = owner.s3.upload_part(**named, PartNumber=1, Body=b"x" * 10)["ETag"]
    owner.s3.complete_multipart_upload(**named, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    for key in ("put", "copy", "parts"):
        assert send(server, "GET", f"/{owned}/{key}", key=None).body == b"x" * 10
        assert send(server, "HEAD", f"/{owned}/{key}", key=None, Range="bytes=1-2").status == 206
        assert refusal(stranger.s3.put_object, Bucket=owned, Key=key, Body=b"y") == DENIED
        assert refusal(stranger.s3.get_object_tagging, Bucket=owned, Key=key) == DENIED
    assert send(server, "GET", f"/{owned}/private%20copy", key=None).refusal == DENIED
    assert send(server, "GET", f"/{owned}/missing", key=None).refusal == DENIED
    assert send(server, "GET", f"/{owned}/missing?versionId=null", key=None).refusal == DENIED
    owner.s3.put_bucket_acl(Bucket=owned, ACL="public-read")
    assert send(server, "GET", f"/{owned}/missing", key=None).refusal == (404, "NoSuchKey")


def test_versions_have_acls_of_their_own(server: RunningServer, owner: Person, owned: str) -> None:
    owner.s3.put_bucket_versioning(Bucket=owned, VersioningConfiguration={"Status": "Enabled"})
    named = {"Bucket": owned, "Key": "key"}
    first = owner.s3.put_object(**named, Body=b"1", ACL="public-read")["VersionId"]
    second = owner.s3.put_object(**named, Body=b"2")["VersionId"]
    assert send(server, "GET", f"/{owned}/key", key=None).refusal == DENIED
    assert send(server, "GET", f"/{owned}/key?versionId={first}", key=None).body == b"1"
    owner.s3.put_object_acl(**named, VersionId=first, ACL="private")
    owner.s3.put_object_acl(**named, ACL="public-read")
    assert send(server, "GET", f"/{owned}/key?versionId={first}", key=None).refusal == DENIED
    assert send(server, "GET", f"/{owned}/key?versionId={second}", key=None).body == b"2"
    marker = owner.s3.delete_object(**named)["VersionId"]
    for call in (owner.s3.get_object_acl, owner.s3.put_object_acl):
        given = {"ACL": "private"} if call == owner.s3.put_object_acl else {}
        assert refusal(call, **named, **given) == (404, "NoSuchKey")
        assert refusal(call, **named, VersionId=marker, **given) == (405, "MethodNotAllowed")
    assert send(server, "GET", f"/{owned}/key", key=None).refusal == DENIED


def test_what_others_write_is_theirs_where_acls_are_enabled(owner: Person, stranger: Person, owned: str) -> None:
    owner.s3.put_bucket_acl(Bucket=owned, ACL="public-read-write")
    named = {"Bucket": owned, "Key": "his"}
    stranger.s3.put_object(**named, Body=b"x")
    assert refusal(owner.s3.get_object, **named) == DENIED
    assert refusal(owner.s3.head_object, **named)[0] == 403
    assert refusal(owner.s3.get_object_acl, **named) == DENIED
    assert refusal(owner.s3.copy_object, Bucket=owned, Key="copy", CopySource=named) == DENIED
    assert stranger.s3.get_object(**named)["Body"].read() == b"x"
    listed = owner.s3.list_objects_v2(Bucket=owned, FetchOwner=True)["Contents"]
    assert [entry["Owner"]["ID"] for entry in listed] == [stranger.canonical_id]
    stranger.s3.put_object_acl(**named, ACL="bucket-owner-full-control")
    assert owner.s3.get_object(**named)["Body"].read() == b"x"
    assert owner.s3.get_object_acl(**named)["Owner"]["ID"] == stranger.canonical_id
    owner.s3.delete_object(**named)
    owner.s3.put_bucket_ownership_controls(Bucket=owned, OwnershipControls=ownership("BucketOwnerPreferred"))
    stranger.s3.put_object(**named, Body=b"1")
    assert refusal(owner.s3.get_object, **named) == DENIED
    stranger.s3.put_object(**named, Body=b"2", ACL="bucket-owner-full-control")
    assert owner.s3.get_object_acl(**named)["Owner"]["ID"] == owner.canonical_id
    assert refusal(stranger.s3.get_object, **named) == DENIED


def ownership(name: str) -> dict[str, Any]:
    return {"Rules": [{"ObjectOwnership": name}]}


def test_where_acls_are_disabled_they_are_neither_taken_nor_counted(
    server: RunningServer, owner: Person, stranger: Person, owned: str
) -> None:
    named = {"Bucket": owned, "Key": "key"}
    owner.s3.put_object(**named, Body=b"x", ACL="public-read")
    owner.s3.put_bucket_acl(Bucket=owned, ACL="public-read")
    controls = ownership("BucketOwnerEnforced")
    change = {"Bucket": owned, "OwnershipControls": controls}
    assert refusal(owner.s3.put_bucket_ownership_controls, **change) == (400, "InvalidBucketAclWithObjectOwnership")
    owner.s3.put_bucket_acl(Bucket=owned, ACL="private")
    owner.s3.put_bucket_ownership_controls(**change)
    assert owner.s3.get_bucket_ownership_controls(Bucket=owned)["OwnershipControls"] == controls
    assert send(server, "GET", f"/{owned}/key", key=None).refusal == DENIED
    assert grants(owner.s3.get_object_acl(**named)) == [(owner.canonical_id, "FULL_CONTROL")]
    for given in ({"ACL": "public-read"}, {"GrantRead": f"id={stranger.canonical_id}"}):
        assert refusal(owner.s3.put_object, **named, Body=b"y", **given) == NOT_SUPPORTED
        assert refusal(owner.s3.create_multipart_upload, **named, **given) == NOT_SUPPORTED
        assert refusal(owner.s3.put_object_acl, **named, **given) == NOT_SUPPORTED
        assert refusal(owner.s3.put_bucket_acl, Bucket=owned, **given) == NOT_SUPPORTED
    assert refusal(owner.s3.put_object_acl, **named, ACL="private") == NOT_SUPPORTED
    owner.s3.put_object(**named, Body=b"y", ACL="bucket-owner-full-control")
    owner.s3.put_object(**named, Body=b"y", ACL="private")
    owner.s3.delete_bucket_ownership_controls(Bucket=owned)
    gone = refusal(owner.s3.get_bucket_ownership_controls, Bucket=owned)
    assert gone == (404, "OwnershipControlsNotFoundError")
    owner.s3.put_object(**named, Body=b"z", ACL="public-read")
    assert send(server, "GET", f"/{owned}/key", key=None).body == b"z"


@pytest.mark.parametrize("rules", [[], [{"ObjectOwnership": "Nobody"}], [{"ObjectOwnership": "ObjectWriter"}] * 2])
def test_ownership_controls_that_are_none_are_malformed(owner: Person, owned: str, rules: list[Any]) -> None:
    change = {"Bucket": owned, "OwnershipControls": {"Rules": rules}}
    assert refusal(owner.s3.put_bucket_ownership_controls, **change) == (400, "MalformedXML")


def test_public_acls_can_be_blocked_and_ignored(server: RunningServer, owner: Person, owned: str) -> None:
    assert refusal(owner.s3.get_public_access_block, Bucket=owned) == (404, "NoSuchPublicAccessBlockConfiguration")
    named = {"Bucket": owned, "Key": "key"}
    owner.s3.put_object(**named, Body=b"x", ACL="public-read")
    owner.s3.put_bucket_acl(Bucket=owned, ACL="public-read")
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": False, "BlockPublicPolicy": False}
    block |= {"RestrictPublicBuckets": False}
    owner.s3.put_public_access_block(Bucket=owned, PublicAccessBlockConfiguration=block)
    assert owner.s3.get_public_access_block(Bucket=owned)["PublicAccessBlockConfiguration"] == block
    assert send(server, "GET", f"/{owned}/key", key=None).status == 200
    public = {"ACL": "public-read"}
    for call in (owner.s3.put_object, owner.s3.put_object_acl, owner.s3.create_multipart_upload):
        assert refusal(call, **named, **public) == DENIED
    assert refusal(owner.s3.put_bucket_acl, Bucket=owned, **public) == DENIED
    assert owner.s3.get_bucket_policy_status(Bucket=owned)["PolicyStatus"]["IsPublic"]
    ignored = {"IgnorePublicAcls": True}
    owner.s3.put_public_access_block(Bucket=owned, PublicAccessBlockConfiguration=ignored)
    assert send(server, "GET", f"/{owned}/key", key=None).refusal == DENIED
    assert send(server, "GET", f"/{owned}", key=None).refusal == DENIED
    assert not owner.s3.get_bucket_policy_status(Bucket=owned)["PolicyStatus"]["IsPublic"]
    owner.s3.delete_public_access_block(Bucket=owned)
    assert send(server, "GET", f"/{owned}/key", key=None).status == 200


def test_a_bucket_is_created_with_its_ownership_and_acl_or_not_at_all(owner: Person, owned: str) -> None:
    name = f"new-{owned}"
    enforced = {"Bucket": name, "ObjectOwnership": "BucketOwnerEnforced", "ACL": "public-read"}
    assert refusal(owner.s3.create_bucket, **enforced) == (400, "InvalidBucketAclWithObjectOwnership")
    assert refusal(owner.s3.create_bucket, Bucket=name, ObjectOwnership="x") == (400, "InvalidArgument")
    assert refusal(owner.s3.head_bucket, Bucket=name)[0] == 404
    owner.s3.create_bucket(Bucket=name, ObjectOwnership="BucketOwnerPreferred", ACL="public-read")
    controls = owner.s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]
    assert controls == ownership("BucketOwnerPreferred")
    owner.s3.create_bucket(Bucket=name)  # again, in us-east-1: "resets the bucket access control lists"
    assert grants(owner.s3.get_bucket_acl(Bucket=name)) == [(owner.canonical_id, "FULL_CONTROL")]


def test_a_bucket_that_is_given_away_is_no_longer_the_owner_s(
    server: RunningServer, owner: Person, stranger: Person, owned: str
) -> None:
    owner.s3.put_bucket_acl(Bucket=owned, ACL="log-delivery-write")
    server.command("bucket", "update", owned, "--owner", "stranger")
    stranger.s3.list_objects_v2(Bucket=owned)
    expected = [(LOG_DELIVERY, "WRITE"), (LOG_DELIVERY, "READ_ACP"), (stranger.canonical_id, "FULL_CONTROL")]
    assert grants(stranger.s3.get_bucket_acl(Bucket=owned)) == expected
    assert refusal(owner.s3.list_objects_v2, Bucket=owned) == DENIED
    assert refusal(owner.s3.put_object, Bucket=owned, Key="key", Body=b"x") == DENIED


def test_what_keeps_acls_from_being_put_holds_for_a_bucket_that_is_made_again(owner: Person, owned: str) -> None:
    owner.s3.put_public_access_block(Bucket=owned, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    blocked = (400, "InvalidBucketAclWithBlockPublicAccessError")
    assert refusal(owner.s3.create_bucket, Bucket=owned, ACL="public-read") == blocked
    owner.s3.create_bucket(Bucket=owned, ACL="log-delivery-write")
    owner.s3.create_bucket(Bucket=owned)
    owner.s3.put_bucket_ownership_controls(Bucket=owned, OwnershipControls=ownership("BucketOwnerEnforced"))
    disabled = (400, "InvalidBucketAclWithObjectOwnership")
    assert refusal(owner.s3.create_bucket, Bucket=owned, ACL="log-delivery-write") == disabled
    owner.s3.put_bucket_ownership_controls(Bucket=owned, OwnershipControls=ownership("ObjectWriter"))
    assert grants(owner.s3.get_bucket_acl(Bucket=owned)) == [(owner.canonical_id, "FULL_CONTROL")]


def test_who_may_write_an_acl_needs_it_for_a_put_with_one(owner: Person, stranger: Person, owned: str) -> None:
    """A grantee of WRITE owns what he writes, so he may say who reads it."""
    owner.s3.put_bucket_acl(Bucket=owned, GrantWrite=f"id={stranger.canonical_id}")
    stranger.s3.put_object(Bucket=owned, Key="his", Body=b"x", ACL="public-read")
    assert refusal(stranger.s3.list_objects_v2, Bucket=owned) == DENIED
    assert refusal(stranger.s3.delete_object, Bucket=owned, Key="his") == DENIED


def test_who_began_an_upload_lists_and_aborts_it_and_nobody_else_does(
    server: RunningServer, owner: Person, stranger: Person, nobody: Any, owned: str
) -> None:
    owner.s3.put_bucket_acl(Bucket=owned, ACL="public-read-write")
    his = stranger.s3.create_multipart_upload(Bucket=owned, Key="key")["UploadId"]
    owners = owner.s3.create_multipart_upload(Bucket=owned, Key="key")["UploadId"]
    named = {"Bucket": owned, "Key": "key"}
    stranger.s3.upload_part(**named, UploadId=his, PartNumber=1, Body=b"x")
    assert len(stranger.s3.list_parts(**named, UploadId=his)["Parts"]) == 1
    for call in (stranger.s3.list_parts, stranger.s3.abort_multipart_upload):
        assert refusal(call, **named, UploadId=owners) == DENIED
        assert refusal(call, **named, UploadId="f" * 64) == DENIED
    for call in (nobody.list_parts, nobody.abort_multipart_upload):
        assert refusal(call, **named, UploadId=his) == DENIED
    stranger.s3.abort_multipart_upload(**named, UploadId=his)
    owner.s3.abort_multipart_upload(**named, UploadId=owners)
    assert "Uploads" not in owner.s3.list_multipart_uploads(Bucket=owned)


def test_what_anybody_may_write_he_may_open_too(server: RunningServer, owner: Person, nobody: Any, owned: str) -> None:
    owner.s3.put_bucket_acl(Bucket=owned, ACL="public-read-write")
    nobody.put_object(Bucket=owned, Key="key", Body=b"x", ACL="public-read")
    assert nobody.get_object(Bucket=owned, Key="key")["Body"].read() == b"x"
    assert owner.s3.get_object(Bucket=owned, Key="key")["Body"].read() == b"x"
    assert refusal(nobody.put_object_acl, Bucket=owned, Key="key", ACL="private") == DENIED
