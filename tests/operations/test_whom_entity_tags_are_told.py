"""Who may write or delete an object, but not read it, isn't told whether it has the entity tag that he names."""

from __future__ import annotations

from typing import Any

import pytest

from tests.access.policies import document, statement
from tests.gateways import Person, refusal

DENIED = (403, "AccessDenied")
OTHER = '"0123456789abcdef0123456789abcdef"'


def let(owner: Person, bucket: str, *actions: str) -> None:
    resource = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    allowed = statement(Action=[f"s3:{action}" for action in actions], Resource=resource)
    owner.s3.put_bucket_policy(Bucket=bucket, Policy=document(allowed))


def delete_of(person: Person, bucket: str, key: str, tag: str) -> Any:
    return person.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key, "ETag": tag}]})


@pytest.mark.parametrize("ownership", ["ObjectWriter", "BucketOwnerEnforced"])
def test_a_condition_on_an_entity_tag_needs_what_reading_needs(
    owner: Person, stranger: Person, owned: str, ownership: str
) -> None:
    controls = {"Rules": [{"ObjectOwnership": ownership}]}
    owner.s3.put_bucket_ownership_controls(Bucket=owned, OwnershipControls=controls)
    tag = owner.s3.put_object(Bucket=owned, Key="key", Body=b"secret")["ETag"]
    let(owner, owned, "PutObject", "DeleteObject")
    write = {"Bucket": owned, "Key": "key", "Body": b"x"}
    upload = {"Bucket": owned, "Key": "key"}
    upload["UploadId"] = stranger.s3.create_multipart_upload(**upload)["UploadId"]
    part = stranger.s3.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]
    complete = {**upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part}]}}
    for guess in (tag, OTHER):
        assert refusal(stranger.s3.put_object, **write, IfMatch=guess) == DENIED
        assert refusal(stranger.s3.complete_multipart_upload, **complete, IfMatch=guess) == DENIED
        assert refusal(stranger.s3.delete_object, Bucket=owned, Key="key", IfMatch=guess) == DENIED
        for key in ("key", "missing"):
            assert [error["Code"] for error in delete_of(stranger, owned, key, guess)["Errors"]] == ["AccessDenied"]
    assert owner.s3.get_object(Bucket=owned, Key="key")["Body"].read() == b"secret"
    stranger.s3.delete_object(Bucket=owned, Key="key", IfMatch="*")  # that there is something is told, as on AWS


@pytest.mark.parametrize("ownership", ["ObjectWriter", "BucketOwnerEnforced"])
def test_who_may_read_writes_and_deletes_by_the_entity_tag(
    owner: Person, stranger: Person, owned: str, ownership: str
) -> None:
    controls = {"Rules": [{"ObjectOwnership": ownership}]}
    owner.s3.put_bucket_ownership_controls(Bucket=owned, OwnershipControls=controls)
    let(owner, owned, "PutObject", "DeleteObject", "GetObject", "ListBucket")
    for key in ("a", "b"):
        tag = owner.s3.put_object(Bucket=owned, Key=key, Body=b"1")["ETag"]
    assert refusal(stranger.s3.put_object, Bucket=owned, Key="a", Body=b"2", IfMatch=OTHER)[0] == 412
    assert refusal(stranger.s3.delete_object, Bucket=owned, Key="a", IfMatch=OTHER)[0] == 412
    assert [error["Code"] for error in delete_of(stranger, owned, "b", OTHER)["Errors"]] == ["PreconditionFailed"]
    assert [error["Code"] for error in delete_of(stranger, owned, "c", OTHER)["Errors"]] == ["NoSuchKey"]
    assert [entry["Key"] for entry in delete_of(stranger, owned, "b", tag)["Deleted"]] == ["b"]
    stranger.s3.delete_object(Bucket=owned, Key="a", IfMatch=tag)
    owner.s3.put_object(Bucket=owned, Key="a", Body=b"1")
    stranger.s3.put_object(Bucket=owned, Key="a", Body=b"2", IfMatch=tag)
