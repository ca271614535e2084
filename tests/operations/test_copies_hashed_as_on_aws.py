"""S3GW_COPY_ETAG=aws: copies of multipart objects and parts copied from ranges have the MD5 of their bytes as ETag."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateways import client_of
from tests.operations.test_multipart import begin, complete, put_parts
from tests.operations.test_put_object import checksum
from tests.servers import running_server

PARTS = [b"first" * 20_000, b"last"]
WHOLE = b"".join(PARTS)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    data = tmp_path_factory.mktemp("aws") / "data"
    with running_server(data, "--workers", "1", S3GW_COPY_ETAG="aws", S3GW_MIN_PART="1") as server:
        yield client_of(server)


def etag_of(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


def test_the_copy_of_a_multipart_object_is_an_object_that_was_put_whole(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    complete(s3, upload, put_parts(s3, upload, PARTS))
    copy = s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/key")
    assert copy["CopyObjectResult"]["ETag"] == etag_of(WHOLE)
    first = s3.get_object(Bucket=bucket, Key="copy", PartNumber=1)
    assert (first["Body"].read(), first["ETag"], "PartsCount" in first) == (WHOLE, etag_of(WHOLE), False)
    attributes = s3.get_object_attributes(Bucket=bucket, Key="copy", ObjectAttributes=["ObjectParts", "ObjectSize"])
    assert ("ObjectParts" in attributes, attributes["ObjectSize"]) == (False, len(WHOLE))


def test_a_part_copied_from_a_range_has_the_digest_of_that_range(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    complete(s3, upload, put_parts(s3, upload, PARTS))
    other = {"Bucket": bucket, "Key": "other"}
    other["UploadId"] = s3.create_multipart_upload(**other)["UploadId"]
    for span, expected in (({"CopySourceRange": "bytes=7-99999"}, WHOLE[7:100_000]), ({}, WHOLE)):
        part = s3.upload_part_copy(**other, PartNumber=1, CopySource=f"{bucket}/key", **span)
        assert part["CopyPartResult"]["ETag"] == etag_of(expected)
    done = complete(s3, other, [{"PartNumber": 1, "ETag": etag_of(WHOLE)}])
    assert done["ChecksumCRC64NVME"] == checksum("CRC64NVME", WHOLE)
