"""PutObject on the wire: metadata, headers, checksums of every kind, and writes that race."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from s3gw.checksums import ALGORITHMS
from tests.gateways import refusal
from tests.raw_requests import connect, head, read_answer, send
from tests.servers import RunningServer

BODY = b"The quick brown fox"
LARGE = bytes(range(256)) * 400  # beyond what is kept inline


def checksum(algorithm: str, body: bytes) -> str:
    hasher = ALGORITHMS[algorithm].hasher()
    hasher.update(body)
    return base64.b64encode(hasher.digest()).decode()


def in_threads(count: int, work: Callable[[int], object]) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    ("sent", "returned"),
    [
        ("plain text", "plain text"),
        ("=?UTF-8?B?w6TDtsO8?=", "=?UTF-8?B?w6TDtsO8?="),
        ("=?UTF-8?Q?=C3=A4?= and more", "=?UTF-8?Q?=C3=A4_and_more?="),
        ("=?utf-8?q?a_=62?=", "a b"),
        ("=?UTF-8?B?nonsense", "=?UTF-8?B?nonsense"),
        ("=?UTF-8?Q?a=0D=0Ax-amz-meta-forged: 1?=", "=?UTF-8?Q?a=0D=0Ax-amz-meta-forged: 1?="),
    ],
)
def test_metadata_is_decoded_and_encoded_as_rfc_2047_words(
    server: RunningServer, s3: Any, bucket: str, sent: str, returned: str
) -> None:
    assert send(server, "PUT", f"/{bucket}/key", BODY, **{"x-amz-meta-a": sent}).status == 200
    answer = send(server, "HEAD", f"/{bucket}/key")
    assert answer.headers["x-amz-meta-a"] == returned
    assert answer.headers["x-amz-meta-forged"] is None


def test_metadata_of_one_name_sent_twice_is_joined(server: RunningServer, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", Metadata={"A": "1,2"})
    assert s3.head_object(Bucket=bucket, Key="key")["Metadata"] == {"a": "1,2"}


def test_metadata_of_just_2_kib_is_kept(s3: Any, bucket: str) -> None:
    metadata = {"a" * 24: "b" * 1000, "c" * 24: "d" * 1000}
    s3.put_object(Bucket=bucket, Key="key", Metadata=metadata)
    assert s3.head_object(Bucket=bucket, Key="key")["Metadata"] == metadata
    metadata["c" * 24] += "d"
    assert refusal(s3.put_object, Bucket=bucket, Key="key", Metadata=metadata) == (400, "MetadataTooLarge")


@pytest.mark.parametrize("expires", ["Tue, 01 Jan 2030 00:00:00 GMT", "tomorrow", "0", "2030-01-01T00:00:00Z"])
def test_expires_is_any_text(server: RunningServer, bucket: str, expires: str) -> None:
    assert send(server, "PUT", f"/{bucket}/key", BODY, Expires=expires).status == 200
    assert send(server, "GET", f"/{bucket}/key").headers["Expires"] == expires


@pytest.mark.parametrize(
    ("sent", "kept"), [("gzip, aws-chunked", "gzip"), ("aws-chunked,gzip,br", "gzip, br"), ("aws-chunked", None)]
)
def test_aws_chunked_says_how_a_chunked_body_came_and_of_a_plain_one_what_it_is(
    server: RunningServer, bucket: str, sent: str, kept: str | None
) -> None:
    name = ALGORITHMS["CRC32"].header
    body, headers = trailing(LARGE, name, checksum("CRC32", LARGE))
    assert send(server, "PUT", f"/{bucket}/key", body, **(headers | {"Content-Encoding": sent})).status == 200
    assert send(server, "HEAD", f"/{bucket}/key").headers["Content-Encoding"] == kept
    assert send(server, "PUT", f"/{bucket}/key", BODY, **{"Content-Encoding": sent}).status == 200
    assert send(server, "HEAD", f"/{bucket}/key").headers["Content-Encoding"] == sent


def test_an_object_without_a_type_is_binary(server: RunningServer, bucket: str) -> None:
    send(server, "PUT", f"/{bucket}/key", BODY)
    assert send(server, "HEAD", f"/{bucket}/key").headers["Content-Type"] == "binary/octet-stream"


def test_an_overwrite_leaves_nothing_of_what_was_there(s3: Any, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": "key"}
    s3.put_object(**where, Body=LARGE, Metadata={"a": "1"}, Tagging="a=1", CacheControl="x", StorageClass="ONEZONE_IA")
    s3.put_object(**where, Body=BODY)
    got = s3.get_object(**where)
    assert (got["Body"].read(), got["Metadata"]) == (BODY, {})
    assert not {"CacheControl", "StorageClass", "TagCount"} & set(got)


@pytest.mark.parametrize(
    "name", ["STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"]
)
def test_a_storage_class_is_shown_by_head_unless_it_is_standard_and_by_lists(s3: Any, bucket: str, name: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", StorageClass=name)
    assert s3.head_object(Bucket=bucket, Key="key").get("StorageClass", "STANDARD") == name
    assert ("StorageClass" in s3.head_object(Bucket=bucket, Key="key")) == (name != "STANDARD")
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"] == name


def test_tags_come_url_encoded_in_a_header(server: RunningServer, s3: Any, bucket: str) -> None:
    tagging = {"x-amz-tagging": "a%20b=1%2B1&c=%C3%A4&empty=&bare&plus=1+2"}
    assert send(server, "PUT", f"/{bucket}/key", BODY, **tagging).status == 200
    tags = {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=bucket, Key="key")["TagSet"]}
    assert tags == {"a b": "1+1", "c": "ä", "empty": "", "bare": "", "plus": "1 2"}


@pytest.mark.parametrize("tagging", ["a=%00", "a=%1f", "a=%0A", "%C3=1", "=1", "a=<"])
def test_a_tag_header_with_what_no_tag_may_hold_is_refused(
    server: RunningServer, s3: Any, bucket: str, tagging: str
) -> None:
    answer = send(server, "PUT", f"/{bucket}/key", BODY, **{"x-amz-tagging": tagging})
    assert answer.refusal in ((400, "InvalidTag"), (400, "InvalidArgument"))
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("location", ["other", "javascript:alert(1)", "/" + "x" * 2048])
def test_a_website_redirect_goes_to_a_path_or_a_site(s3: Any, bucket: str, location: str) -> None:
    refused = refusal(s3.put_object, Bucket=bucket, Key="key", WebsiteRedirectLocation=location)
    assert refused == (400, "InvalidRedirectLocation")
    s3.put_object(Bucket=bucket, Key="key", WebsiteRedirectLocation="https://example.com/")


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
@pytest.mark.parametrize("body", [BODY, LARGE], ids=["inline", "chunk"])
def test_a_checksum_header_is_compared_with_the_body(
    server: RunningServer, s3: Any, bucket: str, algorithm: str, body: bytes
) -> None:
    header = ALGORITHMS[algorithm].header
    wrong = send(server, "PUT", f"/{bucket}/key", body, **{header: checksum(algorithm, body + b"!")})
    assert wrong.refusal == (400, "BadDigest")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    right = checksum(algorithm, body)
    put = send(server, "PUT", f"/{bucket}/key", body, **{header: right})
    assert (put.status, put.headers[header], put.headers["x-amz-checksum-type"]) == (200, right, "FULL_OBJECT")
    read = send(server, "GET", f"/{bucket}/key", **{"x-amz-checksum-mode": "ENABLED"})
    assert (read.headers[header], read.body) == (right, body)
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == ([algorithm], "FULL_OBJECT")


def trailing(body: bytes, name: str, value: str) -> tuple[bytes, dict[str, str]]:
    """The body in unsigned chunks with a trailer, and the headers that say so."""
    half = len(body) // 2
    chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:half], body[half:])]
    headers = {
        "X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(len(body)),
        "x-amz-trailer": name,
        "Content-Encoding": "aws-chunked",
    }
    return b"".join([*chunks, b"0\r\n", f"{name}:{value}\r\n\r\n".encode()]), headers


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_a_checksum_trailer_is_compared_with_the_body(
    server: RunningServer, s3: Any, bucket: str, algorithm: str
) -> None:
    name = ALGORITHMS[algorithm].header
    body, headers = trailing(LARGE, name, checksum(algorithm, b"other"))
    assert send(server, "PUT", f"/{bucket}/key", body, **headers).refusal == (400, "BadDigest")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    body, headers = trailing(LARGE, name, checksum(algorithm, LARGE))
    assert send(server, "PUT", f"/{bucket}/key", body, **headers).headers[name] == checksum(algorithm, LARGE)
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == LARGE


def test_without_a_checksum_there_is_a_crc64nvme(server: RunningServer, bucket: str) -> None:
    expected = checksum("CRC64NVME", BODY)
    assert send(server, "PUT", f"/{bucket}/key", BODY).headers["x-amz-checksum-crc64nvme"] == expected
    head = send(server, "HEAD", f"/{bucket}/key", **{"x-amz-checksum-mode": "ENABLED"})
    assert head.headers["x-amz-checksum-crc64nvme"] == expected


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-sha1": "A" * 27 + "="}, (400, "InvalidRequest")),
        ({"x-amz-sdk-checksum-algorithm": "SHA256"}, (400, "InvalidRequest")),
        ({"x-amz-checksum-whirlpool": "AAAA"}, (400, "InvalidRequest")),
        ({"x-amz-checksum-sha256": hashlib.sha256(BODY).hexdigest()}, (400, "InvalidRequest")),
        ({"x-amz-checksum-sha256": checksum("SHA1", BODY)}, (400, "InvalidRequest")),
        ({"x-amz-checksum-crc32": "not base64"}, (400, "InvalidRequest")),
        ({"Content-MD5": hashlib.md5(BODY).hexdigest()}, (400, "InvalidDigest")),
        ({"Content-MD5": base64.b64encode(hashlib.md5(b"other").digest()).decode()}, (400, "BadDigest")),
        ({"X-Amz-Content-SHA256": hashlib.sha256(b"other").hexdigest()}, (400, "XAmzContentSHA256Mismatch")),
    ],
)
def test_digests_that_contradict_the_body_or_each_other_are_refused(
    server: RunningServer, s3: Any, bucket: str, headers: dict[str, str], refused: tuple[int, str]
) -> None:
    assert send(server, "PUT", f"/{bucket}/key", BODY, **headers).refusal == refused
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_right_content_md5_is_accepted(server: RunningServer, bucket: str) -> None:
    md5 = {"Content-MD5": base64.b64encode(hashlib.md5(LARGE).digest()).decode()}
    assert send(server, "PUT", f"/{bucket}/key", LARGE, **md5).status == 200


def test_of_16_first_writers_of_large_bodies_one_wins_and_its_bytes_stay(s3: Any, bucket: str) -> None:
    winners: list[int] = []
    losers: list[str] = []

    def write(number: int) -> None:
        try:
            s3.put_object(Bucket=bucket, Key="lock", Body=bytes([number]) * 20_000, IfNoneMatch="*")
            winners.append(number)
        except ClientError as error:
            losers.append(error.response["Error"]["Code"])

    in_threads(16, write)
    assert losers == ["PreconditionFailed"] * 15
    assert s3.get_object(Bucket=bucket, Key="lock")["Body"].read() == bytes(winners) * 20_000


def test_compare_and_swap_counts_every_increment(s3: Any, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": "counter"}
    s3.put_object(**where, Body=b"0")

    def count(_: int) -> None:
        increments = 0
        failures: set[str] = set()
        while increments < 5:
            got = s3.get_object(**where)
            try:
                s3.put_object(**where, Body=b"%d" % (int(got["Body"].read()) + 1), IfMatch=got["ETag"])
                increments += 1
            except ClientError as error:
                failures.add(error.response["Error"]["Code"])
        assert failures <= {"PreconditionFailed"}

    in_threads(4, count)
    assert s3.get_object(**where)["Body"].read() == b"20"


def test_writes_of_one_key_are_versions_in_one_order(s3: Any, versioned: str) -> None:
    def write(number: int) -> None:
        for step in range(4):
            s3.put_object(Bucket=versioned, Key="key", Body=b"%d/%d" % (number, step))

    in_threads(4, write)
    found = s3.list_object_versions(Bucket=versioned)["Versions"]
    assert len({version["VersionId"] for version in found}) == 16
    assert [version["IsLatest"] for version in found] == [True] + [False] * 15
    assert s3.head_object(Bucket=versioned, Key="key")["VersionId"] == found[0]["VersionId"]


def test_a_slow_put_that_ends_last_is_the_last_modified(server: RunningServer, s3: Any, versioned: str) -> None:
    where = {"Bucket": versioned, "Key": "key"}
    with connect(server) as slow:
        slow.sendall(head(server, "PUT", f"/{versioned}/key", b"slow", **{"Content-Length": "4"}) + b"sl")
        time.sleep(1.5)
        s3.put_object(**where, Body=b"fast")
        fast = s3.head_object(**where)["LastModified"]
        time.sleep(1.1)
        slow.sendall(b"ow")
        assert read_answer(slow).status == 200
    assert s3.get_object(**where, IfModifiedSince=fast)["Body"].read() == b"slow"
    modified = [version["LastModified"] for version in s3.list_object_versions(Bucket=versioned)["Versions"]]
    assert modified == sorted(modified, reverse=True)
    assert modified[0] > fast
