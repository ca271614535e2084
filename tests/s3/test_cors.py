"""Answers to web pages of other origins, on two workers: preflights, headers on all answers, and who gets none."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.gateways import client_of
from tests.raw_requests import Answer, connect, head, read_answer, send, send_on
from tests.servers import RunningServer

PAGE = "https://page.example.com"
RULE = {
    "AllowedMethods": ["GET", "PUT"],
    "AllowedOrigins": ["https://*.example.com"],
    "AllowedHeaders": ["x-amz-*"],
    "ExposeHeaders": ["ETag", "x-amz-request-id"],
    "MaxAgeSeconds": 3000,
}
VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"
ALLOWED = {
    "Access-Control-Allow-Origin": PAGE,
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Allow-Methods": "GET, PUT",
    "Access-Control-Expose-Headers": "ETag, x-amz-request-id",
    "Access-Control-Max-Age": "3000",
    "Vary": VARY,
}


@pytest.fixture
def shared(s3: Any, bucket: str) -> str:
    """A bucket with rules and an object."""
    s3.put_object(Bucket=bucket, Key="key", Body=b"content")
    put_rules(s3, bucket, RULE)
    return bucket


def put_rules(s3: Any, bucket: str, *rules: Any) -> None:
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": list(rules)})


def told(answer: Answer) -> dict[str, str]:
    """What an answer tells a browser."""
    return {
        name: value for name, value in answer.headers.items() if name.startswith("Access-Control-") or name == "Vary"
    }


def preflight(server: RunningServer, path: str, origin: str = PAGE, method: str = "GET", headers: str = "") -> Answer:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return send(server, "OPTIONS", path, key=None, **asked)


def test_a_preflight_is_answered_without_credentials_body_or_object(server: RunningServer, shared: str) -> None:
    for path in (f"/{shared}", f"/{shared}/no-such-key", f"/{shared}/key?X-Amz-Signature=x&X-Amz-Expires=1"):
        answer = preflight(server, path, method="PUT")
        assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")
        assert told(answer) == ALLOWED
    asked = preflight(server, f"/{shared}/key", headers="X-Amz-Date,x-amz-meta-a")
    assert told(asked) == ALLOWED | {"Access-Control-Allow-Headers": "x-amz-date, x-amz-meta-a"}


@pytest.mark.parametrize("path", ["", "/key"])
@pytest.mark.parametrize(
    ("origin", "method", "headers"),
    [("https://other.example", "GET", ""), (PAGE, "DELETE", ""), (PAGE, "GET", "x-amz-a,content-type")],
)
def test_a_preflight_that_no_rule_allows_is_forbidden_in_awss_words(
    server: RunningServer, shared: str, path: str, origin: str, method: str, headers: str
) -> None:
    answer = preflight(server, f"/{shared}{path}", origin, method, headers)
    assert answer.refusal == (403, "AccessForbidden")
    assert told(answer) == {}
    kind = "OBJECT" if path else "BUCKET"
    assert b"<Message>CORSResponse: This CORS request is not allowed. This is usually because" in answer.body
    assert f"<Method>{method}</Method><ResourceType>{kind}</ResourceType><RequestId>".encode() in answer.body


def test_a_preflight_says_where_it_comes_from_and_what_for(server: RunningServer, shared: str) -> None:
    nothing = send(server, "OPTIONS", f"/{shared}", key=None)
    assert nothing.refusal == (400, "BadRequest")
    assert b"<Message>Insufficient information. Origin request header needed.</Message>" in nothing.body
    origin = send(server, "OPTIONS", f"/{shared}", key=None, Origin=PAGE)
    assert origin.refusal == (400, "BadRequest")
    assert b"<Message>Invalid Access-Control-Request-Method: null</Message>" in origin.body
    assert b"Request-Method: PATCH</Message>" in preflight(server, f"/{shared}", method="PATCH").body


def test_a_preflight_of_a_bucket_without_rules_is_told_so(server: RunningServer, bucket: str) -> None:
    answer = preflight(server, f"/{bucket}/key", method="PUT")
    assert answer.refusal == (403, "AccessForbidden")
    assert b"<Message>CORSResponse: CORS is not enabled for this bucket.</Message>" in answer.body
    assert b"<Method>PUT</Method><ResourceType>BUCKET</ResourceType>" in answer.body
    for path in ("/no-such-bucket-here/key", "/"):
        absent = send(server, "OPTIONS", path, key=None, Origin=PAGE)
        assert absent.refusal == (403, "AccessForbidden")
        assert b"<Message>CORSResponse: Bucket not found</Message>" in absent.body
        assert b"<Method>OPTIONS</Method><ResourceType>BUCKET</ResourceType>" in absent.body


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/key", {}, 200),
        ("GET", "", {}, 200),
        ("GET", "/key", {"Range": "bytes=1-2"}, 206),
        ("GET", "/key", {"If-None-Match": '"9a0364b9e99bb480dd25e1f0284c8555"'}, 304),
        ("GET", "/key", {"If-Match": '"other"'}, 412),
        ("GET", "/key", {"Range": "bytes=100-"}, 416),
        ("GET", "/no-such-key", {}, 404),
        ("GET", "?no-such=1&acl&cors", {}, 400),
        ("GET", "/key?torrent", {}, 501),
        ("PUT", "/put", {}, 200),
        ("PUT", "/put", {"If-None-Match": "other"}, 501),
        ("PUT", "?location", {}, 405),
    ],
)
def test_every_answer_to_an_allowed_page_says_so(
    server: RunningServer, shared: str, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = send(server, method, f"/{shared}{path}", **headers, Origin=PAGE)
    assert answer.status == status
    assert told(answer) == ALLOWED


@pytest.mark.parametrize(("key", "code"), [(None, "AccessDenied"), (("AKIANOBODY", "x"), "InvalidAccessKeyId")])
def test_a_page_reads_why_it_was_refused(
    server: RunningServer, shared: str, key: tuple[str, str] | None, code: str
) -> None:
    answer = send(server, "GET", f"/{shared}/key", key=key, Origin=PAGE)
    assert answer.refusal == (403, code)
    assert told(answer) == ALLOWED


def test_a_page_that_no_rule_allows_is_served_and_told_nothing(server: RunningServer, s3: Any, shared: str) -> None:
    for method, headers in (("GET", {"Origin": "https://other.example"}), ("HEAD", {"Origin": PAGE}), ("GET", {})):
        answer = send(server, method, f"/{shared}/key", **headers)
        assert (answer.status, told(answer)) == (200, {})
    s3.delete_bucket_cors(Bucket=shared)
    assert told(send(server, "GET", f"/{shared}/key", Origin=PAGE)) == {}


def test_rules_are_found_by_the_bucket_of_the_host_too(server: RunningServer, shared: str) -> None:
    host = f"{shared}.s3.localhost"
    answer = send(
        server, "OPTIONS", "/key", key=None, Host=host, Origin=PAGE, **{"Access-Control-Request-Method": "GET"}
    )
    assert told(answer) == ALLOWED


def test_a_change_of_the_rules_decides_the_next_request_on_every_worker(
    server: RunningServer, s3: Any, shared: str
) -> None:
    address = urlsplit(server.s3).netloc
    connections = [http.client.HTTPConnection(address, timeout=20) for _ in range(6)]

    def ages() -> set[str | None]:
        answers = [send_on(each, server, "GET", f"/{shared}/key", Origin=PAGE) for each in connections]
        return {told(answer).get("Access-Control-Max-Age") for answer in answers}

    assert ages() == {"3000"}
    for age in range(3):
        put_rules(s3, shared, RULE | {"MaxAgeSeconds": age})
        assert ages() == {str(age)}
    s3.delete_bucket_cors(Bucket=shared)
    assert ages() == {None}
    for connection in connections:
        connection.close()


def test_two_origins_in_one_request_are_none(server: RunningServer, shared: str) -> None:
    with connect(server) as peer:
        sent = head(server, "GET", f"/{shared}/key").replace(
            b"\r\n\r\n", f"\r\nOrigin: {PAGE}\r\nOrigin: {PAGE}\r\n\r\n".encode()
        )
        peer.sendall(sent)
        answer = read_answer(peer)
    assert (answer.status, told(answer)) == (200, {})


@pytest.mark.parametrize(
    "origin", [b"https://\xe9.example.com", b"https://a\tb.example.com", b"https://" + b"a" * 1100 + b".example.com"]
)
def test_nothing_of_a_hostile_origin_comes_back_in_a_header(server: RunningServer, shared: str, origin: bytes) -> None:
    with connect(server) as peer:
        peer.sendall(head(server, "GET", f"/{shared}/key").replace(b"\r\n\r\n", b"\r\nOrigin: " + origin + b"\r\n\r\n"))
        answer = read_answer(peer)
    assert (answer.status, told(answer)) == (200, {})


def test_boto3_puts_rules_with_the_checksum_that_aws_wants(server: RunningServer, bucket: str) -> None:
    for options in ({}, {"signature_version": "s3"}):
        put_rules(client_of(server, **options), bucket, RULE)
