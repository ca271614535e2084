"""What the document of CompleteMultipartUpload must contain, and the forms of its values."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateways import refusal
from tests.operations.test_multipart import begin, complete, put_parts
from tests.operations.test_put_object import checksum
from tests.raw_requests import send
from tests.servers import RunningServer

LAST = b"last"


@pytest.mark.parametrize(
    ("parts", "refused"),
    [
        ("", (400, "InvalidRequest")),
        ("<Part/>", (400, "MalformedXML")),
        ("<Part><PartNumber>1</PartNumber></Part>", (400, "MalformedXML")),
        ("<Part><ETag>x</ETag></Part>", (400, "MalformedXML")),
        ("<Part><PartNumber>0</PartNumber><ETag>x</ETag></Part>", (400, "InvalidArgument")),
        ("<Part><PartNumber>one</PartNumber><ETag>x</ETag></Part>", (400, "MalformedXML")),
        ("<Part><PartNumber>-1</PartNumber><ETag>x</ETag></Part>", (400, "InvalidArgument")),
        ("<Part><PartNumber>10001</PartNumber><ETag>x</ETag></Part>", (400, "InvalidPart")),
        ("<Part><PartNumber>99999999999</PartNumber><ETag>x</ETag></Part>", (400, "MalformedXML")),
        ("<Part><PartNumber>1</PartNumber><PartNumber>2</PartNumber></Part>", (400, "MalformedXML")),
    ],
)
def test_a_list_that_names_no_parts_makes_no_object(
    server: RunningServer, s3: Any, bucket: str, parts: str, refused: tuple[int, str]
) -> None:
    upload = begin(s3, bucket)
    put_parts(s3, upload, [LAST])
    body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
    assert send(server, "POST", f"/{bucket}/key?uploadId={upload['UploadId']}", body).refusal == refused
    assert len(s3.list_parts(**upload)["Parts"]) == 1
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_request_without_a_document_is_malformed_and_one_without_parts_says_what_it_lacks(
    server: RunningServer, s3: Any, bucket: str
) -> None:
    path = f"/{bucket}/key?uploadId={begin(s3, bucket)['UploadId']}"
    assert send(server, "POST", path).refusal == (400, "MalformedXML")
    no_parts = send(server, "POST", path, b"<CompleteMultipartUpload/>")
    assert no_parts.refusal == (400, "InvalidRequest")
    assert b"<Message>You must specify at least one part</Message>" in no_parts.body


@pytest.mark.parametrize(
    ("size", "message"), [("x", "is invalid: 'x'"), ("9" * 20, "is invalid"), ("-4", "is less than zero: '-4'")]
)
def test_an_object_size_that_is_none_is_an_invalid_request(
    server: RunningServer, s3: Any, bucket: str, size: str, message: str
) -> None:
    upload = begin(s3, bucket)
    etag = put_parts(s3, upload, [LAST])[0]["ETag"]
    body = (
        f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    )
    path = f"/{bucket}/key?uploadId={upload['UploadId']}"
    answer = send(server, "POST", path, body.encode(), **{"x-amz-mp-object-size": size})
    assert answer.refusal == (400, "InvalidRequest")
    assert f"Value for x-amz-mp-object-size header {message}" in answer.body.decode()


@pytest.mark.parametrize("quote", ["", '"', '""'])
def test_quotes_in_the_etag_of_a_part_mean_nothing(s3: Any, bucket: str, quote: str) -> None:
    upload = begin(s3, bucket)
    etag = put_parts(s3, upload, [LAST])[0]["ETag"].strip('"')
    complete(s3, upload, [{"PartNumber": 1, "ETag": f"{etag[:5]}{quote}{etag[5:]}{quote}"}])


@pytest.mark.parametrize("stated", ["not base64", "AAAA", "2H9+DA", ""])
def test_a_checksum_of_a_part_that_cannot_be_one_is_refused_before_parts_are_looked_for(
    s3: Any, bucket: str, stated: str
) -> None:
    upload = begin(s3, bucket, ChecksumAlgorithm="CRC32")
    parts = [{"PartNumber": 1, "ETag": "never sent", "ChecksumCRC32": stated}]
    assert refusal(complete, s3=s3, upload=upload, parts=parts) == (400, "InvalidArgument")


def test_a_part_that_states_two_checksums_is_refused(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket, ChecksumAlgorithm="CRC32")
    part = put_parts(s3, upload, [LAST], ChecksumAlgorithm="CRC32")[0]
    two = [part | {"ChecksumSHA256": checksum("SHA256", LAST)}]
    assert refusal(complete, s3=s3, upload=upload, parts=two) == (400, "InvalidArgument")


@pytest.mark.parametrize("stated", ["not base64", "2H9+DA==-x", "2H9+DA==-"])
def test_a_checksum_of_the_object_that_cannot_be_one_is_an_invalid_request(s3: Any, bucket: str, stated: str) -> None:
    upload = begin(s3, bucket, ChecksumAlgorithm="CRC32")
    parts = put_parts(s3, upload, [LAST], ChecksumAlgorithm="CRC32")
    assert refusal(complete, s3=s3, upload=upload, parts=parts, ChecksumCRC32=stated) == (400, "InvalidRequest")


def test_a_checksum_type_that_is_none_is_called_invalid_and_not_another(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket, ChecksumAlgorithm="CRC32")
    parts = put_parts(s3, upload, [LAST], ChecksumAlgorithm="CRC32")
    with pytest.raises(s3.exceptions.ClientError, match="Value for x-amz-checksum-type header is invalid"):
        complete(s3, upload, parts, ChecksumType="WHOLE")
