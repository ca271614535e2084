"""Uploads that were created without a checksum algorithm: their objects get a CRC64NVME, whatever the parts bring."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateways import refusal
from tests.operations.test_multipart import begin, complete, put_parts
from tests.operations.test_put_object import checksum

MIB = 1024 * 1024
FIRST, LAST = b"first" * MIB, b"last"


@pytest.mark.parametrize("algorithm", [None, "CRC32C", "SHA256", "CRC64NVME"])
def test_the_object_gets_a_crc64nvme_whatever_its_parts_were_sent_with(
    s3: Any, bucket: str, algorithm: str | None
) -> None:
    upload = begin(s3, bucket)
    etags = []
    for number, body in enumerate((FIRST, LAST), 1):
        sent = s3.upload_part(
            **upload, PartNumber=number, Body=body, **({"ChecksumAlgorithm": algorithm} if algorithm else {})
        )
        shown = algorithm or "CRC32"  # boto3's default
        assert sent[f"Checksum{shown}"] == checksum(shown, body)
        etags.append({"PartNumber": number, "ETag": sent["ETag"]})
    assert not [name for part in s3.list_parts(**upload)["Parts"] for name in part if name.startswith("Checksum")]
    done = complete(s3, upload, etags)
    head = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    for answer in (done, head):
        assert (answer["ChecksumCRC64NVME"], answer["ChecksumType"]) == (
            checksum("CRC64NVME", FIRST + LAST),
            "FULL_OBJECT",
        )


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256"])
def test_a_part_that_lists_the_checksum_it_was_sent_with_is_invalid(s3: Any, bucket: str, algorithm: str) -> None:
    upload = begin(s3, bucket)
    sent = s3.upload_part(**upload, PartNumber=1, Body=LAST, ChecksumAlgorithm="CRC32")
    listed = {"PartNumber": 1, "ETag": sent["ETag"], f"Checksum{algorithm}": checksum(algorithm, LAST)}
    assert refusal(complete, s3=s3, upload=upload, parts=[listed]) == (400, "InvalidPart")


@pytest.mark.parametrize("kind", ["COMPOSITE", "FULL_OBJECT"])
def test_no_checksum_type_is_that_of_the_upload(s3: Any, bucket: str, kind: str) -> None:
    upload = begin(s3, bucket)
    parts = put_parts(s3, upload, [LAST])
    refused = refusal(complete, s3=s3, upload=upload, parts=parts, ChecksumType=kind)
    assert refused == (400, "InvalidRequest")
    complete(s3, upload, parts)


def test_the_claimed_crc64nvme_of_the_object_is_compared(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    parts = put_parts(s3, upload, [LAST])
    wrong = {"ChecksumCRC64NVME": checksum("CRC64NVME", b"other")}
    assert refusal(complete, s3=s3, upload=upload, parts=parts, **wrong) == (400, "BadDigest")
    complete(s3, upload, parts, ChecksumCRC64NVME=checksum("CRC64NVME", LAST))


@pytest.mark.parametrize("algorithm", ["SHA1", "CRC64NVME"])
def test_the_answer_to_a_copied_part_names_no_checksum(s3: Any, bucket: str, algorithm: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=FIRST, ChecksumAlgorithm=algorithm)
    upload = begin(s3, bucket)
    copied = s3.upload_part_copy(**upload, PartNumber=1, CopySource=f"{bucket}/source")["CopyPartResult"]
    assert sorted(copied) == ["ETag", "LastModified"]
    last = s3.upload_part(**upload, PartNumber=2, Body=LAST)
    done = complete(s3, upload, [{"PartNumber": 1, "ETag": copied["ETag"]}, {"PartNumber": 2, "ETag": last["ETag"]}])
    known = checksum("CRC64NVME", FIRST + LAST) if algorithm == "CRC64NVME" else None
    assert done.get("ChecksumCRC64NVME") == known
