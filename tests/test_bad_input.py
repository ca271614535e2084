"""Hostile and broken input: each ends in AWS's error, with nothing stored and the server well."""

from __future__ import annotations

import hashlib
import http.client
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.gateways import refusal
from tests.raw_requests import UNSIGNED_BODY, connect, content_md5, head, read_answer, send, send_on
from tests.servers import RunningServer

MIB = 1024 * 1024
MALFORMED = (400, "MalformedXML")


@pytest.fixture(autouse=True)
def well(server: RunningServer, s3: Any, bucket: str) -> Iterator[None]:
    """Nothing is left in the bucket, and the next request is answered."""
    yield
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert send(server, "GET", f"/{bucket}?tagging").refusal == (404, "NoSuchTagSet")
    assert server.process.poll() is None


def files_with(server: RunningServer, mark: bytes) -> list[Path]:
    """The chunk files that begin with these bytes."""
    blobs = server.log.with_suffix("") / "blobs"
    return [path for path in blobs.rglob("*-*") if begins_with(path, mark)]


def begins_with(path: Path, mark: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(mark)) == mark
    except FileNotFoundError:  # reaped since it was listed
        return False


def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


# What is refused before anybody asks the database is sent to one of the two servers.
ON_ONE_DATABASE = pytest.mark.parametrize("server", ["sqlite"], indirect=True)

# XML

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMB = f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><Tagging><TagSet>&l9;</TagSet></Tagging>'
FILE = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
TAGS = "<Tagging><TagSet><Tag><Key>{}</Key><Value>v</Value></Tag></TagSet></Tagging>"
DOCUMENTS = {
    "nothing closed": b"<Tagging><TagSet>",
    "no xml": b"{}",
    "two roots": b"<Tagging/><Tagging/>",
    "text behind": b"<Tagging><TagSet/></Tagging>x",
    "invalid UTF-8": b"<Tagging><TagSet>\xff</TagSet></Tagging>",
    "NUL": b"<Tagging><TagSet>\0</TagSet></Tagging>",
    "reference to NUL": TAGS.format("&#0;").encode(),
    "unknown entity": TAGS.format("&nbsp;").encode(),
    "billion laughs": BOMB.encode(),
    "DTD": b"<!DOCTYPE Tagging><Tagging><TagSet/></Tagging>",
    "external DTD": b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><Tagging><TagSet/></Tagging>',
    "external entity": (FILE + TAGS.format("&f;")).encode(),
    "parameter entity": b'<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]><Tagging/>',
    "DTD in UTF-16": (FILE + TAGS.format("&f;")).encode("utf-16"),
    "unknown encoding": b'<?xml version="1.0" encoding="x-none"?><Tagging><TagSet/></Tagging>',
    "300 deep": b"<Tagging>" * 300 + b"</Tagging>" * 300,
    "another root": b"<Delete><Object><Key>a</Key></Object></Delete>x",
    "quadratic attributes": b"<Tagging " + b" ".join(b'a%d=""' % n for n in range(50_000)) + b"/>",
    "a million elements": b"<Tagging>" + b"<a/>" * 500_000 + b"</Tagging>",
}


@ON_ONE_DATABASE
@pytest.mark.parametrize("name", DOCUMENTS)
def test_malformed_or_hostile_xml_is_refused_at_once(server: RunningServer, bucket: str, name: str) -> None:
    document, md5 = DOCUMENTS[name], content_md5(DOCUMENTS[name])
    started = time.monotonic()
    for path in (f"/{bucket}?tagging", f"/{bucket}?versioning", f"/{bucket}/key?tagging"):
        answer = send(server, "PUT", path, document, **md5)
        assert answer.refusal == MALFORMED, path
        assert b"root:" not in answer.body
    for path in (f"/{bucket}?delete", f"/{bucket}/key?uploadId=x"):
        assert send(server, "POST", path, document, **md5).refusal == MALFORMED
    assert send(server, "PUT", f"/{bucket}-x", document).refusal == MALFORMED
    assert time.monotonic() - started < 15
    assert send(server, "HEAD", f"/{bucket}-x").status == 404


