"""Objects: put, get, head and delete, with their conditions, ranges, metadata and checksums."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.gateways import refusal

LARGE = os.urandom(9_000_000)


@pytest.mark.parametrize("size", [0, 1, 16 * 1024, 16 * 1024 + 1, 9_000_000])
def test_what_was_put_is_what_is_read(s3: Any, bucket: str, size: int) -> None:
    put = s3.put_object(Bucket=bucket, Key="key", Body=LARGE[:size])
    assert put["ETag"] == f'"{hashlib.md5(LARGE[:size]).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="key")
    assert got["Body"].read() == LARGE[:size]
    assert got["ContentLength"] == size
    assert s3.head_object(Bucket=bucket, Key="key")["ContentLength"] == size


@pytest.mark.parametrize("key", ["a", "a/b", "//", "/", "..", "../x", "ü €", "😀", "a+b c", "%41", "?x=1&y", "é" * 512])
def test_any_legal_key_is_kept_as_it_is(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]


def test_headers_metadata_tags_and_class_come_back(s3: Any, bucket: str) -> None:
    fields = {
        "CacheControl": "no-cache",
        "ContentDisposition": "attachment",
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "ContentType": "text/plain",
        "StorageClass": "STANDARD_IA",
        "WebsiteRedirectLocation": "/other",
        "Metadata": {"name": "value"},
    }
    expires = datetime(2030, 1, 1, tzinfo=UTC)
    s3.put_object(Bucket=bucket, Key="key", Expires=expires, Tagging="a=1&b", **fields)
    head = s3.head_object(Bucket=bucket, Key="key")
    assert {name: head[name] for name in fields} == fields
    assert head["ExpiresString"] == "Tue, 01 Jan 2030 00:00:00 GMT"
    assert s3.get_object(Bucket=bucket, Key="key")["TagCount"] == 2
    overridden = s3.get_object(
        Bucket=bucket, Key="key", ResponseContentType="a/b", ResponseExpires=datetime(2031, 1, 1, tzinfo=UTC)
    )
    assert overridden["ContentType"] == "a/b"
    assert "2031" in overridden["ExpiresString"]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("StorageClass", "NOPE", "InvalidStorageClass"),
        ("StorageClass", "GLACIER", "NotImplemented"),
        ("ACL", "public", "InvalidArgument"),
        ("ServerSideEncryption", "AES256", "NotImplemented"),
        ("Metadata", {"x": "y" * 2048}, "MetadataTooLarge"),
        ("Tagging", "a=1&a=2", "InvalidArgument"),
        ("Tagging", "aws:x=1", "InvalidTag"),
        ("Tagging", "&".join(f"t{number}=1" for number in range(11)), "InvalidTag"),
        ("ContentMD5", "AAAA", "InvalidDigest"),
        ("ContentMD5", base64.b64encode(b"0" * 16).decode(), "BadDigest"),
        ("ChecksumSHA256", base64.b64encode(b"0" * 32).decode(), "BadDigest"),
        ("WriteOffsetBytes", 3, "NotImplemented"),
    ],
)
def test_a_bad_put_is_refused_and_leaves_nothing(s3: Any, bucket: str, field: str, value: Any, code: str) -> None:
    assert refusal(s3.put_object, Bucket=bucket, Key="key", Body=b"x" * 20_000, **{field: value})[1] == code
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
@pytest.mark.parametrize("size", [100, 100_000])
def test_checksums_are_verified_kept_and_returned(s3: Any, bucket: str, algorithm: str, size: int) -> None:
    put = s3.put_object(Bucket=bucket, Key="key", Body=LARGE[:size], ChecksumAlgorithm=algorithm)
    head = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
    assert head["ChecksumType"] == "FULL_OBJECT"
    assert f"Checksum{algorithm}" not in s3.head_object(Bucket=bucket, Key="key")


@pytest.mark.parametrize(
    ("header", "expected", "content_range"),
    [
        ("bytes=0-0", slice(0, 1), "bytes 0-0/9000000"),
        ("bytes=8388600-8388700", slice(8388600, 8388701), "bytes 8388600-8388700/9000000"),
        ("bytes=-100", slice(8999900, 9000000), "bytes 8999900-8999999/9000000"),
        ("bytes=8999999-", slice(8999999, 9000000), "bytes 8999999-8999999/9000000"),
    ],
)
def test_a_range_is_just_those_bytes(s3: Any, bucket: str, header: str, expected: slice, content_range: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=LARGE)
    got = s3.get_object(Bucket=bucket, Key="key", Range=header)
    assert got["Body"].read() == LARGE[expected]
    assert got["ContentRange"] == content_range
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_a_range_or_part_outside_the_object_is_refused(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=b"abc")
    assert refusal(s3.get_object, Bucket=bucket, Key="key", Range="bytes=3-") == (416, "InvalidRange")
    assert refusal(s3.get_object, Bucket=bucket, Key="key", PartNumber=2) == (416, "InvalidPartNumber")
    assert refusal(s3.get_object, Bucket=bucket, Key="key", PartNumber=0) == (400, "InvalidArgument")
    both = refusal(s3.get_object, Bucket=bucket, Key="key", PartNumber=1, Range="bytes=0-1")
    assert both == (400, "InvalidRequest")
    assert s3.get_object(Bucket=bucket, Key="key", PartNumber=1)["Body"].read() == b"abc"
    assert s3.get_object(Bucket=bucket, Key="key", Range="bytes=x")["Body"].read() == b"abc"


def test_conditional_reads_answer_304_and_412(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="key", Body=b"abc")["ETag"]
    past, future = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    where = {"Bucket": bucket, "Key": "key"}
    assert s3.get_object(**where, IfMatch=etag, IfUnmodifiedSince=past)["ETag"] == etag
    assert s3.get_object(**where, IfNoneMatch='"other"', IfModifiedSince=future)["ETag"] == etag
    assert refusal(s3.get_object, **where, IfMatch='"other"') == (412, "PreconditionFailed")
    assert refusal(s3.get_object, **where, IfUnmodifiedSince=past) == (412, "PreconditionFailed")
    assert refusal(s3.get_object, **where, IfNoneMatch=etag)[0] == 304
    modified = s3.head_object(**where, IfModifiedSince=future)["LastModified"]
    assert refusal(s3.head_object, **where, IfModifiedSince=modified)[0] == 304


def test_conditional_writes_are_decided_by_what_is_there(s3: Any, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": "key"}
    assert refusal(s3.put_object, **where, IfMatch="x") == (404, "NoSuchKey")
    etag = s3.put_object(**where, Body=b"1", IfNoneMatch="*")["ETag"]
    assert refusal(s3.put_object, **where, IfNoneMatch="*") == (412, "PreconditionFailed")
    assert refusal(s3.put_object, **where, IfMatch='"other"') == (412, "PreconditionFailed")
    s3.put_object(**where, Body=b"2", IfMatch=etag)
    assert refusal(s3.delete_object, **where, IfMatch=etag) == (412, "PreconditionFailed")
    s3.delete_object(**where, IfMatch="*")
    assert refusal(s3.head_object, **where)[0] == 404


def test_of_concurrent_first_writers_exactly_one_wins(s3: Any, bucket: str) -> None:
    outcomes: list[str] = []

    def write(number: int) -> None:
        try:
            s3.put_object(Bucket=bucket, Key="lock", Body=str(number).encode(), IfNoneMatch="*")
            outcomes.append("won")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["PreconditionFailed"] * 11 + ["won"]


def test_delete_objects_deletes_all_and_says_so_unless_quiet(s3: Any, bucket: str) -> None:
    for key in "abc":
        s3.put_object(Bucket=bucket, Key=key, Body=b"x" * 20_000)
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "nope"}]})
    assert [entry["Key"] for entry in answer["Deleted"]] == ["a", "nope"]
    conditional = {"Objects": [{"Key": "b"}, {"Key": "c", "ETag": '"other"'}], "Quiet": True}
    answer = s3.delete_objects(Bucket=bucket, Delete=conditional)
    assert "Deleted" not in answer
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("c", "PreconditionFailed")]
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["c"]
    many = {"Objects": [{"Key": str(number)} for number in range(1001)]}
    assert refusal(s3.delete_objects, Bucket=bucket, Delete=many) == (400, "MalformedXML")


def test_object_tags_are_put_read_and_deleted(s3: Any, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": "key"}
    assert refusal(s3.put_object_tagging, **where, Tagging={"TagSet": []}) == (404, "NoSuchKey")
    s3.put_object(**where)
    tags = [{"Key": "a", "Value": "1"}]
    s3.put_object_tagging(**where, Tagging={"TagSet": tags})
    assert s3.get_object_tagging(**where)["TagSet"] == tags
    too_long = [{"Key": "k" * 129, "Value": ""}]
    assert refusal(s3.put_object_tagging, **where, Tagging={"TagSet": too_long})[1] == "InvalidTag"
    assert refusal(s3.put_object_tagging, **where, Tagging={"TagSet": tags * 2})[1] == "InvalidTag"
    bad_value = [{"Key": "k", "Value": "<"}]
    assert refusal(s3.put_object_tagging, **where, Tagging={"TagSet": bad_value})[1] == "InvalidTag"
    s3.delete_object_tagging(**where)
    assert s3.get_object_tagging(**where)["TagSet"] == []


def test_attributes_tell_what_is_asked_for(s3: Any, bucket: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="key", Body=b"abc", ChecksumAlgorithm="SHA256")
    attributes = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    found = s3.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=attributes)
    assert found["ETag"] == put["ETag"].strip('"')
    assert found["Checksum"]["ChecksumSHA256"] == put["ChecksumSHA256"]
    assert (found["ObjectSize"], found["StorageClass"]) == (3, "STANDARD")
    assert "ObjectParts" not in found
    assert (
        refusal(s3.get_object_attributes, Bucket=bucket, Key="key", ObjectAttributes=["Nope"])[1] == "InvalidArgument"
    )
