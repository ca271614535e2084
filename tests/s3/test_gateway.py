"""The line a request walks, from outside: who may do what, what is refused early, what a client sees of failures."""

from __future__ import annotations

import asyncio
import errno
import http.client
import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock
from urllib.parse import urlsplit

import boto3
import pytest
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from s3gw.access.decide import Decision, Question
from s3gw.metadata.engines import open_database
from s3gw.metadata.schema import blobs, contents, objects, uploads
from s3gw.operations.table import OPERATIONS
from s3gw.s3 import gateway
from s3gw.s3.answer import Answer
from tests.crash.client import BUCKET, open_gateway
from tests.gateways import client_of, refusal
from tests.raw_requests import content_md5, read_answer, send, send_example, send_on, signed
from tests.servers import ROOT_KEY, RunningServer, running_server


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway") / "data"


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[RunningServer]:
    settings = {"S3GW_BUCKETS": "public", "S3GW_DOMAINS": "s3.localhost", "S3GW_TRUSTED_PROXIES": "127.0.0.1/32"}
    with running_server(data, S3GW_BODY_TIMEOUT="2", **settings) as running:
        yield running


@pytest.fixture(scope="module")
def s3(server: RunningServer) -> Any:
    return client_of(server)


def command(data: Path, *words: str) -> Any:
    run = subprocess.run(
        [sys.executable, "-m", "s3gw", *words, "--data", str(data), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(run.stdout)


def test_users_see_and_touch_only_what_is_theirs(server: RunningServer, data: Path, s3: Any) -> None:
    command(data, "user", "create", "alice")
    key = command(data, "key", "create", "alice")
    alice = client_of(server, (key["access_key_id"], key["secret_access_key"]))
    assert alice.list_buckets()["Buckets"] == []
    alice.create_bucket(Bucket="of-alice")
    alice.put_object(Bucket="of-alice", Key="key", Body=b"x")
    s3.put_object(Bucket="public", Key="key", Body=b"x")
    denied = (403, "AccessDenied")
    assert refusal(alice.get_object, Bucket="public", Key="key") == denied
    assert refusal(alice.put_object, Bucket="public", Key="key", Body=b"y") == denied
    assert refusal(alice.list_objects_v2, Bucket="public") == denied
    assert refusal(alice.copy_object, Bucket="of-alice", Key="stolen", CopySource="public/key") == denied
    refused = alice.delete_objects(Bucket="public", Delete={"Objects": [{"Key": "key"}]})
    assert [error["Code"] for error in refused["Errors"]] == ["AccessDenied"]
    assert s3.get_object(Bucket="public", Key="key")["Body"].read() == b"x"
    assert refusal(alice.create_bucket, Bucket="public") == (409, "BucketAlreadyExists")
    assert s3.get_object(Bucket="of-alice", Key="key")["Body"].read() == b"x"  # an admin may
    command(data, "key", "disable", key["access_key_id"])
    for _ in range(4):  # whichever worker answers
        assert refusal(alice.list_buckets) == (403, "InvalidAccessKeyId")


def test_what_an_admin_puts_into_a_bucket_is_its_owners(server: RunningServer, data: Path, s3: Any) -> None:
    user = command(data, "user", "create", "carol", "--display-name", "Carol")
    command(data, "bucket", "create", "of-carol", "--owner", "carol")
    s3.put_object(Bucket="of-carol", Key="key", Body=b"x")
    lists = (
        s3.list_objects(Bucket="of-carol")["Contents"],
        s3.list_objects_v2(Bucket="of-carol", FetchOwner=True)["Contents"],
        s3.list_object_versions(Bucket="of-carol")["Versions"],
    )
    for (entry,) in lists:
        assert entry["Owner"] == {"ID": user["canonical_id"], "DisplayName": "Carol"}


def test_nobody_is_let_in_without_a_rule(server: RunningServer) -> None:
    anonymous = boto3.client(
        "s3", endpoint_url=server.s3, region_name="us-east-1", config=Config(signature_version=UNSIGNED)
    )
    denied = (403, "AccessDenied")
    assert refusal(anonymous.list_buckets) == denied
    assert refusal(anonymous.list_objects_v2, Bucket="public") == denied
    assert refusal(anonymous.put_object, Bucket="public", Key="x", Body=b"x") == denied
    assert refusal(anonymous.delete_objects, Bucket="public", Delete={"Objects": [{"Key": "x"}]}) == denied


@pytest.fixture(scope="module")
def bob(server: RunningServer, data: Path) -> tuple[str, str]:
    """The key of a user who owns nothing that the tests read."""
    command(data, "user", "create", "bob")
    key = command(data, "key", "create", "bob")
    return key["access_key_id"], key["secret_access_key"]


OWNERS_ONLY = sorted({name for name, row in OPERATIONS.items() if row.is_in_bucket} - {"DeleteObjects"})


@pytest.mark.parametrize("name", OWNERS_ONLY)
def test_nothing_that_is_done_with_a_bucket_is_allowed_to_strangers(
    server: RunningServer, s3: Any, bob: tuple[str, str], name: str
) -> None:
    s3.put_object(Bucket="public", Key="key", Body=b"x")
    for key in (bob, None):
        answer = send_example(server, "public", name, key=key)
        assert answer.status == 403
        assert answer.refusal[1] in ("AccessDenied", "")  # a HEAD has no document
    assert s3.get_object(Bucket="public", Key="key")["Body"].read() == b"x"


def test_only_the_key_of_its_owner_copies_from_a_bucket(server: RunningServer, s3: Any, bob: tuple[str, str]) -> None:
    client = client_of(server, bob)
    client.create_bucket(Bucket="of-bob")
    s3.put_object(Bucket="public", Key="key", Body=b"x")
    denied = (403, "AccessDenied")
    part = {"Bucket": "of-bob", "Key": "stolen", "PartNumber": 1, "CopySource": "public/key"}
    part["UploadId"] = client.create_multipart_upload(Bucket="of-bob", Key="stolen")["UploadId"]
    assert refusal(client.upload_part_copy, **part) == denied
    client.put_object(Bucket="of-bob", Key="key", Body=b"y")
    assert refusal(client.copy_object, Bucket="public", Key="forced", CopySource="of-bob/key") == denied
    upload = s3.create_multipart_upload(Bucket="public", Key="key")["UploadId"]
    foreign = {"Bucket": "public", "Key": "key", "UploadId": upload}
    assert refusal(client.upload_part, **foreign, PartNumber=1, Body=b"y") == denied
    foreign["Bucket"] = "of-bob"  # where that upload isn't
    assert refusal(client.upload_part, **foreign, PartNumber=1, Body=b"y") == (404, "NoSuchUpload")
    assert refusal(client.abort_multipart_upload, **foreign) == (404, "NoSuchUpload")


@pytest.mark.parametrize(
    ("method", "path", "source", "action"),
    [
        ("GET", "key", "", "s3:GetObject"),
        ("GET", "key?versionId=null", "", "s3:GetObjectVersion"),
        ("PUT", "copy", "key", "s3:GetObject"),
        ("PUT", "copy", "key?versionId=null", "s3:GetObjectVersion"),
        ("PUT", "copy?partNumber=1&uploadId=x", "key", "s3:GetObject"),
        ("PUT", "copy?partNumber=1&uploadId=x", "key?versionId=null", "s3:GetObjectVersion"),
    ],
)
def test_a_version_is_asked_for_by_the_action_of_versions(
    tmp_path: Path,
    sqlite_template: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    source: str,
    action: str,
) -> None:
    asked: list[str] = []

    def decide(question: Question) -> Decision:
        asked.append(question.action)
        return Decision(True, "recorded")

    monkeypatch.setattr("s3gw.operations.authorize.decide", decide)
    headers = {"x-amz-copy-source": f"{BUCKET}/{source}"} if source else {}

    async def request() -> None:
        async with open_gateway(tmp_path / "data", sqlite_template) as gateway:
            await gateway.request(method, f"{BUCKET}/{path}", headers=headers)

    asyncio.run(request())
    assert [name for name in asked if name.startswith("s3:Get")] == [action]


@pytest.mark.parametrize("off", [("key", "disable"), ("key", "delete"), ("user", "disable")])
def test_what_is_switched_off_is_off_at_once_in_every_worker(
    server: RunningServer, data: Path, off: tuple[str, str]
) -> None:
    name = "-".join(("carol", *off))
    command(data, "user", "create", name)
    created = command(data, "key", "create", name)
    key = (created["access_key_id"], created["secret_access_key"])
    connections = [http.client.HTTPConnection(urlsplit(server.s3).netloc, timeout=20) for _ in range(6)]
    assert {send_on(connection, server, "GET", "/", key=key).status for connection in connections} == {200}
    command(data, *off, key[0] if off[0] == "key" else name)
    answers = {send_on(connection, server, "GET", "/", key=key).refusal for connection in connections}
    assert [status for status, _ in answers] == [403]
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("signature", ["s3", "s3v4"])
def test_presigned_urls_work_without_anything_else(server: RunningServer, signature: str) -> None:
    client = client_of(server, signature_version=signature)
    put = client.generate_presigned_url("put_object", {"Bucket": "public", "Key": "signed ü"}, ExpiresIn=60)
    with urllib.request.urlopen(urllib.request.Request(put, b"body", {"Content-Type": ""}, method="PUT")) as answer:
        assert answer.status == 200
    get = client.generate_presigned_url("get_object", {"Bucket": "public", "Key": "signed ü"}, ExpiresIn=60)
    with urllib.request.urlopen(get) as answer:
        assert answer.read() == b"body"


def test_what_a_presigned_query_asks_for_counts_as_a_header(server: RunningServer, s3: Any) -> None:
    request = AWSRequest("PUT", f"{server.s3}/public/acl?x-amz-object-lock-mode=GOVERNANCE")
    S3SigV4QueryAuth(Credentials(*ROOT_KEY), "s3", "us-east-1").add_auth(request)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(str(request.url), b"x", method="PUT"))
    assert refused.value.code == 501
    refused.value.close()


def test_a_bucket_is_addressed_by_host_too(server: RunningServer, s3: Any) -> None:
    s3.put_object(Bucket="public", Key="by/host", Body=b"x")
    connection = http.client.HTTPConnection(urlsplit(server.s3).netloc, timeout=20)
    request = AWSRequest("GET", "http://public.s3.localhost/by/host")
    S3SigV4Auth(Credentials(*ROOT_KEY), "s3", "us-east-1").add_auth(request)
    connection.request("GET", "/by/host", headers={**dict(request.headers), "Host": "public.s3.localhost"})
    assert connection.getresponse().read() == b"x"
    connection.close()


_NO_STATUS = "IllegalVersioningConfigurationException"
ENTITIES = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><Tagging><TagSet>&b;</TagSet></Tagging>'


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "refused"),
    [
        ("PUT", "/public?tagging", b"<Tagging>", content_md5(b"<Tagging>"), (400, "MalformedXML")),
        ("PUT", "/public?tagging", b"", {}, (400, "MissingRequestBodyError")),
        ("PUT", "/public?tagging", ENTITIES, content_md5(ENTITIES), (400, "MalformedXML")),
        ("PUT", "/public?tagging", b"<" + b"a" * 2_200_000, {}, (400, "MaxMessageLengthExceeded")),
        ("PUT", "/public?tagging", b"<Other/>", content_md5(b"<Other/>"), (400, "MalformedXML")),
        ("PUT", "/public?tagging", b"<Tagging/>", {}, (400, "InvalidRequest")),
        ("PUT", "/public?versioning", b"<VersioningConfiguration/>", {}, (400, _NO_STATUS)),
        ("PUT", "/public/" + "k" * 1025, b"x", {}, (400, "KeyTooLongError")),
        ("PUT", "/public/a%00b", b"x", {}, (400, "InvalidURI")),
        ("PUT", "/public/a%ffb", b"x", {}, (400, "InvalidURI")),
        ("PUT", "/public/key?partNumber=1", b"x", {}, (400, "InvalidArgument")),
        ("PUT", "/public/key", b"x", {"x-amz-copy-source": "nonsense"}, (400, "InvalidArgument")),
        ("PUT", "/public/key", b"x", {"x-amz-checksum-crc32": "AAAA"}, (400, "InvalidRequest")),
        ("GET", "/public?acl&tagging", b"", {}, (400, "InvalidArgument")),
        ("DELETE", "/public?location", b"", {}, (405, "MethodNotAllowed")),
        ("GET", "/public?list-type=2&max-keys=many", b"", {}, (400, "InvalidArgument")),
        ("GET", "/public/key?response-content-type=a%0d%0ab", b"", {}, (400, "InvalidArgument")),
        ("GET", "/no-such-bucket", b"", {}, (404, "NoSuchBucket")),
    ],
)
def test_bad_input_ends_in_awss_error(
    server: RunningServer,
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    refused: tuple[int, str],
) -> None:
    status, content, answer = send(server, method, path, body, **headers)
    assert (status, f"<Code>{refused[1]}</Code>".encode() in content) == (refused[0], True), content
    assert answer["x-amz-request-id"]
    assert send(server, "GET", "/public?location")[0] == 200


