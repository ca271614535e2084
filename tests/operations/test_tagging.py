"""Tag sets of objects and buckets: their limits, and what a refused one leaves."""

from __future__ import annotations

from typing import Any

import pytest

from s3gw.metadata.objects import new_version_id
from tests.gateways import refusal
from tests.raw_requests import content_md5, send
from tests.servers import RunningServer


def tag_set(count: int) -> list[dict[str, str]]:
    return [{"Key": f"key{number:02}", "Value": str(number)} for number in range(count)]


@pytest.mark.parametrize(
    "tag",
    [
        {"Key": "k" * 128, "Value": "v" * 256},
        {"Key": "ключ 鍵 é", "Value": "+ - = . _ : / @"},
        {"Key": "empty", "Value": ""},
        {"Key": "awsome", "Value": "aws:x"},
    ],
)
def test_tags_up_to_the_limits_are_kept(s3: Any, bucket: str, tag: dict[str, str]) -> None:
    s3.put_object(Bucket=bucket, Key="key")
    s3.put_object_tagging(Bucket=bucket, Key="key", Tagging={"TagSet": [tag]})
    assert s3.get_object_tagging(Bucket=bucket, Key="key")["TagSet"] == [tag]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [tag]})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [tag]


@pytest.mark.parametrize(
    "tag",
    [
        {"Key": "", "Value": "x"},
        {"Key": "k" * 129, "Value": ""},
        {"Key": "k", "Value": "v" * 257},
        {"Key": "aws:k", "Value": ""},
        {"Key": "k\tk", "Value": ""},
        {"Key": "k", "Value": "a\nb"},
        {"Key": "k!", "Value": ""},
        {"Key": "k", "Value": "😀"},
    ],
)
def test_a_tag_beyond_the_limits_is_refused_and_changes_nothing(s3: Any, bucket: str, tag: dict[str, str]) -> None:
    kept = tag_set(1)
    s3.put_object(Bucket=bucket, Key="key", Tagging="key00=0")
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": kept})
    invalid = (400, "InvalidTag")
    assert refusal(s3.put_object_tagging, Bucket=bucket, Key="key", Tagging={"TagSet": [tag]}) == invalid
    assert refusal(s3.put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": [tag]}) == invalid
    assert s3.get_object_tagging(Bucket=bucket, Key="key")["TagSet"] == kept
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == kept


@pytest.mark.parametrize(
    "header", ["a=1&a=2", "=x", "k!=x", "k=a%0Ab", "k%", "k=%ff", f"{'k' * 129}=", f"k={'v' * 257}"]
)
def test_a_tag_of_a_header_that_is_none_or_double_is_an_argument_that_is_none(
    s3: Any, bucket: str, header: str
) -> None:
    for call in (s3.put_object, s3.create_multipart_upload):
        assert refusal(call, Bucket=bucket, Key="key", Tagging=header) == (400, "InvalidArgument")
    assert refusal(s3.put_object, Bucket=bucket, Key="key", Tagging="aws:x=1") == (400, "InvalidTag")


def test_an_object_has_10_tags_at_most_and_a_bucket_50(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="key")
    s3.put_object_tagging(Bucket=bucket, Key="key", Tagging={"TagSet": tag_set(10)})
    eleven = refusal(s3.put_object_tagging, Bucket=bucket, Key="key", Tagging={"TagSet": tag_set(11)})
    assert eleven == (400, "InvalidTag")
    assert s3.get_object_tagging(Bucket=bucket, Key="key")["TagSet"] == tag_set(10)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tag_set(50)})
    assert refusal(s3.put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": tag_set(51)}) == (400, "InvalidTag")
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tag_set(50)


def test_the_tags_of_an_object_need_no_checksum_and_those_of_a_bucket_do(
    server: RunningServer, s3: Any, bucket: str
) -> None:
    """AWS's model asks its clients for one in both."""
    s3.put_object(Bucket=bucket, Key="key")
    document = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
    assert send(server, "PUT", f"/{bucket}/key?tagging", document).status == 200
    assert s3.get_object_tagging(Bucket=bucket, Key="key")["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert send(server, "PUT", f"/{bucket}?tagging", document).refusal == (400, "InvalidRequest")


def test_tagging_changes_neither_etag_nor_time(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    before = s3.head_object(Bucket=bucket, Key="key")
    s3.put_object_tagging(Bucket=bucket, Key="key", Tagging={"TagSet": tag_set(2)})
    after = s3.head_object(Bucket=bucket, Key="key")
    assert (after["ETag"], after["LastModified"], after["TagCount"]) == (before["ETag"], before["LastModified"], 2)


def test_tagging_of_what_is_not_there_is_refused(s3: Any, versioned: str) -> None:
    where = {"Bucket": versioned, "Key": "nope"}
    assert refusal(s3.get_object_tagging, **where) == (404, "NoSuchKey")
    assert refusal(s3.delete_object_tagging, **where) == (404, "NoSuchKey")
    assert refusal(s3.get_object_tagging, **where, VersionId=new_version_id(-1_000_000)) == (404, "NoSuchVersion")
    assert refusal(s3.get_object_tagging, **where, VersionId="nonsense") == (400, "InvalidArgument")


@pytest.mark.parametrize("version", ["&versionId={}", ""])
def test_tagging_of_a_delete_marker_is_refused_by_the_method_that_was_sent(
    server: RunningServer, s3: Any, versioned: str, version: str
) -> None:
    marker = s3.delete_object(Bucket=versioned, Key="key")["VersionId"]
    body = b"<Tagging><TagSet/></Tagging>"
    for method in ("GET", "PUT", "DELETE"):
        path, sent = f"/{versioned}/key?tagging{version.format(marker)}", body if method == "PUT" else b""
        answer = send(server, method, path, sent, **content_md5(sent))
        assert (answer.headers["x-amz-delete-marker"], answer.headers["x-amz-version-id"]) == ("true", marker)
        assert answer.headers["Allow"] == "DELETE"
        assert answer.refusal == (405, "MethodNotAllowed")
        assert f"<Method>{method}</Method>".encode() in answer.body


@pytest.mark.parametrize(
    "document",
    [
        "<Tagging/>",
        "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
        "<Tagging><TagSet><Tag><Value>a</Value></Tag></TagSet></Tagging>",
        "<Tagging><TagSet/><TagSet/></Tagging>",
        "<TagSet/>",
    ],
)
def test_a_malformed_tag_set_changes_nothing(server: RunningServer, s3: Any, bucket: str, document: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", Tagging="key00=0")
    for path in (f"/{bucket}?tagging", f"/{bucket}/key?tagging"):
        refused = send(server, "PUT", path, document.encode(), **content_md5(document.encode()))
        assert refused.refusal == (400, "MalformedXML")
    assert s3.get_object_tagging(Bucket=bucket, Key="key")["TagSet"] == tag_set(1)
