"""Each way in which a signed request can be wrong, sent to a running server: AWS's status, code and details.

The finer points of one check are tests/auth/test_authenticate.py, test_sigv2.py and test_payload.py.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import http.client
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import raw_requests
from tests.auth.clients import Headers, signed_by_botocore
from tests.gateways import refusal
from tests.raw_requests import Answer
from tests.servers import ROOT_KEY, RunningServer

# What is signed doesn't depend on the database.
pytestmark = pytest.mark.parametrize("server", ["sqlite"], indirect=True)

AUTH = Path(__file__).parent.parent.parent / "s3gw" / "auth"
BODY = b"the body that was signed"
Change = Callable[[str, Headers], tuple[str, Headers]]


def in_authorization(pattern: str, replacement: str) -> Change:
    def change(url: str, headers: Headers) -> tuple[str, Headers]:
        value = re.sub(pattern, replacement, headers["Authorization"])
        assert value != headers["Authorization"], pattern
        return url, {**headers, "Authorization": value}

    return change


def in_query(pattern: str, replacement: str) -> Change:
    def change(url: str, headers: Headers) -> tuple[str, Headers]:
        changed = re.sub(pattern, replacement, url)
        assert changed != url, pattern
        return changed, headers

    return change


def with_headers(**values: str | None) -> Change:
    """Added, replaced or, if None, left out, after the request was signed."""
    named = {name.replace("_", "-").lower(): value for name, value in values.items()}

    def change(url: str, headers: Headers) -> tuple[str, Headers]:
        kept = {name: value for name, value in headers.items() if name.lower() not in named}
        return url, kept | {name: value for name, value in named.items() if value is not None}

    return change


def both(*changes: Change) -> Change:
    def change(url: str, headers: Headers) -> tuple[str, Headers]:
        for single in changes:
            url, headers = single(url, headers)
        return url, headers

    return change


def another_argument(text: str) -> Change:
    return lambda url, headers: (f"{url}{'&' if '?' in url else '?'}{text}", headers)


MALFORMED = (400, "AuthorizationHeaderMalformed")
QUERY = (400, "AuthorizationQueryParametersError")
DENIED = (403, "AccessDenied")
MISMATCH = (403, "SignatureDoesNotMatch")
ARGUMENT = (400, "InvalidArgument")
REGION = "<Region>us-east-1</Region>"
HEX = "[0-9a-f]"
DAY, TIME = r"20\d{6}", r"20\d{6}T\d{6}Z"

# name: change, (status, code), what its document says
Way = tuple[Change, tuple[int, str], str]
V4_HEADER: dict[str, Way] = {
    "another scheme": (with_headers(authorization="Bearer x"), ARGUMENT, "Unsupported Authorization Type"),
    "several regions": (with_headers(authorization="AWS4-ECDSA-P256-SHA256 x"), (501, "NotImplemented"), "<Header>"),
    "no Credential": (in_authorization("Credential=[^,]*, ", ""), MALFORMED, "missing Credential."),
    "no SignedHeaders": (in_authorization("SignedHeaders=[^,]*, ", ""), MALFORMED, "missing SignedHeaders."),
    "empty SignedHeaders": (in_authorization("SignedHeaders=[^,]*", "SignedHeaders="), MALFORMED, "missing Signed"),
    "no Signature": (in_authorization(", Signature=.*", ""), MALFORMED, "missing Signature."),
    "too few parts": (in_authorization("/us-east-1", ""), MALFORMED, "the Credential is mal-formed"),
    "nobody": (in_authorization("Credential=[^/]*", "Credential="), MALFORMED, "the Credential is mal-formed"),
    "wrong region": (in_authorization("us-east-1", "eu-west-1"), MALFORMED, REGION),
    "wrong service": (in_authorization("/s3/", "/ec2/"), MALFORMED, "This endpoint belongs to"),
    "wrong terminator": (in_authorization("aws4_request", "aws3_request"), MALFORMED, "incorrect terminal"),
    "no day": (in_authorization(DAY, "today"), MALFORMED, "incorrect date format"),
    "a day of letters": (in_authorization(DAY, "tomorrow"), MALFORMED, "incorrect date format"),
    "a day of other digits": (in_authorization(DAY, "²" * 8), MALFORMED, "incorrect date format"),
    "another day": (in_authorization(DAY, "20130524"), MALFORMED, "Invalid credential date"),
    "no date": (with_headers(x_amz_date=None), DENIED, "a valid Date or x-amz-date header"),
    "dates that are none": (with_headers(x_amz_date=None, date="today"), DENIED, "a valid Date or x-amz-date"),
    "a clock that is wrong": (
        both(in_authorization(DAY, "20130524"), with_headers(x_amz_date="20130524T000000Z")),
        (403, "RequestTimeTooSkewed"),
        "<MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>",
    ),
    "no payload hash": (with_headers(x_amz_content_sha256=None), (400, "InvalidRequest"), "x-amz-content-sha256"),
    "a payload hash that is none": (with_headers(x_amz_content_sha256="x"), ARGUMENT, "<ArgumentName>x-amz-content"),
    "a session": (with_headers(x_amz_security_token="t"), (400, "InvalidToken"), "<Token-0>t</Token-0>"),
    "Host unsigned": (in_authorization("=host;", "="), DENIED, "<HeadersNotSigned>host</HeadersNotSigned>"),
    "x-amz unsigned": (with_headers(x_amz_meta_a="1"), DENIED, "<HeadersNotSigned>x-amz-meta-a</HeadersNotSigned>"),
    "Content-MD5 unsigned": (with_headers(content_md5="x"), DENIED, "<HeadersNotSigned>content-md5</Head"),
    "an unknown key": (
        in_authorization(ROOT_KEY[0], "AKIAUNKNOWN"),
        (403, "InvalidAccessKeyId"),
        "<AWSAccessKeyId>AKIAUNKNOWN</AWSAccessKeyId>",
    ),
    "unsorted SignedHeaders": (in_authorization("=(host);([^,]*)", r"=\2;\1"), MISMATCH, "<CanonicalRequest>PUT"),
    "a signed header that isn't sent": (in_authorization("=host", "=expires;host"), MISMATCH, "\nexpires:\n"),
    "a Signature of other letters": (in_authorization(f"{HEX}{{3}}$", "\xe9\xe9"), MISMATCH, "<SignatureProvided>"),
    "an empty Signature": (in_authorization("Signature=.*", "Signature="), MISMATCH, "<StringToSign>AWS4-HMAC"),
    "another Signature": (in_authorization("Signature=.*", "Signature=" + "0" * 64), MISMATCH, "<StringToSignBytes>"),
    "a second mechanism": (another_argument("X-Amz-Signature=a"), ARGUMENT, "Only one auth mechanism allowed"),
    "an older mechanism": (another_argument("Signature=a"), ARGUMENT, "Only one auth mechanism allowed"),
}
V4_QUERY: dict[str, Way] = {
    **{
        f"no {name}": (in_query(f"X-Amz-{name}=[^&]*", "x=y"), QUERY, "authentication version 4 requires the")
        for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
    },
    "empty SignedHeaders": (in_query("SignedHeaders=[^&]*", "SignedHeaders="), QUERY, "X-Amz-SignedHeaders"),
    "another algorithm": (in_query("HMAC-SHA256", "HMAC-SHA1"), QUERY, "X-Amz-Algorithm only supports"),
    "too few parts": (in_query("%2Fus-east-1", ""), QUERY, "the Credential is mal-formed"),
    "wrong region": (in_query("us-east-1", "eu-west-1"), QUERY, REGION),
    "wrong service": (in_query("%2Fs3%2F", "%2Fec2%2F"), QUERY, "incorrect service"),
    "wrong terminator": (in_query("aws4_request", "aws3_request"), QUERY, "incorrect terminal"),
    "another day": (in_query(f"%2F{DAY}", "%2F20130524"), QUERY, "Invalid credential date"),
    "a date that is none": (in_query(TIME, "today"), QUERY, "X-Amz-Date must be in the ISO8601 Long Format"),
    "Expires 0": (in_query("Expires=3600", "Expires=0"), DENIED, "Request has expired"),
    "Expires below 0": (in_query("Expires=3600", "Expires=-1"), DENIED, "Request has expired"),
    "Expires far below 0": (in_query("Expires=3600", f"Expires=-{10**18 - 1}"), DENIED, "Request has expired"),
    "Expires after a week": (in_query("Expires=3600", "Expires=604801"), QUERY, "must be less than a week"),
    "Expires no number": (in_query("Expires=3600", "Expires=1h"), QUERY, "X-Amz-Expires should be a number"),
    "expired": (in_query(DAY, "20130524"), DENIED, "<X-Amz-Expires>3600</X-Amz-Expires>"),
    "not yet valid": (in_query(DAY, "21000524"), DENIED, "Request is not yet valid"),
    "a session": (another_argument("X-Amz-Security-Token=t"), (400, "InvalidToken"), "<Token-0>t</Token-0>"),
    "Host unsigned": (in_query("SignedHeaders=host", "SignedHeaders=range"), DENIED, "<HeadersNotSigned>host<"),
    "x-amz unsigned": (with_headers(x_amz_acl="private"), DENIED, "<HeadersNotSigned>x-amz-acl<"),
    "a payload hash that is none": (another_argument("X-Amz-Content-Sha256=x"), ARGUMENT, "x-amz-content-sha256"),
    "signed chunks": (
        another_argument("X-Amz-Content-Sha256=STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        ARGUMENT,
        "<ArgumentName>x-amz-content-sha256</ArgumentName>",
    ),
    "an unknown key": (in_query(ROOT_KEY[0], "AKIAUNKNOWN"), (403, "InvalidAccessKeyId"), "AKIAUNKNOWN"),
    "another Signature": (in_query("Signature=.*", "Signature=x"), MISMATCH, "<CanonicalRequest>PUT"),
    "a second mechanism": (with_headers(authorization="AWS a:b"), ARGUMENT, "Only one auth mechanism allowed"),
}
V2_HEADER: dict[str, Way] = {
    "no signature": (in_authorization(":.*", ""), ARGUMENT, "Expected AwsAccessKeyId:signature"),
    "nobody": (in_authorization(ROOT_KEY[0], ""), ARGUMENT, "Expected AwsAccessKeyId:signature"),
    "no date": (with_headers(date=None), DENIED, "a valid Date or x-amz-date header"),
    "a date that is none": (with_headers(date="today"), DENIED, "a valid Date or x-amz-date header"),
    "a clock that is wrong": (
        with_headers(date="Fri, 24 May 2013 00:00:00 GMT"),
        (403, "RequestTimeTooSkewed"),
        "<RequestTime>Fri, 24 May 2013 00:00:00 GMT</RequestTime>",
    ),
    "a session": (with_headers(x_amz_security_token="t"), (400, "InvalidToken"), "<Token-0>t</Token-0>"),
    "an unknown key": (in_authorization(ROOT_KEY[0], "AKIAUNKNOWN"), (403, "InvalidAccessKeyId"), "AKIAUNKNOWN"),
    "another signature": (in_authorization(":.*", ":c2ln"), MISMATCH, "<StringToSign>PUT\n"),
    "an added header": (with_headers(x_amz_meta_a="1"), MISMATCH, "\nx-amz-meta-a:1\n"),
    "signed chunks": (
        with_headers(x_amz_content_sha256="STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        MISMATCH,  # the header isn't signed; one that is: test_signed_chunks_need_a_signature_to_begin_with
        "\nx-amz-content-sha256:STREAMING",
    ),
    "a second mechanism": (another_argument("X-Amz-Credential=a"), ARGUMENT, "Only one auth mechanism allowed"),
}
V2_QUERY: dict[str, Way] = {
    "no Signature": (in_query("&?Signature=[^&]*", ""), DENIED, "Query-string authentication requires"),
    "nobody": (in_query("AWSAccessKeyId=[^&]*", ""), DENIED, "Query-string authentication requires"),
    "no Expires": (in_query("&?Expires=[^&]*", ""), DENIED, "Query-string authentication requires"),
    "Expires no number": (in_query("Expires=[^&]*", "Expires=soon"), DENIED, "Invalid date (should be seconds"),
    "expired": (in_query("Expires=[^&]*", "Expires=1369353600"), DENIED, "<Expires>2013-05-24T00:00:00Z</Expires>"),
    "a session": (another_argument("x-amz-security-token=t"), (400, "InvalidToken"), "<Token-0>t</Token-0>"),
    "an unknown key": (in_query(ROOT_KEY[0], "AKIAUNKNOWN"), (403, "InvalidAccessKeyId"), "AKIAUNKNOWN"),
    "another Signature": (in_query("Signature=[^&]*", "Signature=x"), MISMATCH, "<SignatureProvided>x<"),
    "a second mechanism": (with_headers(authorization="AWS a:b"), ARGUMENT, "Only one auth mechanism allowed"),
}
WAYS = {"SigV4 header": V4_HEADER, "SigV4 query": V4_QUERY, "SigV2 header": V2_HEADER, "SigV2 query": V2_QUERY}
EACH_WAY = [(signer, name) for signer, ways in WAYS.items() for name in ways]

MD5 = base64.b64encode(hashlib.md5(BODY, usedforsecurity=False).digest()).decode()
OTHER = base64.b64encode(bytes(16)).decode()
CHUNKS = {"X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Decoded-Content-Length": "3"}
TRAILER = {"X-Amz-Trailer": "x-amz-checksum-crc32"}
# name: signed headers, body, (status, code)
BODIES: dict[str, tuple[Headers, bytes, tuple[int, str]]] = {
    "another body": ({}, b"another", (400, "XAmzContentSHA256Mismatch")),
    "no Content-MD5": ({"Content-MD5": "x"}, BODY, (400, "InvalidDigest")),
    "another Content-MD5": ({"Content-MD5": OTHER}, BODY, (400, "BadDigest")),
    "another checksum": ({"x-amz-checksum-crc32": "AAAAAA=="}, BODY, (400, "BadDigest")),
    "two checksums": ({"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-sha1": "x"}, BODY, (400, "InvalidRequest")),
    "fewer bytes in chunks": (CHUNKS, b"2\r\nab\r\n0\r\n\r\n", (400, "IncompleteBody")),
    "more bytes in chunks": (CHUNKS, b"4\r\nabcd\r\n0\r\n\r\n", (400, "IncompleteBody")),
    "no length of chunks": ({**CHUNKS, "X-Amz-Decoded-Content-Length": ""}, b"", ARGUMENT),
    "no trailer": ({**CHUNKS, **TRAILER}, b"3\r\nabc\r\n0\r\n\r\n", (400, "MalformedTrailerError")),
    "another trailer": (
        {**CHUNKS, **TRAILER},
        b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
        (400, "BadDigest"),
    ),
}

# Codes whose tests need more than one request.
ELSEWHERE = {
    "AccountProblem": "test_a_disabled_user_is_told_only_to_who_signs_rightly",
    "EntityTooLarge": "test_the_largest_put_is_accepted_however_it_is_framed_and_one_byte_more_is_not",
    "EntityTooSmall": "test_sizes_are_within_every_range_ends_included",
    "InvalidPolicyDocument": "test_a_document_that_is_no_policy_is_told_why",
    "MaxMessageLengthExceeded": "test_a_document_is_at_most_so_many_bytes",
    "MissingContentLength": "test_a_decoded_length_must_be_told",
    "RequestTimeout": "test_a_client_that_stops_in_its_body_hears_request_timeout_and_leaves_nothing",
}


@pytest.fixture(autouse=True)
def nothing_stored(s3: Any, bucket: str) -> Iterator[None]:
    yield
    assert refusal(s3.head_object, Bucket=bucket, Key="key")[0] == 404


def put(server: RunningServer, url: str, headers: Headers, body: bytes = BODY) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(server.s3).netloc, timeout=20)
    connection.request("PUT", url.removeprefix(server.s3), body, headers)
    answer = connection.getresponse()
    result = Answer(answer.status, answer.read(), answer.headers)
    connection.close()
    return result


def signed(signer: str, server: RunningServer, bucket: str, headers: Headers | None = None) -> tuple[str, Headers]:
    data = b"" if "query" in signer else BODY  # a presigned request doesn't know its body
    return signed_by_botocore(signer, "PUT", f"{server.s3}/{bucket}/key", headers, data=data, pair=ROOT_KEY)


@pytest.mark.parametrize(("signer", "name"), EACH_WAY)
def test_each_way_to_be_wrong_has_its_code(server: RunningServer, bucket: str, signer: str, name: str) -> None:
    change, refused, text = WAYS[signer][name]
    answer = put(server, *change(*signed(signer, server, bucket)))
    assert answer.refusal == refused, answer.body
    assert text in answer.body.decode()


@pytest.mark.parametrize("name", BODIES)
def test_each_way_in_which_a_body_can_be_wrong_has_its_code(server: RunningServer, bucket: str, name: str) -> None:
    headers, body, refused = BODIES[name]
    path, all_headers = raw_requests.signed(server, "PUT", f"/{bucket}/key", BODY, **headers)
    answer = put(server, path, all_headers, body)
    assert answer.refusal == refused, answer.body


@pytest.mark.parametrize("signer", WAYS)
def test_what_the_others_change_is_accepted_as_it_was(server: RunningServer, s3: Any, bucket: str, signer: str) -> None:
    assert put(server, *signed(signer, server, bucket, {"Content-MD5": MD5})).status == 200
    s3.delete_object(Bucket=bucket, Key="key")


def raised_in_auth() -> set[str]:
    names: set[str] = set()
    for path in AUTH.glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module == "s3gw.errors":
                names.update(alias.name for alias in node.names)
    return names - {"S3Error"}


def test_no_error_of_authentication_is_without_a_test(server: RunningServer) -> None:
    codes = {refused[1] for ways in WAYS.values() for _, refused, _ in ways.values()}
    codes |= {refused[1] for _, _, refused in BODIES.values()}
    assert raised_in_auth() - codes == set(ELSEWHERE)
    tests = "".join(path.read_text(encoding="utf-8") for path in AUTH.parent.parent.joinpath("tests").rglob("*.py"))
    assert [name for name in ELSEWHERE.values() if f"def {name}(" not in tests] == []