@pytest.mark.parametrize("path", ["?tagging", "?versioning", "/key?tagging"])
def test_a_document_that_is_missing_or_too_long_is_refused(server: RunningServer, bucket: str, path: str) -> None:
    assert send(server, "PUT", f"/{bucket}{path}").refusal == (400, "MissingRequestBodyError")
    long = b"<Tagging>" + b" " * (2 * MIB) + b"</Tagging>"
    assert send(server, "PUT", f"/{bucket}{path}", long).refusal == (400, "MaxMessageLengthExceeded")


@ON_ONE_DATABASE
def test_hostile_xml_does_not_make_the_workers_grow(server: RunningServer, bucket: str) -> None:
    document = DOCUMENTS["a million elements"]
    for _ in range(10):
        assert send(server, "PUT", f"/{bucket}?tagging", document, **content_md5(document)).refusal == MALFORMED
    peaks = [int(words[1]) for pid in children_of(server) for words in status_of(pid) if words[:1] == ["VmHWM:"]]
    assert max(peaks, default=0) < 400 * 1024  # KiB; one such tree has about 50 MiB


def children_of(server: RunningServer) -> list[str]:
    """Where there is a /proc: the pids of the processes below the supervisor."""
    return [
        pid
        for listed in Path(f"/proc/{server.process.pid}/task").glob("*/children")
        for pid in listed.read_text().split()
    ]


def status_of(pid: str) -> list[list[str]]:
    return [line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines()]


# Names

BAD_KEYS = {
    "a%00b": (400, "InvalidURI"),
    "a%ff": (400, "InvalidURI"),
    "%c0%80": (400, "InvalidURI"),
    "%ed%a0%80": (400, "InvalidURI"),
    "%zz": (400, "InvalidURI"),
    "%": (400, "InvalidURI"),
    "k" * 1025: (400, "KeyTooLongError"),
    "%c3%a9" * 513: (400, "KeyTooLongError"),
}


@pytest.mark.parametrize("key", BAD_KEYS)
def test_what_cannot_be_a_key_is_refused_by_every_verb(server: RunningServer, bucket: str, key: str) -> None:
    for method, query in (("PUT", ""), ("GET", ""), ("DELETE", ""), ("POST", "?uploads"), ("PUT", "?tagging")):
        answer = send(server, method, f"/{bucket}/{key}{query}", b"x" if method == "PUT" else b"")
        assert answer.refusal == BAD_KEYS[key], (method, query)


@pytest.mark.parametrize(
    "name", ["..", ".", "a", "%2e%2e", "a%2fb", "a%00b", "x" * 256, "K%c3%a4se", "a%20b", "-", "%"]
)
def test_what_cannot_be_a_bucket_is_refused(server: RunningServer, name: str) -> None:
    for method, path in (("PUT", f"/{name}"), ("GET", f"/{name}/etc/passwd"), ("DELETE", f"/{name}/key")):
        assert send(server, method, path).refusal in ((400, "InvalidBucketName"), (400, "InvalidURI")), method


@pytest.mark.parametrize("text", ["' OR 1=1 --", "%", "_", "\\", '"', "$1", ":key", "\x7f", "😀"])
def test_what_means_something_to_sql_means_nothing(s3: Any, bucket: str, text: str) -> None:
    assert s3.list_objects_v2(Bucket=bucket, Prefix=text, StartAfter=text, Delimiter=text)["KeyCount"] == 0
    assert refusal(s3.get_object, Bucket=bucket, Key=text) == (404, "NoSuchKey")
    assert refusal(s3.get_object, Bucket=bucket, Key=text, VersionId=text) == (400, "InvalidArgument")
    assert refusal(s3.list_parts, Bucket=bucket, Key=text, UploadId=text) == (404, "NoSuchUpload")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket, KeyMarker=text)
    marker = {"KeyMarker": text, "UploadIdMarker": text}
    assert refusal(s3.list_multipart_uploads, Bucket=bucket, **marker) == (400, "InvalidArgument")


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("PUT", "?partNumber=one&uploadId=x"),
        ("PUT", "?partNumber=&uploadId=x"),
        ("PUT", "?partNumber=0&uploadId=x"),
        ("PUT", "?partNumber=10001&uploadId=x"),
        ("PUT", "?partNumber=-1&uploadId=x"),
        ("GET", "?partNumber=99999999999"),
        ("GET", "?versionId="),
        ("GET", "?versionId=%27"),
        ("GET", "?uploadId=x&max-parts=-1"),
        ("GET", "?uploadId=x&part-number-marker=x"),
        ("GET", "?response-content-type=a%0d%0aSet-Cookie:%20a"),
        ("GET", "?response-expires=never"),
    ],
)
def test_arguments_that_are_none_are_invalid(server: RunningServer, bucket: str, method: str, query: str) -> None:
    answer = send(server, method, f"/{bucket}/key{query}", b"x" if method == "PUT" else b"")
    assert answer.refusal == (400, "InvalidArgument")
    assert answer.headers["Set-Cookie"] is None


