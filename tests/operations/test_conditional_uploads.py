"""CompleteMultipartUpload with conditions on a key that was written or deleted since the upload began."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.gateways import refusal
from tests.operations.test_multipart import begin, complete, put_parts

CONFLICT = (409, "ConditionalRequestConflict")
FAILED = (412, "PreconditionFailed")


def put(s3: Any, bucket: str, body: bytes = b"there") -> str:
    return str(s3.put_object(Bucket=bucket, Key="key", Body=body)["ETag"])


def delete(s3: Any, bucket: str) -> None:
    s3.delete_object(Bucket=bucket, Key="key")


def put_and_delete(s3: Any, bucket: str) -> None:
    put(s3, bucket)
    delete(s3, bucket)


def put_and_delete_version(s3: Any, bucket: str) -> None:
    version = s3.put_object(Bucket=bucket, Key="key", Body=b"gone")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="key", VersionId=version)


def undelete(s3: Any, bucket: str) -> None:
    marker = s3.delete_object(Bucket=bucket, Key="key")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="key", VersionId=marker)


def upload_another(s3: Any, bucket: str) -> None:
    other = begin(s3, bucket)
    complete(s3, other, put_parts(s3, other, [b"other"]))


def rename_away(s3: Any, bucket: str) -> None:
    s3.rename_object(Bucket=bucket, Key="elsewhere", RenameSource="key")


Change = Callable[[Any, str], object]


@pytest.mark.parametrize("change", [delete, rename_away])
def test_a_key_that_was_deleted_since_the_upload_began_is_in_conflict(s3: Any, bucket: str, change: Change) -> None:
    put(s3, bucket)
    upload = begin(s3, bucket)
    parts = put_parts(s3, upload, [b"x"])
    assert refusal(complete, s3=s3, upload=upload, parts=parts, IfNoneMatch="*") == FAILED
    change(s3, bucket)
    assert refusal(complete, s3=s3, upload=upload, parts=parts, IfNoneMatch="*") == CONFLICT
    again = begin(s3, bucket)
    complete(s3, again, put_parts(s3, again, [b"x"]), IfNoneMatch="*")


def test_a_key_that_was_written_and_deleted_since_is_in_conflict(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    parts = put_parts(s3, upload, [b"x"])
    put_and_delete(s3, bucket)
    assert refusal(complete, s3=s3, upload=upload, parts=parts, IfNoneMatch="*") == CONFLICT
    complete(s3, upload, parts)  # without conditions nothing is in its way


@pytest.mark.parametrize("body", [b"there", b"another"])
def test_a_key_that_was_overwritten_since_is_in_conflict_though_its_etag_matches(
    s3: Any, bucket: str, body: bytes
) -> None:
    before = put(s3, bucket)
    upload = begin(s3, bucket)
    parts = put_parts(s3, upload, [b"x"])
    after = put(s3, bucket, body)
    if before != after:
        assert refusal(complete, s3=s3, upload=upload, parts=parts, IfMatch=before) == FAILED
    assert refusal(complete, s3=s3, upload=upload, parts=parts, IfMatch=after) == CONFLICT


def test_the_conflict_names_the_condition_and_the_key(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    parts = put_parts(s3, upload, [b"x"])
    upload_another(s3, bucket)
    etag = s3.head_object(Bucket=bucket, Key="key")["ETag"]
    with pytest.raises(s3.exceptions.ClientError) as refused:
        complete(s3, upload, parts, IfMatch=etag)
    error = refused.value.response["Error"]
    assert (error["Code"], error["Condition"], error["Key"]) == (CONFLICT[1], "If-Match", "key")


@pytest.mark.parametrize("change", [put_and_delete_version, undelete])
def test_a_version_that_came_and_went_is_a_conflict(s3: Any, versioned: str, change: Change) -> None:
    etag = put(s3, versioned)
    upload = begin(s3, versioned)
    parts = put_parts(s3, upload, [b"x"])
    change(s3, versioned)
    assert refusal(complete, s3=s3, upload=upload, parts=parts, IfMatch=etag) == CONFLICT


def test_what_doesnt_touch_the_latest_version_is_no_conflict(s3: Any, versioned: str) -> None:
    old = s3.put_object(Bucket=versioned, Key="key", Body=b"old")["VersionId"]
    etag = put(s3, versioned)
    upload = begin(s3, versioned)
    parts = put_parts(s3, upload, [b"x"])
    s3.delete_object(Bucket=versioned, Key="key", VersionId=old)
    s3.put_object_tagging(Bucket=versioned, Key="key", Tagging={"TagSet": [{"Key": "t", "Value": "1"}]})
    put_and_delete_other = {"Bucket": versioned, "Key": "key2"}
    s3.put_object(**put_and_delete_other)
    s3.delete_object(**put_and_delete_other)
    complete(s3, upload, parts, IfMatch=etag)
