"""UploadPartCopy: which bytes become the part, and what the source must be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.gateways import refusal
from tests.operations.test_multipart import begin, complete
from tests.operations.test_put_object import checksum

LARGE = bytes(range(256)) * 40_000  # two chunks
PAST, FUTURE = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)


def copy_part(s3: Any, upload: dict[str, Any], number: int, source: str, **arguments: Any) -> dict[str, Any]:
    copied = s3.upload_part_copy(**upload, PartNumber=number, CopySource=source, **arguments)
    return {"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]}


@pytest.mark.parametrize("source", [b"", b"x", b"small" * 100, LARGE], ids=["empty", "byte", "inline", "chunks"])
def test_a_whole_source_becomes_a_part(s3: Any, bucket: str, source: bytes) -> None:
    put = s3.put_object(Bucket=bucket, Key="source", Body=source)
    upload = begin(s3, bucket)
    part = copy_part(s3, upload, 1, f"{bucket}/source")
    assert part["ETag"] == put["ETag"]
    listed = s3.list_parts(**upload)["Parts"][0]
    assert (listed["ETag"], listed["Size"]) == (put["ETag"], len(source))
    complete(s3, upload, [part])
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == source


@pytest.mark.parametrize(
    ("first", "last"), [(0, 0), (8_388_607, 8_388_608), (5, len(LARGE) - 1), (65_535, 65_536), (0, len(LARGE) - 1)]
)
def test_ranges_cross_blocks_and_chunks(s3: Any, bucket: str, first: int, last: int) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=LARGE)
    upload = begin(s3, bucket)
    part = copy_part(s3, upload, 1, f"{bucket}/source", CopySourceRange=f"bytes={first}-{last}")
    s3.delete_object(Bucket=bucket, Key="source")
    complete(s3, upload, [part])
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == LARGE[first : last + 1]


def test_copied_and_sent_parts_mix_and_checksums_are_computed(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=LARGE)
    upload = begin(s3, bucket, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    span = {"CopySourceRange": f"bytes=100-{6 * 1024 * 1024}"}
    copied = s3.upload_part_copy(**upload, PartNumber=1, CopySource=f"{bucket}/source", **span)["CopyPartResult"]
    body = LARGE[100 : 6 * 1024 * 1024 + 1]
    assert copied["ChecksumCRC32"] == checksum("CRC32", body)
    sent = s3.upload_part(**upload, PartNumber=2, Body=b"tail", ChecksumAlgorithm="CRC32")
    done = complete(s3, upload, [{"PartNumber": 1, "ETag": copied["ETag"]}, {"PartNumber": 2, "ETag": sent["ETag"]}])
    assert done["ChecksumCRC32"] == checksum("CRC32", body + b"tail")
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == body + b"tail"


def test_a_version_is_copied_by_its_id_and_a_marker_never(s3: Any, versioned: str) -> None:
    old = s3.put_object(Bucket=versioned, Key="source", Body=b"old")["VersionId"]
    s3.put_object(Bucket=versioned, Key="source", Body=b"new")
    marker = s3.delete_object(Bucket=versioned, Key="source")["VersionId"]
    upload = begin(s3, versioned)
    copied = s3.upload_part_copy(**upload, PartNumber=1, CopySource=f"{versioned}/source?versionId={old}")
    assert copied["CopySourceVersionId"] == old
    hidden = {**upload, "PartNumber": 2}
    assert refusal(s3.upload_part_copy, **hidden, CopySource=f"{versioned}/source") == (404, "NoSuchKey")
    by_id = refusal(s3.upload_part_copy, **hidden, CopySource=f"{versioned}/source?versionId={marker}")
    assert by_id == (400, "InvalidRequest")
    complete(s3, upload, [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}])
    assert s3.get_object(Bucket=versioned, Key="key")["Body"].read() == b"old"


@pytest.mark.parametrize(
    "condition",
    [
        {"CopySourceIfMatch": '"x"'},
        {"CopySourceIfNoneMatch": "*"},
        {"CopySourceIfModifiedSince": "LAST-MODIFIED"},
        {"CopySourceIfUnmodifiedSince": PAST},
    ],
)
def test_conditions_of_the_source_refuse_the_part(s3: Any, bucket: str, condition: dict[str, Any]) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"x")
    upload = begin(s3, bucket)
    modified = s3.head_object(Bucket=bucket, Key="source")["LastModified"]
    given = {name: modified if value == "LAST-MODIFIED" else value for name, value in condition.items()}
    refused = refusal(s3.upload_part_copy, **upload, PartNumber=1, CopySource=f"{bucket}/source", **given)
    assert refused == (412, "PreconditionFailed")
    assert "Parts" not in s3.list_parts(**upload)


@pytest.mark.parametrize(
    ("span", "refused"),
    [
        ("bytes=0-10", (400, "InvalidArgument")),
        ("bytes=10-12", (400, "InvalidRequest")),
        ("bytes=" + "9" * 30 + "-" + "9" * 31, (400, "InvalidRequest")),
        ("bytes=-5", (400, "InvalidArgument")),
        ("bytes=5-", (400, "InvalidArgument")),
        ("bytes=0-1,3-4", (400, "InvalidArgument")),
        ("", (400, "InvalidArgument")),
        ("bytes=0-" + "9" * 30, (400, "InvalidArgument")),
    ],
)
def test_a_range_that_is_no_range_of_the_source_is_refused(
    s3: Any, bucket: str, span: str, refused: tuple[int, str]
) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"0123456789")
    upload = begin(s3, bucket)
    source = {"CopySource": f"{bucket}/source", "CopySourceRange": span}
    assert refusal(s3.upload_part_copy, **upload, PartNumber=1, **source) == refused
    assert "Parts" not in s3.list_parts(**upload)


def test_a_range_that_ends_beyond_the_source_is_told_its_size(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"0123456789")
    with pytest.raises(s3.exceptions.ClientError) as refused:
        copy_part(s3, begin(s3, bucket), 1, f"{bucket}/source", CopySourceRange="bytes=0-10")
    error = refused.value.response["Error"]
    assert error["Message"] == "Range specified is not valid for source object of size: 10"
    assert error["ArgumentName"] == "x-amz-copy-source-range"


def test_a_range_that_can_be_none_is_refused_before_anything_is_looked_for(s3: Any, bucket: str) -> None:
    nowhere = {"Bucket": bucket, "Key": "key", "UploadId": "none", "PartNumber": 1, "CopySource": f"{bucket}/none"}
    assert refusal(s3.upload_part_copy, **nowhere, CopySourceRange="bytes=5-") == (400, "InvalidArgument")


def test_a_failed_condition_of_the_source_comes_before_a_range_beyond_it(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"0123456789")
    part = {**begin(s3, bucket), "PartNumber": 1, "CopySource": f"{bucket}/source", "CopySourceIfMatch": '"x"'}
    assert refusal(s3.upload_part_copy, **part, CopySourceRange="bytes=0-99") == (412, "PreconditionFailed")


def test_a_source_may_be_unmodified_since_a_date_in_the_future(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"x")
    copy_part(s3, begin(s3, bucket), 1, f"{bucket}/source", CopySourceIfModifiedSince=FUTURE)


def test_a_missing_source_or_upload_is_named(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    part = {**upload, "PartNumber": 1}
    assert refusal(s3.upload_part_copy, **part, CopySource=f"{bucket}/nope") == (404, "NoSuchKey")
    assert refusal(s3.upload_part_copy, **part, CopySource="no-such-bucket/a") == (404, "NoSuchBucket")
    s3.put_object(Bucket=bucket, Key="source")
    s3.abort_multipart_upload(**upload)
    assert refusal(s3.upload_part_copy, **part, CopySource=f"{bucket}/source") == (404, "NoSuchUpload")


def test_an_object_can_be_rebuilt_from_itself(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=LARGE)
    upload = begin(s3, bucket)
    middle = 5 * 1024 * 1024
    parts = [
        copy_part(s3, upload, 1, f"{bucket}/key", CopySourceRange=f"bytes={middle - 1_000_000}-{len(LARGE) - 1}"),
        copy_part(s3, upload, 2, f"{bucket}/key", CopySourceRange=f"bytes=0-{middle}"),
    ]
    complete(s3, upload, parts)
    expected = LARGE[middle - 1_000_000 :] + LARGE[: middle + 1]
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == expected
