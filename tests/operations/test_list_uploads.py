"""ListMultipartUploads and ListParts: order, pages, prefixes, and what they tell of each entry."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateways import refusal
from tests.operations.test_put_object import in_threads
from tests.raw_requests import send
from tests.servers import RunningServer

KEYS = ["a", "a/1", "a/1", "a/2", "b c", "c/d/e", "é", "😀"]


@pytest.fixture
def uploads(s3: Any, bucket: str) -> list[tuple[str, str]]:
    """(key, upload id) in the order of their initiation."""
    return [(key, s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]) for key in KEYS]


def listed(page: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entry["Key"], entry["UploadId"]) for entry in page.get("Uploads", [])]


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_pages_of_uploads_put_together_are_the_list(
    s3: Any, bucket: str, uploads: list[tuple[str, str]], size: int
) -> None:
    paginator = s3.get_paginator("list_multipart_uploads")
    pages = list(paginator.paginate(Bucket=bucket, PaginationConfig={"PageSize": size}))
    assert [entry for page in pages for entry in listed(page)] == uploads
    rolled_up: list[str] = []
    for page in paginator.paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size}):
        names = [key for key, _ in listed(page)] + [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        assert len(names) <= size
        rolled_up += sorted(names, key=str.encode)
    assert rolled_up == ["a", "a/", "b c", "c/", "é", "😀"]


def test_markers_and_prefixes_narrow_the_uploads(s3: Any, bucket: str, uploads: list[tuple[str, str]]) -> None:
    assert listed(s3.list_multipart_uploads(Bucket=bucket, Prefix="a/")) == uploads[1:4]
    assert listed(s3.list_multipart_uploads(Bucket=bucket, KeyMarker="a/1")) == uploads[3:]
    within = {"KeyMarker": "a/1", "UploadIdMarker": uploads[1][1]}
    assert listed(s3.list_multipart_uploads(Bucket=bucket, **within)) == uploads[2:]
    of_another = {"KeyMarker": "a/1", "UploadIdMarker": uploads[0][1]}
    for marker in (of_another, {"KeyMarker": "a/1", "UploadIdMarker": "nonsense"}):
        assert refusal(s3.list_multipart_uploads, Bucket=bucket, **marker) == (400, "InvalidArgument")
    s3.abort_multipart_upload(Bucket=bucket, Key="a/1", UploadId=uploads[1][1])
    assert listed(s3.list_multipart_uploads(Bucket=bucket, **within)) == uploads[2:]
    uploads.pop(1)
    ignored = s3.list_multipart_uploads(Bucket=bucket, UploadIdMarker=uploads[4][1])
    assert listed(ignored) == uploads
    assert "Prefix" not in ignored
    page = s3.list_multipart_uploads(Bucket=bucket, Prefix="c/", Delimiter="/")
    assert [entry["Prefix"] for entry in page["CommonPrefixes"]] == ["c/d/"]
    assert listed(s3.list_multipart_uploads(Bucket=bucket, MaxUploads=0)) == []


def test_next_markers_of_uploads_are_there_and_empty_where_there_is_none(server: RunningServer, bucket: str) -> None:
    body = send(server, "GET", f"/{bucket}?uploads").body
    assert b"<NextKeyMarker></NextKeyMarker><NextUploadIdMarker></NextUploadIdMarker>" in body


def test_an_upload_is_listed_with_what_it_was_begun_with(s3: Any, bucket: str) -> None:
    s3.create_multipart_upload(Bucket=bucket, Key="key", StorageClass="STANDARD_IA", ChecksumAlgorithm="CRC32C")
    page = s3.list_multipart_uploads(Bucket=bucket)
    entry = page["Uploads"][0]
    assert (entry["StorageClass"], entry["ChecksumAlgorithm"], entry["ChecksumType"]) == (
        "STANDARD_IA",
        "CRC32C",
        "COMPOSITE",
    )
    assert entry["Owner"]["ID"] == entry["Initiator"]["ID"] == s3.list_buckets()["Owner"]["ID"]
    assert (page["Bucket"], page["MaxUploads"], page["IsTruncated"]) == (bucket, 1000, False)


def test_keys_of_uploads_are_url_encoded_on_demand(server: RunningServer, bucket: str) -> None:
    assert send(server, "POST", f"/{bucket}/b%01?uploads").status == 200
    body = send(server, "GET", f"/{bucket}?uploads&encoding-type=url&prefix=b%01&key-marker=a").body
    assert b"<Key>b%01</Key>" in body
    assert b"<Prefix>b%01</Prefix>" in body
    assert b"<EncodingType>url</EncodingType>" in body


@pytest.mark.parametrize("argument", [{"MaxUploads": -1}, {"EncodingType": "x"}])
def test_arguments_that_are_none_are_refused(s3: Any, bucket: str, argument: dict[str, Any]) -> None:
    assert refusal(s3.list_multipart_uploads, Bucket=bucket, **argument) == (400, "InvalidArgument")


def test_what_was_completed_or_aborted_is_listed_no_more(s3: Any, bucket: str, uploads: list[tuple[str, str]]) -> None:
    for key, upload_id in uploads[:4]:
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
    for key, upload_id in uploads[4:7]:
        upload = {"Bucket": bucket, "Key": key, "UploadId": upload_id}
        etag = s3.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert listed(s3.list_multipart_uploads(Bucket=bucket)) == uploads[7:]


def test_parts_are_listed_with_their_sizes_etags_and_checksums(s3: Any, bucket: str) -> None:
    upload = {"Bucket": bucket, "Key": "key"}
    upload["UploadId"] = s3.create_multipart_upload(**upload, ChecksumAlgorithm="SHA1")["UploadId"]
    sent = [
        s3.upload_part(**upload, PartNumber=number, Body=b"x" * number, ChecksumAlgorithm="SHA1") for number in (1, 5)
    ]
    page = s3.list_parts(**upload)
    assert [(part["PartNumber"], part["Size"]) for part in page["Parts"]] == [(1, 1), (5, 5)]
    assert [part["ETag"] for part in page["Parts"]] == [answer["ETag"] for answer in sent]
    assert [part["ChecksumSHA1"] for part in page["Parts"]] == [answer["ChecksumSHA1"] for answer in sent]
    assert (page["ChecksumAlgorithm"], page["ChecksumType"], page["StorageClass"]) == ("SHA1", "COMPOSITE", "STANDARD")
    first = s3.list_parts(**upload, MaxParts=1)
    assert (first["IsTruncated"], first["NextPartNumberMarker"], first["MaxParts"]) == (True, 1, 1)
    assert [part["PartNumber"] for part in s3.list_parts(**upload, PartNumberMarker=1)["Parts"]] == [5]
    assert "Parts" not in s3.list_parts(**upload, PartNumberMarker=5)


def test_a_part_that_concurrent_clients_send_is_one_of_theirs(s3: Any, bucket: str) -> None:
    upload = {"Bucket": bucket, "Key": "key"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    in_threads(8, lambda number: s3.upload_part(**upload, PartNumber=1, Body=bytes([number]) * 20_000))
    part = s3.list_parts(**upload)["Parts"]
    assert len(part) == 1
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part[0]["ETag"]}]})
    body = s3.get_object(Bucket=bucket, Key="key")["Body"].read()
    assert (len(body), len(set(body))) == (20_000, 1)