# Framing

BAD_FRAMES = {
    "no length": ((411, "MissingContentLength"), ""),
    "a length that is no number": ((400, "BadRequest"), "Content-Length: ten\r\n"),
    "a negative length": ((400, "BadRequest"), "Content-Length: -1\r\n"),
    "two lengths": ((400, "BadRequest"), "Content-Length: 1\r\nContent-Length: 2\r\n"),
    "a length and chunks": ((400, "BadRequest"), "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
    "chunks inside another coding": ((400, "BadRequest"), "Transfer-Encoding: chunked, gzip\r\n"),
    "more than 5 GiB": ((400, "EntityTooLarge"), f"Content-Length: {5 * 1024**3 + 1}\r\n"),
    "a NUL in a header": ((400, "BadRequest"), "Content-Length: 1\r\nx-amz-meta-a: a\0b\r\n"),
    "a bare CR in a header": ((400, "BadRequest"), "Content-Length: 1\r\nx-amz-meta-a: a\rb\r\n"),
    "a header without a name": ((400, "BadRequest"), "Content-Length: 1\r\n: x\r\n"),
    "40 KiB of headers": ((400, "RequestHeaderSectionTooLarge"), f"X-Long: {'x' * 40_960}\r\n"),
}


@ON_ONE_DATABASE
@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_body_whose_end_is_unclear_is_refused(server: RunningServer, bucket: str, name: str) -> None:
    refused, framing = BAD_FRAMES[name]
    request = head(server, "PUT", f"/{bucket}/key", **UNSIGNED_BODY)
    with connect(server) as peer:
        peer.sendall(request.removesuffix(b"\r\n") + framing.encode() + b"\r\n")
        assert read_answer(peer).refusal == refused


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"hello\r\n\r\n",
        b"\r\n" * 50 + b"X",
    ],
)
def test_what_is_no_http_gets_a_400_or_nothing(server: RunningServer, garbage: bytes) -> None:
    with connect(server) as peer:
        peer.sendall(garbage)
        peer.shutdown(socket.SHUT_WR)
        assert peer.recv(65536).partition(b"\r\n")[0] in (b"", b"HTTP/1.1 400 Bad Request")


CHUNKED = {
    "X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "x-amz-trailer": "x-amz-checksum-crc32",
    "Content-Encoding": "aws-chunked",
}


