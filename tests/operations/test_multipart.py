"""Multipart uploads, from their beginning to the object they become."""

from __future__ import annotations

import hashlib
import os
from datetime import timedelta
from typing import Any

import pytest

from tests.gateways import refusal
from tests.raw_requests import send
from tests.servers import RunningServer

MIB = 1024 * 1024
PARTS = [os.urandom(5 * MIB), os.urandom(5 * MIB + 1), os.urandom(1000)]


def begin(s3: Any, bucket: str, **arguments: Any) -> dict[str, Any]:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="key", **arguments)
    return {"Bucket": bucket, "Key": "key", "UploadId": upload["UploadId"]}


def put_parts(s3: Any, upload: dict[str, Any], bodies: list[bytes], **arguments: Any) -> list[dict[str, Any]]:
    """What Complete lists: with the checksums if the upload has an algorithm, which then is among the arguments."""
    parts = []
    for number, body in enumerate(bodies, 1):
        answer = s3.upload_part(**upload, PartNumber=number, Body=body, **arguments)
        listed = [name for name in answer if name == f"Checksum{arguments.get('ChecksumAlgorithm')}"]
        parts.append({"PartNumber": number, "ETag": answer["ETag"], **{name: answer[name] for name in listed}})
    return parts


def complete(s3: Any, upload: dict[str, Any], parts: list[dict[str, Any]], **arguments: Any) -> Any:
    return s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **arguments)


@pytest.mark.parametrize(("algorithm", "kind"), [("crc32", "full_object"), ("Sha256", "Composite")])
def test_enumerations_about_checksums_are_taken_in_any_case(
    server: RunningServer, s3: Any, bucket: str, algorithm: str, kind: str
) -> None:
    asked = {"x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": kind}
    begun = send(server, "POST", f"/{bucket}/key?uploads", **asked)
    told = (begun.headers["x-amz-checksum-algorithm"], begun.headers["x-amz-checksum-type"])
    assert told == (algorithm.upper(), kind.upper())
    put = s3.put_object(Bucket=bucket, Key="key", Body=b"x", ChecksumAlgorithm=algorithm.upper())
    read = send(server, "GET", f"/{bucket}/key", **{"x-amz-checksum-mode": "enabled"})
    assert read.headers[f"x-amz-checksum-{algorithm.lower()}"] == put[f"Checksum{algorithm.upper()}"]
    copied = send(server, "PUT", f"/{bucket}/copy", **{"x-amz-copy-source": f"{bucket}/key", **asked})
    assert f"<Checksum{algorithm.upper()}>".encode() in copied.body


