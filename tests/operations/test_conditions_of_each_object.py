"""What conditions ask about a version or an entity tag is that of each object that a call is about: of the source of a
copy, and of every entry of DeleteObjects.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.access.policies import document, statement
from tests.gateways import Person, refusal
from tests.raw_requests import send
from tests.servers import RunningServer

DENIED = (403, "AccessDenied")


def put_policy(owner: Person, bucket: str, *statements: dict[str, Any]) -> None:
    resource = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    text = document(statement(Action="s3:*", Resource=resource), *statements)
    owner.s3.put_bucket_policy(Bucket=bucket, Policy=text)


@pytest.fixture
def versions(owner: Person, owned: str) -> list[str]:
    """Two of one key, where everybody may do everything, but read or delete the first."""
    owner.s3.put_bucket_versioning(Bucket=owned, VersioningConfiguration={"Status": "Enabled"})
    made = [str(owner.s3.put_object(Bucket=owned, Key="key", Body=body)["VersionId"]) for body in (b"1", b"2")]
    first = statement(
        "Deny",
        Action=["s3:GetObjectVersion", "s3:DeleteObjectVersion"],
        Resource=f"arn:aws:s3:::{owned}/*",
        Condition={"StringEquals": {"s3:VersionId": made[0]}},
    )
    put_policy(owner, owned, first)
    return made


def test_the_version_of_a_source_is_the_one_that_the_policy_asks_about(
    stranger: Person, owned: str, versions: list[str]
) -> None:
    first, second = ({"Bucket": owned, "Key": "key", "VersionId": version} for version in versions)
    stranger.s3.copy_object(Bucket=owned, Key="copy", CopySource=second)
    assert refusal(stranger.s3.copy_object, Bucket=owned, Key="copy", CopySource=first) == DENIED
    upload = {"Bucket": owned, "Key": "copy"}
    upload["UploadId"] = stranger.s3.create_multipart_upload(**upload)["UploadId"]
    stranger.s3.upload_part_copy(**upload, PartNumber=1, CopySource=second)
    assert refusal(stranger.s3.upload_part_copy, **upload, PartNumber=1, CopySource=first) == DENIED


@pytest.mark.parametrize("write", ["{}/a/key", "/{}/a/key", "{}/%61/key", "/{}/%61%2Fkey"])
def test_a_source_is_the_one_that_the_policy_names_however_it_is_written(
    server: RunningServer, owner: Person, stranger: Person, owned: str, write: str
) -> None:
    owner.s3.put_object(Bucket=owned, Key="a/key", Body=b"x", ACL="public-read")
    put = {"Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{owned}/*"}
    source = {"x-amz-copy-source": write.format(owned)}
    named = statement("Deny", **put, Condition={"StringLike": {"s3:x-amz-copy-source": f"{owned}/a/*"}})
    put_policy(owner, owned, named)
    assert send(server, "PUT", f"/{owned}/copy", key=stranger.key, **source).refusal == DENIED
    others = statement("Deny", **put, Condition={"StringNotLike": {"s3:x-amz-copy-source": f"{owned}/a/*"}})
    put_policy(owner, owned, others)
    assert send(server, "PUT", f"/{owned}/copy", key=stranger.key, **source).status == 200


def test_the_version_of_an_entry_is_the_one_that_the_policy_asks_about(
    stranger: Person, owned: str, versions: list[str]
) -> None:
    entries = [{"Key": "key", "VersionId": version} for version in versions]
    answer = stranger.s3.delete_objects(Bucket=owned, Delete={"Objects": entries})
    assert [entry["VersionId"] for entry in answer["Deleted"]] == [versions[1]]
    assert [(entry["VersionId"], entry["Code"]) for entry in answer["Errors"]] == [(versions[0], "AccessDenied")]


def test_a_policy_that_wants_conditional_writes_can_leave_parts_alone(
    owner: Person, stranger: Person, owned: str
) -> None:
    """AWS's example of a policy that enforces If-None-Match."""
    of_objects = {"Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{owned}/*"}
    conditional = statement(**of_objects, Condition={"Null": {"s3:if-none-match": "false"}})
    of_parts = statement(**of_objects, Condition={"Bool": {"s3:ObjectCreationOperation": "false"}})
    owner.s3.put_bucket_policy(Bucket=owned, Policy=document(conditional, of_parts))
    upload = {"Bucket": owned, "Key": "a"}
    upload["UploadId"] = stranger.s3.create_multipart_upload(**upload)["UploadId"]
    part = stranger.s3.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]
    complete = {**upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part}]}}
    assert refusal(stranger.s3.complete_multipart_upload, **complete) == DENIED
    stranger.s3.complete_multipart_upload(**complete, IfNoneMatch="*")
    assert refusal(stranger.s3.put_object, Bucket=owned, Key="b", Body=b"x") == DENIED
    assert refusal(stranger.s3.copy_object, Bucket=owned, Key="b", CopySource=f"{owned}/a") == DENIED
    stranger.s3.put_object(Bucket=owned, Key="b", Body=b"x", IfNoneMatch="*")


def test_the_entity_tag_of_an_entry_is_its_if_match(owner: Person, stranger: Person, owned: str) -> None:
    """AWS's example of a policy with which only conditional deletes are done."""
    unconditional = statement(
        "Deny",
        Action="s3:DeleteObject",
        Resource=f"arn:aws:s3:::{owned}/*",
        Condition={"Null": {"s3:if-match": "true"}},
    )
    put_policy(owner, owned, unconditional)
    tag = owner.s3.put_object(Bucket=owned, Key="a", Body=b"a", ACL="public-read")["ETag"]
    answer = stranger.s3.delete_objects(Bucket=owned, Delete={"Objects": [{"Key": "a", "ETag": tag}, {"Key": "b"}]})
    assert [entry["Key"] for entry in answer["Deleted"]] == ["a"]
    assert [(entry["Key"], entry["Code"]) for entry in answer["Errors"]] == [("b", "AccessDenied")]
