"""Each limit has a test at it and one over it: what is over ends in AWS's error and changes nothing.

A test says with `@limit` which settings and constants it is about; those that have their test in another room are in
ELSEWHERE. tests/test_every_limit.py holds both to the code, so that a new limit needs a test.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest

from s3gw.auth.timestamps import parse_date
from s3gw.errors import IncompleteBody, InvalidChunkSizeError, MalformedTrailerError, MalformedXML, S3Error
from s3gw.wire import xml
from s3gw.wire.aws_chunked import MAX_LINE, MAX_TRAILERS
from tests.auth import test_authenticate as authentication
from tests.auth.clients import EXAMPLE_TIME, AuthSettings, authenticated
from tests.content import test_upload_buffers as upload_buffers
from tests.crash import test_slow_clients as slow_clients
from tests.crash.client import BUCKET, open_gateway
from tests.crash.sockets import RawClient, eventually, stored
from tests.disks import test_room as free_space
from tests.gateways import client_of, refusal
from tests.http import test_connection as http_connection
from tests.http import test_refused_bodies as refused_bodies
from tests.jobs import test_expire_uploads as expiry
from tests.limits_elsewhere import IN_OTHER_ROOMS
from tests.operations import test_copies as copies
from tests.raw_requests import connect, content_md5, head, read_answer, send, send_on
from tests.servers import RunningServer, running_server
from tests.wire import test_aws_chunked as aws_chunked
from tests.wire import test_codec as codec
from tests.wire import test_target as target

ROOT = Path(__file__).parent.parent
INLINE, CHUNK, PUT, OBJECT, PART, PARTS = 1000, 65_536, 200_000, 300_000, 5000, 5
KEY, METADATA, XML, HEAD = 100, 64, 100_000, 8192

Test = TypeVar("Test", bound=Callable[..., Any])
TESTED: set[str] = set()


def limit(*names: str) -> Callable[[Test], Test]:
    """Settings by their name, constants as `module.NAME` below s3gw."""

    def note(test: Test) -> Test:
        TESTED.update(names)
        return test

    return note


ELSEWHERE: dict[str, Callable[..., Any]] = {
    **IN_OTHER_ROOMS,
    "upload_expiry": expiry.test_only_uploads_older_than_the_setting_are_aborted,
    "min_free_space": free_space.test_blobs_and_database_have_each_a_floor_on_its_own_disk,
    "upload_memory": upload_buffers.test_the_budget_is_never_exceeded,
    "header_timeout": slow_clients.test_a_client_that_does_not_finish_its_head_is_let_go,
    "body_timeout": slow_clients.test_a_client_that_stops_in_its_body_hears_request_timeout_and_leaves_nothing,
    "send_timeout": slow_clients.test_a_client_that_does_not_read_its_answer_is_let_go,
    "keep_alive": http_connection.test_an_idle_connection_is_closed_after_keep_alive_and_not_before,
    "auth.authenticate.MAX_EXPIRES": authentication.test_one_second_and_seven_days_are_the_bounds_of_expiry,
    "operations.copy_object._LARGEST_SOURCE": copies.test_a_source_of_more_than_5_gib_is_copied_by_parts_only,
    "s3.answer.MOST_DISCARDED": refused_bodies.test_a_gibibyte_that_is_refused_is_not_read,
    "names.MAX_KEY_BYTES": target.test_a_key_of_1024_bytes_is_the_longest,
    "wire.decode._MOST_ITEMS": codec.test_a_list_that_is_longer_than_any_that_is_valid_is_malformed,
    "wire.decode._MOST_PARTS": codec.test_a_list_that_is_longer_than_any_that_is_valid_is_malformed,
    "wire.aws_chunked._MAX_SIZE_DIGITS": aws_chunked.test_malformed_bodies_are_refused,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {
        "INLINE_LIMIT": INLINE,
        "CHUNK_SIZE": CHUNK,
        "MAX_PUT": PUT,
        "MAX_OBJECT": OBJECT,
        "MIN_PART": PART,
        "MAX_PARTS": PARTS,
        "MAX_KEY": KEY,
        "MAX_METADATA": METADATA,
        "MAX_XML_BODY": XML,
        "MAX_HEADER_BYTES": HEAD,
    }
    named = {f"S3GW_{name}": str(value) for name, value in settings.items()}
    with running_server(tmp_path_factory.mktemp("limits") / "data", S3GW_BUCKETS=BUCKET, **named) as running:
        yield running


@pytest.fixture(scope="module")
def s3(server: RunningServer) -> Any:
    return client_of(server)


@pytest.fixture
def upload(s3: Any) -> Iterator[dict[str, Any]]:
    """What addresses an upload. It is gone afterwards, and so is its object."""
    where = {"Bucket": BUCKET, "Key": "upload"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    yield where
    if "Uploads" in s3.list_multipart_uploads(Bucket=BUCKET):
        s3.abort_multipart_upload(**where)
    s3.delete_object(Bucket=BUCKET, Key="upload")


def files(server: RunningServer) -> set[Path]:
    return set((Path(server.facts["data"]) / "blobs").glob("??/*-*"))


def keys(s3: Any) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def put_parts(s3: Any, upload: dict[str, Any], *sizes: int) -> dict[str, Any]:
    parts = []
    for number, size in enumerate(sizes, 1):
        etag = s3.upload_part(**upload, PartNumber=number, Body=os.urandom(size))["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    return {**upload, "MultipartUpload": {"Parts": parts}}


# What is stored


@limit("inline_limit")
def test_a_body_over_the_inline_limit_is_a_file(server: RunningServer, s3: Any) -> None:
    before = files(server)
    for size, more in ((INLINE, 0), (INLINE + 1, 1)):
        body = os.urandom(size)
        s3.put_object(Bucket=BUCKET, Key=str(size), Body=body)
        assert s3.get_object(Bucket=BUCKET, Key=str(size))["Body"].read() == body
        assert len(files(server) - before) == more
        s3.delete_object(Bucket=BUCKET, Key=str(size))


@limit("chunk_size")
@pytest.mark.parametrize(("size", "chunks"), [(CHUNK, 1), (CHUNK + 1, 2)])
def test_a_body_over_the_size_of_a_chunk_is_cut(server: RunningServer, s3: Any, size: int, chunks: int) -> None:
    before, body = files(server), os.urandom(size)
    s3.put_object(Bucket=BUCKET, Key="cut", Body=body)
    assert s3.get_object(Bucket=BUCKET, Key="cut")["Body"].read() == body
    assert len(files(server) - before) == chunks
    s3.delete_object(Bucket=BUCKET, Key="cut")


def in_http_chunks(server: RunningServer, path: str, size: int) -> tuple[int, str]:
    """How a body is refused whose length nobody has told."""
    framing = {"Transfer-Encoding": "chunked", "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    with connect(server) as peer:
        peer.sendall(head(server, "PUT", path, **framing))
        for start in range(0, size, 50_000):
            piece = bytes(min(50_000, size - start))
            peer.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        peer.sendall(b"0\r\n\r\n")
        return read_answer(peer).refusal


def in_aws_chunks(server: RunningServer, path: str, *sizes: int) -> tuple[int, str]:
    body = b"".join(b"%x\r\n%s\r\n" % (size, bytes(size)) for size in sizes) + b"0\r\n\r\n"
    headers = {
        "X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(sum(sizes)),
    }
    return send(server, "PUT", path, body, **headers).refusal


@limit("max_put")
def test_the_largest_put_is_accepted_however_it_is_framed_and_one_byte_more_is_not(
    server: RunningServer, s3: Any, upload: dict[str, Any]
) -> None:
    part = f"/{BUCKET}/upload?partNumber=1&uploadId={upload['UploadId']}"
    for path in (f"/{BUCKET}/large", part):
        too_large = (400, "EntityTooLarge")
        assert send(server, "PUT", path, bytes(PUT + 1)).refusal == too_large
        assert in_http_chunks(server, path, PUT + 1) == too_large
        assert in_aws_chunks(server, path, PUT + 1) == too_large
        assert keys(s3) == []
        assert "Parts" not in s3.list_parts(**upload)
    for path in (f"/{BUCKET}/large", part):
        assert send(server, "PUT", path, bytes(PUT)).status == 200
        assert in_http_chunks(server, path, PUT) == in_aws_chunks(server, path, PUT) == (200, "")
    assert s3.head_object(Bucket=BUCKET, Key="large")["ContentLength"] == PUT
    s3.delete_object(Bucket=BUCKET, Key="large")


@limit("max_put")
def test_a_part_is_copied_of_at_most_what_may_be_put(s3: Any, upload: dict[str, Any]) -> None:
    other = {"Bucket": BUCKET, "Key": "source"}
    other["UploadId"] = s3.create_multipart_upload(**other)["UploadId"]
    s3.complete_multipart_upload(**put_parts(s3, other, PUT, 1))
    copy = {**upload, "PartNumber": 1, "CopySource": f"{BUCKET}/source"}
    assert refusal(s3.upload_part_copy, **copy) == (400, "InvalidRequest")
    assert "Parts" not in s3.list_parts(**upload)
    s3.upload_part_copy(**copy, CopySourceRange=f"bytes=1-{PUT}")
    assert [part["Size"] for part in s3.list_parts(**upload)["Parts"]] == [PUT]
    s3.delete_object(Bucket=BUCKET, Key="source")


@limit("max_object")
def test_parts_become_at_most_the_largest_object(s3: Any, upload: dict[str, Any]) -> None:
    too_large = put_parts(s3, upload, OBJECT // 2, OBJECT // 2 + 1)
    assert refusal(s3.complete_multipart_upload, **too_large) == (400, "EntityTooLarge")
    assert keys(s3) == []
    s3.complete_multipart_upload(**put_parts(s3, upload, OBJECT // 2, OBJECT // 2))
    assert s3.head_object(Bucket=BUCKET, Key="upload")["ContentLength"] == OBJECT


@limit("max_object")
def test_an_object_may_be_limited_to_less_than_a_put(sqlite_template: Path, tmp_path: Path) -> None:
    async def put() -> None:
        async with open_gateway(tmp_path / "data", sqlite_template, max_object=2000) as gateway:
            refused = await gateway.request("PUT", f"{BUCKET}/key", bytes(2001))
            assert (refused.status, refused.tag("Code")) == (400, "EntityTooLarge")
            assert (await gateway.request("GET", f"{BUCKET}/key")).status == 404
            assert (await gateway.request("PUT", f"{BUCKET}/key", bytes(2000))).status == 200

    asyncio.run(put())


@limit("min_part")
def test_only_the_last_part_may_be_smaller_than_the_smallest(s3: Any, upload: dict[str, Any]) -> None:
    too_small = put_parts(s3, upload, PART - 1, 1)
    assert refusal(s3.complete_multipart_upload, **too_small) == (400, "EntityTooSmall")
    assert keys(s3) == []
    s3.complete_multipart_upload(**put_parts(s3, upload, PART, 1))
    assert s3.head_object(Bucket=BUCKET, Key="upload")["ContentLength"] == PART + 1


@limit("max_parts")
def test_a_part_number_is_at_most_the_number_of_parts(s3: Any, upload: dict[str, Any]) -> None:
    s3.put_object(Bucket=BUCKET, Key="source", Body=b"x")
    source, refused = {"CopySource": f"{BUCKET}/source"}, (400, "InvalidArgument")
    assert refusal(s3.upload_part, **upload, PartNumber=PARTS + 1, Body=b"x") == refused
    assert refusal(s3.upload_part_copy, **upload, PartNumber=PARTS + 1, **source) == refused
    assert "Parts" not in s3.list_parts(**upload)
    s3.upload_part(**upload, PartNumber=PARTS, Body=b"x")
    s3.upload_part_copy(**upload, PartNumber=PARTS, **source)
    s3.delete_object(Bucket=BUCKET, Key="source")


@limit("max_key")
@pytest.mark.parametrize("character", ["k", "é"])
def test_a_key_is_at_most_so_many_bytes_whatever_is_done_with_it(s3: Any, character: str) -> None:
    longest = character * (KEY // len(character.encode()))
    s3.put_object(Bucket=BUCKET, Key=longest, Body=b"x")
    where, too_long = {"Bucket": BUCKET, "Key": longest + "k"}, (400, "KeyTooLongError")
    assert refusal(s3.put_object, **where, Body=b"x") == too_long
    assert refusal(s3.copy_object, **where, CopySource={"Bucket": BUCKET, "Key": longest}) == too_long
    assert refusal(s3.create_multipart_upload, **where) == too_long
    assert refusal(s3.get_object, **where) == too_long
    entries = [{"Key": longest + "k"}, {"Key": longest}]
    answer = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": entries})
    assert [entry["Code"] for entry in answer["Errors"]] == ["KeyTooLongError"]
    assert [entry["Key"] for entry in answer["Deleted"]] == [longest]
    assert keys(s3) == []


@limit("max_metadata")
def test_metadata_is_at_most_so_many_bytes_of_names_and_values(s3: Any) -> None:
    where, most = {"Bucket": BUCKET, "Key": "key"}, {"name": "v" * (METADATA - 4)}
    more = {"names": most["name"]}
    too_large = (400, "MetadataTooLarge")
    assert refusal(s3.put_object, **where, Body=b"x", Metadata=more) == too_large
    assert refusal(s3.create_multipart_upload, **where, Metadata=more) == too_large
    assert keys(s3) == []
    s3.put_object(**where, Body=b"x", Metadata=most)
    itself = {"CopySource": f"{BUCKET}/key", "MetadataDirective": "REPLACE"}
    assert refusal(s3.copy_object, **where, **itself, Metadata=more) == too_large
    assert s3.head_object(**where)["Metadata"] == most
    s3.delete_object(**where)


# A request


def tag_document(size: int) -> bytes:
    document = b"<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>"
    return document + b" " * (size - len(document))


@limit("max_xml_body")
def test_a_document_is_at_most_so_many_bytes(server: RunningServer, s3: Any) -> None:
    refused = send(server, "PUT", f"/{BUCKET}?tagging", tag_document(XML + 1))
    assert refused.refusal == (400, "MaxMessageLengthExceeded")
    assert f"<MaxMessageLengthBytes>{XML}</MaxMessageLengthBytes>".encode() in refused.body
    assert refusal(s3.get_bucket_tagging, Bucket=BUCKET) == (404, "NoSuchTagSet")
    document = tag_document(XML)
    assert send(server, "PUT", f"/{BUCKET}?tagging", document, **content_md5(document)).status == 204
    s3.delete_bucket_tagging(Bucket=BUCKET)


def padded(request: bytes, size: int) -> bytes:
    """With a header so long that path and headers, each with its colon, space and line end, have `size` bytes."""
    line, *lines = request.removesuffix(b"\r\n\r\n").split(b"\r\n")
    measured = len(line.split()[1]) + sum(len(header) + 2 for header in lines)
    padding = b"X-Pad: " + b"p" * (size - measured - len("X-Pad: \r\n"))
    return b"\r\n".join((line, *lines, padding, b"", b""))


@limit("max_header_bytes")
@pytest.mark.parametrize("together", [True, False])
def test_path_and_headers_have_at_most_so_many_bytes(server: RunningServer, s3: Any, together: bool) -> None:
    request = head(server, "PUT", f"/{BUCKET}/key", b"x", **{"Content-Length": "1"})
    for size, refused in ((HEAD + 1, (400, "RequestHeaderSectionTooLarge")), (HEAD, (200, ""))):
        with connect(server) as peer:
            whole = padded(request, size) + b"x"
            for piece in (whole,) if together else (whole[:3000], whole[3000:-1], whole[-1:]):
                peer.sendall(piece)
                time.sleep(0.05)
            assert read_answer(peer).refusal == refused
        assert keys(s3) == (["key"] if refused[0] == 200 else [])
    s3.delete_object(Bucket=BUCKET, Key="key")


@limit("clock_skew")
@pytest.mark.parametrize("direction", [-1, 1])
def test_a_clock_is_off_by_at_most_the_skew(direction: int) -> None:
    settings = AuthSettings(clock_skew=60)
    get = authentication.get_example()
    assert authenticated(get, settings=settings, now=EXAMPLE_TIME + 60 * direction)
    error = authentication.error_of(get, settings=settings, now=EXAMPLE_TIME + 61 * direction)
    assert (error.code, error.details["MaxAllowedSkewMilliseconds"]) == ("RequestTimeTooSkewed", "60000")


@limit("shutdown_timeout")
def test_an_upload_that_is_not_done_by_the_end_of_a_shutdown_is_dropped(tmp_path: Path) -> None:
    """One that is done in time is kept: tests/processes/test_supervisor.py."""
    with running_server(tmp_path / "data", "--workers", "1", S3GW_BUCKETS=BUCKET, S3GW_SHUTDOWN_TIMEOUT="1") as running:
        before = stored(tmp_path / "data")
        stalled = RawClient(running)
        stalled.begin("PUT", "stalled", 1 << 20)
        stalled.send(bytes(600_000))
        assert eventually(lambda: stored(tmp_path / "data") != before)
        started = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(20) == 0
        assert 1 <= time.monotonic() - started < 5
        assert b" 200 " not in stalled.read_until_closed()
        stalled.close()
        assert stored(tmp_path / "data") == before


# What AWS fixes


@pytest.fixture(scope="module")
def many(server: RunningServer, s3: Any) -> str:
    """A bucket with one key more than a page holds."""
    s3.create_bucket(Bucket="many")
    connection = http.client.HTTPConnection(urlsplit(server.s3).netloc, timeout=20)
    for number in range(1001):
        assert send_on(connection, server, "PUT", f"/many/{number:04}").status == 200
    connection.close()
    return "many"


@limit("operations.list_objects._MOST")
def test_a_page_and_a_delete_have_at_most_1000_keys(s3: Any, many: str) -> None:
    for most in ({}, {"MaxKeys": 1000}, {"MaxKeys": 1001}):
        page = s3.list_objects_v2(Bucket=many, **most)
        assert (page["KeyCount"], page["MaxKeys"], page["IsTruncated"]) == (1000, 1000, True)
        older = s3.list_objects(Bucket=many, **most)
        assert (len(older["Contents"]), older["MaxKeys"], older["IsTruncated"]) == (1000, 1000, True)
        versions = s3.list_object_versions(Bucket=many, **most)
        assert (len(versions["Versions"]), versions["MaxKeys"], versions["IsTruncated"]) == (1000, 1000, True)
    entries = [{"Key": f"{number:04}"} for number in range(1001)]
    assert refusal(s3.delete_objects, Bucket=many, Delete={"Objects": entries}) == (400, "MalformedXML")
    assert s3.list_objects_v2(Bucket=many)["KeyCount"] == 1000
    assert len(s3.delete_objects(Bucket=many, Delete={"Objects": entries[:1000]})["Deleted"]) == 1000
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=many)["Contents"]] == ["1000"]


@limit("operations.list_objects._MOST")
def test_pages_of_parts_and_uploads_are_capped_at_1000(s3: Any, upload: dict[str, Any]) -> None:
    assert s3.list_parts(**upload, MaxParts=1001)["MaxParts"] == 1000
    assert s3.list_multipart_uploads(Bucket=BUCKET, MaxUploads=1001)["MaxUploads"] == 1000


@limit("operations.buckets._MOST_BUCKETS")
def test_a_page_has_at_most_10_000_buckets(s3: Any) -> None:
    assert s3.list_buckets(MaxBuckets=10_000)["Buckets"]
    assert refusal(s3.list_buckets, MaxBuckets=10_001) == (400, "InvalidArgument")


@limit("operations.object_fields._LONGEST_REDIRECT")
def test_a_redirect_has_at_most_2048_characters(s3: Any) -> None:
    where, longest = {"Bucket": BUCKET, "Key": "key"}, "/" + "x" * 2047
    too_long = refusal(s3.put_object, **where, WebsiteRedirectLocation=longest + "x")
    assert too_long == (400, "InvalidRedirectLocation")
    assert keys(s3) == []
    s3.put_object(**where, WebsiteRedirectLocation=longest)
    assert s3.head_object(**where)["WebsiteRedirectLocation"] == longest
    s3.delete_object(**where)


@limit("wire.aws_chunked.MIN_FRAME")
def test_only_the_last_chunk_may_have_less_than_8_kib(server: RunningServer, s3: Any) -> None:
    assert in_aws_chunks(server, f"/{BUCKET}/key", 8191, 1) == (InvalidChunkSizeError.status, "InvalidChunkSizeError")
    assert keys(s3) == []
    assert in_aws_chunks(server, f"/{BUCKET}/key", 8192, 1) == (200, "")
    s3.delete_object(Bucket=BUCKET, Key="key")


def decoding(body: bytes, size: int) -> type[S3Error] | None:
    try:
        aws_chunked.decode([body], size, True, True)
    except S3Error as error:
        return type(error)
    return None


@limit("wire.aws_chunked.MAX_LINE", "wire.aws_chunked.MAX_TRAILERS")
def test_lines_and_trailers_of_a_chunked_body_are_bounded() -> None:
    begin = b"1;chunk-signature="
    for length, refused in ((MAX_LINE, None), (MAX_LINE + 1, IncompleteBody)):
        line = begin.ljust(length - len("\r\n"), b"a")
        body = line + b"\r\nx\r\n0;chunk-signature=b\r\nx-amz-trailer-signature:c\r\n\r\n"
        assert decoding(body, 1) is refused
    end = b"x-amz-trailer-signature:c\r\n\r\n"
    for total, refused in ((MAX_TRAILERS, None), (MAX_TRAILERS + 1, MalformedTrailerError)):
        trailers = b"".join(b"x-%d:" % number + b"v" * 900 + b"\r\n" for number in range(4))
        trailers += b"x:" + b"v" * (total - len(trailers) - len(end) - len("x:\r\n")) + b"\r\n"
        assert decoding(b"0;chunk-signature=b\r\n" + trailers + end, 0) is refused


@limit("auth.payload._LENGTH_DIGITS")
@pytest.mark.parametrize(("digits", "code"), [(18, "EntityTooLarge"), (19, "InvalidArgument")])
def test_a_length_has_at_most_18_digits(server: RunningServer, s3: Any, digits: int, code: str) -> None:
    headers = {"X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}
    headers["x-amz-decoded-content-length"] = "9" * digits
    assert send(server, "PUT", f"/{BUCKET}/key", b"0\r\n\r\n", **headers).refusal == (400, code)
    assert keys(s3) == []


@limit("auth.timestamps._LONGEST_HTTP_DATE")
def test_a_date_has_at_most_64_characters() -> None:
    date = "Fri, 24 May 2013 00:00:00 GMT"
    assert parse_date(date.ljust(64)) == EXAMPLE_TIME
    assert parse_date(date.ljust(65)) is None


def test_documents_nest_256_deep_and_no_deeper() -> None:
    assert xml.parse(b"<a>" * 256 + b"</a>" * 256) is not None
    with pytest.raises(MalformedXML):
        xml.parse(b"<a>" * 257 + b"</a>" * 257)
