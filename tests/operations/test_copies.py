"""CopyObject and RenameObject."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.gateways import refusal

LARGE = os.urandom(100_000)


@pytest.mark.parametrize("body", [b"small", LARGE])
def test_a_copy_has_the_bytes_and_what_describes_them(s3: Any, bucket: str, body: bytes) -> None:
    put = s3.put_object(Bucket=bucket, Key="a ü", Body=body, Metadata={"m": "1"}, ContentType="x/y", Tagging="t=1")
    copy = s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a ü"})
    assert copy["CopyObjectResult"]["ETag"] == put["ETag"]
    s3.delete_object(Bucket=bucket, Key="a ü")
    got = s3.get_object(Bucket=bucket, Key="copy")
    assert got["Body"].read() == body
    assert (got["Metadata"], got["ContentType"], got["TagCount"]) == ({"m": "1"}, "x/y", 1)


def test_directives_replace_metadata_and_tags(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Metadata={"m": "1"}, Tagging="t=1", WebsiteRedirectLocation="/x")
    source = {"Bucket": bucket, "Key": "copy", "CopySource": f"{bucket}/a"}
    s3.copy_object(**source, MetadataDirective="REPLACE", Metadata={"n": "2"}, TaggingDirective="REPLACE")
    got = s3.head_object(Bucket=bucket, Key="copy")
    assert got["Metadata"] == {"n": "2"}
    assert s3.get_object_tagging(Bucket=bucket, Key="copy")["TagSet"] == []
    s3.copy_object(**source, WebsiteRedirectLocation="/y")
    assert s3.head_object(Bucket=bucket, Key="copy")["WebsiteRedirectLocation"] == "/y"
    s3.copy_object(**source)
    assert "WebsiteRedirectLocation" not in s3.head_object(Bucket=bucket, Key="copy")
    assert refusal(s3.copy_object, **source, MetadataDirective="NOPE")[1] == "InvalidArgument"


def test_a_copy_to_itself_has_to_change_something(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=LARGE)
    itself = {"Bucket": bucket, "Key": "a", "CopySource": f"{bucket}/a"}
    assert refusal(s3.copy_object, **itself) == (400, "InvalidRequest")
    s3.copy_object(**itself, MetadataDirective="REPLACE", Metadata={"m": "1"})
    got = s3.get_object(Bucket=bucket, Key="a")
    assert (got["Body"].read(), got["Metadata"]) == (LARGE, {"m": "1"})


def test_conditions_hold_for_source_and_destination(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="a")["ETag"]
    copy = {"Bucket": bucket, "Key": "b", "CopySource": f"{bucket}/a"}
    past = datetime.now(UTC) - timedelta(days=1)
    failed = (412, "PreconditionFailed")
    assert refusal(s3.copy_object, **copy, CopySourceIfMatch='"x"') == failed
    assert refusal(s3.copy_object, **copy, CopySourceIfNoneMatch=etag) == failed
    assert refusal(s3.copy_object, **copy, CopySourceIfUnmodifiedSince=past) == failed
    s3.copy_object(**copy, CopySourceIfMatch=etag, CopySourceIfModifiedSince=past, IfNoneMatch="*")
    assert refusal(s3.copy_object, **copy, IfNoneMatch="*") == failed


def test_a_version_is_copied_by_its_id(s3: Any, versioned: str) -> None:
    first = s3.put_object(Bucket=versioned, Key="a", Body=b"1")["VersionId"]
    s3.put_object(Bucket=versioned, Key="a", Body=b"2")
    source = {"Bucket": versioned, "Key": "a", "VersionId": first}
    copy = s3.copy_object(Bucket=versioned, Key="a", CopySource=source)
    assert copy["CopySourceVersionId"] == first
    assert copy["VersionId"] != first
    assert s3.get_object(Bucket=versioned, Key="a")["Body"].read() == b"1"
    marker = s3.delete_object(Bucket=versioned, Key="a")["VersionId"]
    hidden = {"Bucket": versioned, "Key": "b", "CopySource": f"{versioned}/a"}
    assert refusal(s3.copy_object, **hidden) == (404, "NoSuchKey")
    hidden["CopySource"] += f"?versionId={marker}"
    assert refusal(s3.copy_object, **hidden) == (400, "InvalidRequest")


def test_a_checksum_can_be_asked_of_a_copy(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=LARGE)
    wanted = s3.put_object(Bucket=bucket, Key="b", Body=LARGE, ChecksumAlgorithm="SHA256")["ChecksumSHA256"]
    copy = s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/a", ChecksumAlgorithm="SHA256")
    assert copy["CopyObjectResult"]["ChecksumSHA256"] == wanted
    again = s3.copy_object(Bucket=bucket, Key="d", CopySource=f"{bucket}/c", ChecksumAlgorithm="SHA256")
    assert again["CopyObjectResult"]["ChecksumSHA256"] == wanted


def test_a_missing_source_is_named(s3: Any, bucket: str) -> None:
    assert refusal(s3.copy_object, Bucket=bucket, Key="b", CopySource=f"{bucket}/nope") == (404, "NoSuchKey")
    assert refusal(s3.copy_object, Bucket=bucket, Key="b", CopySource="no-such-bucket/a") == (404, "NoSuchBucket")
    assert refusal(s3.copy_object, Bucket=bucket, Key="b", CopySource="nonsense") == (400, "InvalidArgument")


def test_a_rename_moves_everything_but_never_over_what_it_must_not(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=LARGE, Metadata={"m": "1"}, Tagging="t=1")
    s3.put_object(Bucket=bucket, Key="taken")
    rename = {"Bucket": bucket, "RenameSource": "/a"}
    taken = refusal(s3.rename_object, **rename, Key="taken", DestinationIfNoneMatch="*")
    assert taken == (412, "PreconditionFailed")
    assert refusal(s3.rename_object, **rename, Key="b", SourceIfMatch='"x"') == (412, "PreconditionFailed")
    s3.rename_object(**rename, Key="a")
    s3.rename_object(**rename, Key="b")
    assert refusal(s3.head_object, Bucket=bucket, Key="a")[0] == 404
    got = s3.get_object(Bucket=bucket, Key="b")
    assert (got["Body"].read(), got["Metadata"], got["TagCount"]) == (LARGE, {"m": "1"}, 1)
    assert refusal(s3.rename_object, **rename, Key="c") == (404, "NoSuchKey")


def test_a_source_of_more_than_5_gib_is_copied_by_parts_only(s3: Any, bucket: str) -> None:
    """Put together of copies of copies, which move no bytes."""

    def repeat(source: str, times: int, key: str, *more: str) -> None:
        upload = {"Bucket": bucket, "Key": key}
        upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
        parts = []
        for number, name in enumerate((*[source] * times, *more), 1):
            part = s3.upload_part_copy(**upload, PartNumber=number, CopySource=f"{bucket}/{name}")
            parts.append({"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]})
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})

    s3.put_object(Bucket=bucket, Key="byte", Body=b"x")
    s3.put_object(Bucket=bucket, Key="8 MiB", Body=bytes(8 << 20))
    repeat("8 MiB", 32, "256 MiB")
    repeat("256 MiB", 20, "5 GiB")
    repeat("256 MiB", 20, "more", "byte")
    refused = refusal(s3.copy_object, Bucket=bucket, Key="copy", CopySource=f"{bucket}/more")
    assert refused == (400, "InvalidRequest")
    assert refusal(s3.head_object, Bucket=bucket, Key="copy")[0] == 404
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/5 GiB")
    copy = s3.get_object(Bucket=bucket, Key="copy", Range="bytes=-1")
    assert (copy["ContentRange"], copy["Body"].read()) == (f"bytes {5 * 2**30 - 1}-{5 * 2**30 - 1}/{5 * 2**30}", b"\0")