@pytest.mark.parametrize(
    ("decoded", "body", "code"),
    [
        ("5", b"4\r\nabcd\r\n0\r\nx-amz-checksum-crc32:7YLNEQ==\r\n\r\n", "IncompleteBody"),
        ("3", b"4\r\nabcd\r\n0\r\nx-amz-checksum-crc32:7YLNEQ==\r\n\r\n", "IncompleteBody"),
        ("4", b"4\r\nabcd\r\n0\r\n", "IncompleteBody"),
        ("4", b"4\r\nabcd", "IncompleteBody"),
        ("4", b"4\r\nabcdefgh\r\n0\r\n\r\n", ""),
        ("4", b"ffffffffffffffffff\r\nabcd\r\n", ""),
        ("4", b"-4\r\nabcd\r\n0\r\n\r\n", ""),
        ("4", b"4\r\nabcd\r\n0\r\n\r\n", "MalformedTrailerError"),
        ("4", b"4\r\nabcd\r\n0\r\nx-amz-checksum-sha1:x\r\n\r\n", "MalformedTrailerError"),
        ("4", b"4\r\nabcd\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "BadDigest"),
        ("4", b"4\r\nabcd\r\n0\r\nx-amz-checksum-crc32:nonsense\r\n\r\n", "InvalidRequest"),
        ("many", b"4\r\nabcd\r\n0\r\nx-amz-checksum-crc32:7YLNEQ==\r\n\r\n", "InvalidArgument"),
    ],
)
def test_chunks_that_lie_are_refused(server: RunningServer, bucket: str, decoded: str, body: bytes, code: str) -> None:
    headers = {**CHUNKED, "x-amz-decoded-content-length": decoded}
    status, answered = send(server, "PUT", f"/{bucket}/key", body, **headers).refusal
    assert status in (400, 403)
    assert answered and code in ("", answered), answered


def test_a_decoded_length_must_be_told(server: RunningServer, bucket: str) -> None:
    body = b"4\r\nabcd\r\n0\r\nx-amz-checksum-crc32:7YLNEQ==\r\n\r\n"
    assert send(server, "PUT", f"/{bucket}/key", body, **CHUNKED).refusal == (411, "MissingContentLength")


def test_a_refused_body_does_not_become_the_next_request(server: RunningServer, bucket: str) -> None:
    smuggled = b"DELETE /x HTTP/1.1\r\nHost: x\r\n\r\n" * 5000
    connection = http.client.HTTPConnection(urlsplit(server.s3).netloc, timeout=20)
    for _ in range(3):
        refused = send_on(connection, server, "PUT", f"/{bucket}-none/key", smuggled)
        assert refused.refusal == (404, "NoSuchBucket")
        assert send_on(connection, server, "GET", f"/{bucket}?location").status == 200
    connection.close()


# Clients that leave


def mark_of(name: str) -> bytes:
    return hashlib.sha512(f"{name} {time.time_ns()}".encode()).digest()


def leave(peer: socket.socket, how: str) -> None:
    if how == "reset":
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif how == "half":
        peer.shutdown(socket.SHUT_WR)
        peer.recv(65536)
    peer.close()


@pytest.mark.parametrize("how", ["close", "reset", "half"])
@pytest.mark.parametrize("sent", [100, 100_000, 12 * MIB])
def test_a_client_that_leaves_an_upload_leaves_nothing(server: RunningServer, bucket: str, how: str, sent: int) -> None:
    mark = mark_of(how)
    body = (mark * (sent // len(mark) + 1))[:sent]
    peer = connect(server)
    length = {"Content-Length": str(sent + 1)}
    peer.sendall(head(server, "PUT", f"/{bucket}/key", **UNSIGNED_BODY, **length) + body)
    leave(peer, how)
    assert eventually(lambda: not files_with(server, mark), 10)


def test_a_client_that_leaves_a_part_leaves_the_upload_without_it(server: RunningServer, s3: Any, bucket: str) -> None:
    upload = {"Bucket": bucket, "Key": "key"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    mark = mark_of("part")
    path = f"/{bucket}/key?partNumber=1&uploadId={upload['UploadId']}"
    peer = connect(server)
    peer.sendall(head(server, "PUT", path, **UNSIGNED_BODY, **{"Content-Length": str(9 * MIB)}) + mark * 100_000)
    peer.close()
    assert eventually(lambda: not files_with(server, mark), 10)
    assert "Parts" not in s3.list_parts(**upload)
    s3.abort_multipart_upload(**upload)


@pytest.mark.soak
@pytest.mark.parametrize(
    "server", ["sqlite"], indirect=True
)  # the reaper takes its time; reads are counted apart of SQL
def test_clients_that_leave_downloads_keep_nothing_open(server: RunningServer, s3: Any, bucket: str) -> None:
    """An open read keeps the bytes that it may still need: were one left behind, they would stay for ever."""
    mark = mark_of("download")
    s3.put_object(Bucket=bucket, Key="key", Body=mark * 300_000)
    assert files_with(server, mark)
    for number in range(8):
        peer = connect(server)
        peer.sendall(head(server, "GET", f"/{bucket}/key"))
        assert peer.recv(1000).startswith(b"HTTP/1.1 200")
        leave(peer, "reset" if number % 2 else "close")
    s3.delete_object(Bucket=bucket, Key="key")
    assert eventually(lambda: not files_with(server, mark), 60)


def test_a_short_body_on_a_kept_connection_waits_for_its_rest_and_stores_just_it(
    server: RunningServer, s3: Any, bucket: str
) -> None:
    with connect(server) as peer:
        request = head(server, "PUT", f"/{bucket}/key", **UNSIGNED_BODY, **{"Content-Length": "4"})
        peer.sendall(request + b"ab")
        peer.sendall(b"cd")
        assert read_answer(peer).status == 200
        peer.sendall(head(server, "GET", f"/{bucket}/key"))
        assert read_answer(peer).body == b"abcd"
    s3.delete_object(Bucket=bucket, Key="key")
