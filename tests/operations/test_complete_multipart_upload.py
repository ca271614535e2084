"""CompleteMultipartUpload: which parts make the object, what its checksums are, and who wins a race."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from s3gw.checksums import ALGORITHMS, composite
from tests.gateways import refusal
from tests.operations.test_multipart import begin, complete, put_parts
from tests.operations.test_put_object import checksum, in_threads
from tests.raw_requests import send
from tests.servers import RunningServer

MIB = 1024 * 1024
FIRST, LAST = b"first" * MIB, b"last"


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_each_algorithm_has_the_types_that_aws_gives_it(s3: Any, bucket: str, algorithm: str) -> None:
    known = ALGORITHMS[algorithm]
    for kind, is_possible in (("COMPOSITE", known.composite), ("FULL_OBJECT", known.full_object)):
        arguments = {"ChecksumAlgorithm": algorithm, "ChecksumType": kind}
        if not is_possible:
            refused = refusal(s3.create_multipart_upload, Bucket=bucket, Key="key", **arguments)
            assert refused == (400, "InvalidRequest")
            continue
        upload = begin(s3, bucket, **arguments)
        member, value = known.member, checksum(algorithm, LAST)
        part = s3.upload_part(**upload, PartNumber=1, Body=LAST, **{member: value})
        done = complete(s3, upload, [{"PartNumber": 1, "ETag": part["ETag"], member: value}])
        expected = value if kind == "FULL_OBJECT" else composite(algorithm, [base64.b64decode(value)])
        assert (done[member], done["ChecksumType"]) == (expected, kind)
        head = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
        assert (head[member], head["ChecksumType"]) == (expected, kind)


def test_the_checksum_of_the_whole_is_compared(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = put_parts(s3, upload, [FIRST, LAST], ChecksumAlgorithm="CRC32")
    wrong = refusal(complete, s3=s3, upload=upload, parts=parts, ChecksumCRC32=checksum("CRC32", b"other"))
    assert wrong == (400, "BadDigest")
    other = refusal(complete, s3=s3, upload=upload, parts=parts, ChecksumType="COMPOSITE")
    assert other == (400, "InvalidRequest")
    right = checksum("CRC32", FIRST + LAST)
    assert complete(s3, upload, parts, ChecksumCRC32=right)["ChecksumCRC32"] == right


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256"])
def test_a_checksum_of_another_algorithm_is_never_ignored(s3: Any, bucket: str, algorithm: str) -> None:
    upload = begin(s3, bucket)
    parts = put_parts(s3, upload, [LAST])
    claimed = {f"Checksum{algorithm}": checksum(algorithm, b"other")}
    assert refusal(complete, s3=s3, upload=upload, parts=parts, **claimed)[0] == 400
    assert refusal(s3.head_object, Bucket=bucket, Key="key")[0] == 404


def test_a_composite_checksum_is_compared_with_and_without_the_number_of_parts(s3: Any, bucket: str) -> None:
    digests = [base64.b64decode(checksum("SHA256", body)) for body in (FIRST, LAST)]
    right = composite("SHA256", digests)
    for claimed in (right, right.removesuffix("-2")):
        upload = begin(s3, bucket, ChecksumAlgorithm="SHA256")
        parts = put_parts(s3, upload, [FIRST, LAST], ChecksumAlgorithm="SHA256")
        for wrong in (right.replace("-2", "-3"), checksum("SHA256", FIRST + LAST)):
            refused = refusal(complete, s3=s3, upload=upload, parts=parts, ChecksumSHA256=wrong)
            assert refused == (400, "BadDigest")
        assert complete(s3, upload, parts, ChecksumSHA256=claimed)["ChecksumSHA256"] == right


def test_of_a_part_that_is_listed_twice_the_last_counts(s3: Any, bucket: str) -> None:
    """As ceph/s3-tests want it of a part that is sent again while it is being sent; AWS refuses the order."""
    upload = begin(s3, bucket)
    part = put_parts(s3, upload, [LAST])[0]
    stale = {"PartNumber": 1, "ETag": '"stale"'}
    assert refusal(complete, s3=s3, upload=upload, parts=[part, stale]) == (400, "InvalidPart")
    complete(s3, upload, [stale, part])


@pytest.mark.parametrize(("key", "encoded"), [("key", "key"), ("dir/a b", "dir/a%20b"), ("ü+%", "%C3%BC%2B%25")])
def test_the_location_is_the_url_of_the_object_in_the_style_of_the_request(
    server: RunningServer, s3: Any, bucket: str, key: str, encoded: str
) -> None:
    host = urlsplit(server.s3).netloc
    for authority, path in ((host, f"/{bucket}/{encoded}"), (f"{bucket}.s3.localhost", f"/{encoded}")):
        upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        etag = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=LAST)["ETag"]
        part = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
        body = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>".encode()
        done = send(server, "POST", f"{path}?uploadId={upload}", body, Host=authority)
        assert f"<Location>http://{authority}{path}</Location>".encode() in done.body


def test_a_wrong_checksum_of_a_part_is_an_invalid_part(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket, ChecksumAlgorithm="SHA256")
    parts = put_parts(s3, upload, [LAST], ChecksumAlgorithm="SHA256")
    wrong = [{**parts[0], "ChecksumSHA256": checksum("SHA256", b"other")}]
    assert refusal(complete, s3=s3, upload=upload, parts=wrong) == (400, "InvalidPart")
    assert refusal(s3.head_object, Bucket=bucket, Key="key")[0] == 404


@pytest.mark.parametrize("kind", ["COMPOSITE", "FULL_OBJECT"])
def test_a_part_that_lists_another_algorithm_than_that_of_the_upload_is_a_bad_digest(
    s3: Any, bucket: str, kind: str
) -> None:
    upload = begin(s3, bucket, ChecksumAlgorithm="CRC32", ChecksumType=kind)
    parts = put_parts(s3, upload, [LAST], ChecksumAlgorithm="CRC32")
    other = [{"PartNumber": 1, "ETag": parts[0]["ETag"], "ChecksumSHA256": checksum("SHA256", LAST)}]
    assert refusal(complete, s3=s3, upload=upload, parts=other) == (400, "BadDigest")
    complete(s3, upload, parts)


def test_a_part_whose_body_does_not_match_is_not_kept(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    arguments = {**upload, "PartNumber": 1, "Body": FIRST}
    assert refusal(s3.upload_part, **arguments, ContentMD5=wrong) == (400, "BadDigest")
    assert refusal(s3.upload_part, **arguments, ChecksumSHA1=checksum("SHA1", b"x")) == (400, "BadDigest")
    assert "Parts" not in s3.list_parts(**upload)


def test_parts_may_have_gaps_and_some_may_be_left_out(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    etags = {
        number: s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]
        for number, body in ((10_000, LAST), (7, FIRST), (3, b"left out"))
    }
    assert [part["PartNumber"] for part in s3.list_parts(**upload)["Parts"]] == [3, 7, 10_000]
    complete(s3, upload, [{"PartNumber": number, "ETag": etags[number]} for number in (7, 10_000)])
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == FIRST + LAST


def test_one_part_may_be_empty(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    done = complete(s3, upload, put_parts(s3, upload, [b""]))
    assert done["ETag"].endswith('-1"')
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b""


def test_the_upload_decides_metadata_and_versions_count(s3: Any, versioned: str) -> None:
    s3.put_object(Bucket=versioned, Key="key", Body=b"old")
    upload = begin(s3, versioned, Metadata={"m": "1"}, StorageClass="STANDARD_IA", CacheControl="x", Tagging="t=1")
    done = complete(s3, upload, put_parts(s3, upload, [LAST]))
    head = s3.head_object(Bucket=versioned, Key="key")
    assert (head["VersionId"], head["Metadata"]) == (done["VersionId"], {"m": "1"})
    assert (head["StorageClass"], head["CacheControl"]) == ("STANDARD_IA", "x")
    assert len(s3.list_object_versions(Bucket=versioned)["Versions"]) == 2
    assert complete(s3, upload, [{"PartNumber": 1, "ETag": '"x"'}])["VersionId"] == done["VersionId"]


def test_an_upload_is_invisible_until_it_is_completed(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    put_parts(s3, upload, [LAST])
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert refusal(s3.get_object, Bucket=bucket, Key="key") == (404, "NoSuchKey")


def test_conditions_are_decided_when_the_upload_completes(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    parts = put_parts(s3, upload, [LAST])
    assert refusal(complete, s3=s3, upload=upload, parts=parts, IfMatch='"x"') == (404, "NoSuchKey")
    etag = s3.put_object(Bucket=bucket, Key="key", Body=b"old")["ETag"]
    assert refusal(complete, s3=s3, upload=upload, parts=parts, IfMatch='"x"') == (412, "PreconditionFailed")
    later = begin(s3, bucket)
    complete(s3, later, put_parts(s3, later, [LAST]), IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == LAST


def test_of_concurrent_uploads_with_if_none_match_one_wins(s3: Any, bucket: str) -> None:
    uploads = [begin(s3, bucket) for _ in range(6)]
    parts = [put_parts(s3, upload, [b"%d" % number]) for number, upload in enumerate(uploads)]
    winners: list[int] = []
    losers: list[str] = []

    def finish(number: int) -> None:
        try:
            complete(s3, uploads[number], parts[number], IfNoneMatch="*")
            winners.append(number)
        except ClientError as error:
            losers.append(error.response["Error"]["Code"])

    in_threads(6, finish)
    assert losers == ["PreconditionFailed"] * 5
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"%d" % winners[0]


def test_completing_at_once_makes_one_version(s3: Any, versioned: str) -> None:
    upload = begin(s3, versioned)
    parts = put_parts(s3, upload, [FIRST, LAST])
    made: list[str] = []
    in_threads(6, lambda _: made.append(complete(s3, upload, parts)["VersionId"]))
    assert (len(made), len(set(made))) == (6, 1)
    assert len(s3.list_object_versions(Bucket=versioned)["Versions"]) == 1
    assert s3.get_object(Bucket=versioned, Key="key")["Body"].read() == FIRST + LAST


def test_complete_and_abort_at_once_leave_all_or_nothing(s3: Any, bucket: str) -> None:
    for number in range(5):
        upload = begin(s3, bucket)
        parts = put_parts(s3, upload, [LAST * 10_000])
        outcomes: dict[int, str] = {}

        def run(which: int, upload: Any = upload, parts: Any = parts, outcomes: Any = outcomes) -> None:
            try:
                complete(s3, upload, parts) if which else s3.abort_multipart_upload(**upload)
                outcomes[which] = "done"
            except ClientError as error:
                outcomes[which] = error.response["Error"]["Code"]

        in_threads(2, run)
        assert sorted(outcomes.values()) == ["NoSuchUpload", "done"], number
        assert (s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1) == (outcomes[1] == "done")
        assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
        s3.delete_object(Bucket=bucket, Key="key")


def test_attributes_of_parts_are_paged(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket, ChecksumAlgorithm="SHA256")
    parts = put_parts(s3, upload, [FIRST, LAST], ChecksumAlgorithm="SHA256")
    complete(s3, upload, parts)
    asked = {"Bucket": bucket, "Key": "key", "ObjectAttributes": ["ObjectParts", "Checksum", "ObjectSize"]}
    first = s3.get_object_attributes(**asked, MaxParts=1)
    assert (first["ObjectSize"], first["Checksum"]["ChecksumType"]) == (len(FIRST + LAST), "COMPOSITE")
    assert first["ObjectParts"]["Parts"] == [
        {"PartNumber": 1, "Size": len(FIRST), "ChecksumSHA256": parts[0]["ChecksumSHA256"]}
    ]
    second = s3.get_object_attributes(**asked, PartNumberMarker=1)["ObjectParts"]
    assert [part["PartNumber"] for part in second["Parts"]] == [2]
    assert (second["IsTruncated"], second["TotalPartsCount"]) == (False, 2)