def test_parts_become_an_object_that_is_read_whole_by_range_and_by_part(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket, Metadata={"m": "1"}, Tagging="t=1")
    parts = put_parts(s3, upload, PARTS)
    done = complete(s3, upload, parts)
    digests = b"".join(hashlib.md5(part).digest() for part in PARTS)
    assert done["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
    whole = b"".join(PARTS)
    got = s3.get_object(Bucket=bucket, Key="key")
    assert (got["Body"].read(), got["Metadata"], got["TagCount"]) == (whole, {"m": "1"}, 1)
    edge = s3.get_object(Bucket=bucket, Key="key", Range=f"bytes={5 * MIB - 5}-{5 * MIB + 5}")
    assert edge["Body"].read() == whole[5 * MIB - 5 : 5 * MIB + 6]
    second = s3.get_object(Bucket=bucket, Key="key", PartNumber=2)
    assert (second["Body"].read(), second["PartsCount"]) == (PARTS[1], 3)
    assert s3.head_object(Bucket=bucket, Key="key", PartNumber=3)["ContentLength"] == 1000
    assert refusal(s3.get_object, Bucket=bucket, Key="key", PartNumber=4) == (416, "InvalidPartNumber")
    assert complete(s3, upload, parts)["ETag"] == done["ETag"]  # a client that lost the answer asks again
    assert refusal(s3.list_parts, **upload) == (404, "NoSuchUpload")


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [("CRC32", "COMPOSITE"), ("CRC32C", "FULL_OBJECT"), ("CRC64NVME", "FULL_OBJECT"), ("SHA256", "COMPOSITE")],
)
def test_checksums_of_parts_become_that_of_the_object(s3: Any, bucket: str, algorithm: str, kind: str) -> None:
    upload = begin(s3, bucket, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    parts = put_parts(s3, upload, PARTS, ChecksumAlgorithm=algorithm)
    listed = s3.list_parts(**upload)
    assert listed["ChecksumAlgorithm"] == algorithm
    assert [part[f"Checksum{algorithm}"] for part in listed["Parts"]] == [
        part[f"Checksum{algorithm}"] for part in parts
    ]
    done = complete(s3, upload, parts)
    assert done["ChecksumType"] == kind
    assert done[f"Checksum{algorithm}"].endswith("-3") == (kind == "COMPOSITE")
    if kind == "FULL_OBJECT":
        whole = s3.put_object(Bucket=bucket, Key="whole", Body=b"".join(PARTS), ChecksumAlgorithm=algorithm)
        assert done[f"Checksum{algorithm}"] == whole[f"Checksum{algorithm}"]
    attributes = s3.get_object_attributes(Bucket=bucket, Key="key", ObjectAttributes=["ObjectParts"], MaxParts=2)
    found = attributes["ObjectParts"]
    assert (found["TotalPartsCount"], found["IsTruncated"], found["NextPartNumberMarker"]) == (3, True, 2)
    assert found["Parts"][1]["Size"] == len(PARTS[1])


def test_a_wrong_list_of_parts_is_refused_and_the_upload_stays(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    parts = put_parts(s3, upload, [PARTS[2], PARTS[2]])
    assert refusal(complete, s3=s3, upload=upload, parts=[])[1] == "InvalidRequest"
    assert refusal(complete, s3=s3, upload=upload, parts=parts[::-1]) == (400, "InvalidPartOrder")
    assert refusal(complete, s3=s3, upload=upload, parts=[{**parts[0], "ETag": "x"}]) == (400, "InvalidPart")
    assert refusal(complete, s3=s3, upload=upload, parts=[{**parts[0], "PartNumber": 9}]) == (400, "InvalidPart")
    assert refusal(complete, s3=s3, upload=upload, parts=parts) == (400, "EntityTooSmall")
    wrong_size = refusal(complete, s3=s3, upload=upload, parts=parts[:1], MpuObjectSize=7)
    assert wrong_size == (400, "InvalidRequest")
    s3.put_object(Bucket=bucket, Key="key")
    assert refusal(complete, s3=s3, upload=upload, parts=parts[:1], IfNoneMatch="*") == (412, "PreconditionFailed")
    complete(s3, upload, parts[:1])
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == PARTS[2]


def test_uploads_are_refused_what_contradicts_them(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket, ChecksumAlgorithm="SHA256")
    other = refusal(s3.upload_part, **upload, PartNumber=1, Body=b"x", ChecksumAlgorithm="CRC32")
    assert other == (400, "InvalidRequest")
    assert refusal(s3.upload_part, **upload, PartNumber=0, Body=b"x") == (400, "InvalidArgument")
    assert refusal(s3.upload_part, **upload, PartNumber=10_001, Body=b"x") == (400, "InvalidArgument")
    nowhere = {**upload, "UploadId": "nope"}
    assert refusal(s3.upload_part, **nowhere, PartNumber=1, Body=b"x" * 50_000) == (404, "NoSuchUpload")
    elsewhere = {**upload, "Key": "other"}
    assert refusal(s3.list_parts, **elsewhere) == (404, "NoSuchUpload")
    bad = {"Bucket": bucket, "Key": "key"}
    assert refusal(s3.create_multipart_upload, **bad, ChecksumType="COMPOSITE")[1] == "InvalidRequest"
    kind = {"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"}
    assert refusal(s3.create_multipart_upload, **bad, **kind)[1] == "InvalidRequest"


def test_a_part_sent_again_replaces_the_first_and_an_abort_removes_all(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    s3.upload_part(**upload, PartNumber=1, Body=b"first" * 10_000)
    parts = put_parts(s3, upload, [b"second"])
    listed = s3.list_parts(**upload)
    assert [(part["PartNumber"], part["Size"]) for part in listed["Parts"]] == [(1, 6)]
    s3.abort_multipart_upload(**upload)
    assert refusal(s3.abort_multipart_upload, **upload) == (404, "NoSuchUpload")
    assert refusal(complete, s3=s3, upload=upload, parts=parts) == (404, "NoSuchUpload")


def test_parts_and_uploads_are_listed_in_pages(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    put_parts(s3, upload, [b"x"] * 5)
    paginator = s3.get_paginator("list_parts")
    pages = paginator.paginate(**upload, PaginationConfig={"PageSize": 2})
    assert [part["PartNumber"] for page in pages for part in page.get("Parts", [])] == [1, 2, 3, 4, 5]
    for key in ("a/1", "a/2", "b", "b"):
        s3.create_multipart_upload(Bucket=bucket, Key=key)
    pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    found = [entry["Key"] for page in pages for entry in page.get("Uploads", [])]
    assert found == ["a/1", "a/2", "b", "b", "key"]
    rolled_up = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/", KeyMarker="a/")
    assert [entry["Key"] for entry in rolled_up["Uploads"]] == ["b", "b", "key"]
    assert s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")["CommonPrefixes"] == [{"Prefix": "a/"}]


def test_parts_are_copied_whole_and_by_range(s3: Any, bucket: str) -> None:
    body = b"".join(PARTS)
    s3.put_object(Bucket=bucket, Key="source", Body=body)
    upload = begin(s3, bucket, ChecksumAlgorithm="CRC32")
    source = {"CopySource": f"{bucket}/source"}
    first = s3.upload_part_copy(**upload, PartNumber=1, **source)["CopyPartResult"]
    last = s3.upload_part_copy(**upload, PartNumber=2, **source, CopySourceRange="bytes=100-200")["CopyPartResult"]
    kept = [{name: part[name] for name in ("ETag", "ChecksumCRC32")} for part in (first, last)]
    complete(s3, upload, [{"PartNumber": number, **part} for number, part in enumerate(kept, 1)])
    s3.delete_object(Bucket=bucket, Key="source")
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == body + body[100:201]
    nested = begin(s3, bucket)
    again = s3.upload_part_copy(
        **nested, PartNumber=1, CopySource=f"{bucket}/key", CopySourceRange=f"bytes=10-{len(body) + 50}"
    )
    complete(s3, nested, [{"PartNumber": 1, "ETag": again["CopyPartResult"]["ETag"]}])
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == (body + body[100:201])[10 : len(body) + 51]


@pytest.mark.parametrize(
    ("span", "refused"),
    [
        ("bytes=0-20", (400, "InvalidArgument")),
        ("bytes=5-2", (400, "InvalidArgument")),
        ("0-1", (400, "InvalidArgument")),
    ],
)
def test_a_bad_range_of_a_source_is_refused(s3: Any, bucket: str, span: str, refused: tuple[int, str]) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"0123456789")
    upload = begin(s3, bucket)
    source = {"CopySource": f"{bucket}/source", "CopySourceRange": span}
    assert refusal(s3.upload_part_copy, **upload, PartNumber=1, **source) == refused


def test_an_upload_is_aborted_only_if_it_was_initiated_when_the_client_says(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    initiated = s3.list_multipart_uploads(Bucket=bucket)["Uploads"][0]["Initiated"]
    other = initiated - timedelta(days=1)
    assert refusal(s3.abort_multipart_upload, **upload, IfMatchInitiatedTime=other) == (412, "PreconditionFailed")
    assert "Uploads" in s3.list_multipart_uploads(Bucket=bucket)
    s3.abort_multipart_upload(**upload, IfMatchInitiatedTime=initiated)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