def test_dots_in_a_key_are_only_dots(server: RunningServer, s3: Any) -> None:
    assert send(server, "PUT", "/public/../../etc/passwd", b"harmless")[0] == 200
    assert s3.get_object(Bucket="public", Key="../../etc/passwd")["Body"].read() == b"harmless"


def rows(data: Path) -> dict[str, int]:
    """How many rows there are of all that an upload could leave."""

    async def count() -> dict[str, int]:
        database = open_database(None, data)
        try:
            tables = (objects, contents, blobs, uploads)
            return {
                table.name: len(await database.scan(lambda conn, table=table: conn.execute(table.select()).all()))
                for table in tables
            }
        finally:
            await database.close()

    return asyncio.run(count())


def files(data: Path) -> int:
    return sum(path.is_file() for path in (data / "blobs").rglob("*"))


@pytest.mark.parametrize("stays", [True, False])
def test_an_upload_that_breaks_off_or_stalls_leaves_nothing(server: RunningServer, data: Path, stays: bool) -> None:
    before = rows(data), files(data)
    path, headers = signed(server, "PUT", "/public/broken", b"", **{"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name != "Content-Length")
    host = f"Host: {urlsplit(server.s3).netloc}\r\n"
    with socket.create_connection(("127.0.0.1", urlsplit(server.s3).port or 0), timeout=20) as peer:
        start = f"PUT {path} HTTP/1.1\r\n{host}{head}Content-Length: 9000000\r\n\r\n"
        peer.sendall(start.encode() + b"x" * 1_000_000)
        if stays:
            assert read_answer(peer).refusal == (400, "RequestTimeout")
    deadline = time.monotonic() + 10
    while (rows(data), files(data)) != before and time.monotonic() < deadline:
        time.sleep(0.2)
    assert (rows(data), files(data)) == before


def test_an_early_refusal_of_an_expected_body_closes_the_connection(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(server.s3).port or 0), timeout=20) as peer:
        peer.sendall(b"PUT /public/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
        answer = read_answer(peer)
    assert (answer.status, answer.headers["Connection"]) == (403, "close")


def test_every_operation_is_listed_in_its_state(data: Path, server: RunningServer) -> None:
    listed = {entry["operation"]: entry["state"] for entry in command(data, "operations")}
    assert {name: listed[name] for name in OPERATIONS} == {name: row.state for name, row in OPERATIONS.items()}


def access_line(server: RunningServer, request_id: str) -> str:
    def line() -> str:
        return next((line for line in server.log.read_text().splitlines() if request_id in line), "")

    until = time.monotonic() + 5
    while not line() and time.monotonic() < until:
        time.sleep(0.05)
    return line()


def test_who_asked_for_what_is_not_served_stands_in_the_log(server: RunningServer) -> None:
    refused = send(server, "PUT", "/public/named", b"x", **{"x-amz-object-lock-mode": "GOVERNANCE"})
    assert refused.status == 501
    line = access_line(server, refused.headers["x-amz-request-id"])
    assert " user=admin " in line
    assert " error=NotImplemented " in line


def test_an_access_line_tells_bytes_the_first_byte_who_asked_and_for_which_part_but_no_secret(
    s3: Any, server: Any
) -> None:
    s3.create_bucket(Bucket="told")
    s3.put_object(Bucket="told", Key="key", Body=b"x" * 1234)
    upload = s3.create_multipart_upload(Bucket="told", Key="key")["UploadId"]
    part = s3.upload_part(Bucket="told", Key="key", UploadId=upload, PartNumber=7, Body=b"y" * 4321)
    line = access_line(server, part["ResponseMetadata"]["RequestId"])
    assert " bytes_in=4321 " in line
    assert " bytes=0 " in line
    assert ' partNumber="7"' in line
    assert upload not in line
    assert re.search(r" first_byte_ms=\d+\.\d\d ", line)
    assert re.search(r' agent="Boto3/.*" request_id=', line)
    url = s3.generate_presigned_url("list_objects_v2", Params={"Bucket": "told", "Prefix": "a b"})
    with urllib.request.urlopen(url) as answer:
        line = access_line(server, answer.headers["x-amz-request-id"])
    assert 'prefix="a b"' in line
    assert "Signature" not in line


def test_the_log_says_what_a_disk_did_in_words(caplog: pytest.LogCaptureFixture) -> None:
    answer = Answer({"type": "http"}, AsyncMock())
    refusal_of_error = gateway._refusal(OSError(errno.EMFILE, "Too many open files", "/data/blobs/00"), answer)
    assert refusal_of_error.status == 503
    assert caplog.messages == [f"ServiceUnavailable {answer.request_id} -: /data/blobs/00: Too many open files"]
