"""The examples that AWS publishes, with their keys, dates and signatures.

"Signature Calculations for the Authorization Header", "Authenticating Requests: Using Query Parameters" and "Signature
Calculations … in Multiple Chunks", each in the S3 API Reference.
"""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import pytest

from s3gw.auth import sigv4
from s3gw.errors import SignatureDoesNotMatch
from tests.auth.clients import ACCESS_KEY_ID, Headers, authenticated, request

HOST = "http://examplebucket.s3.amazonaws.com"
DOMAINS = ("s3.amazonaws.com",)
SCOPE = "20130524/us-east-1/s3/aws4_request"
DATE = "20130524T000000Z"


def signed_headers(names: str, signature: str, sha256: str, others: Headers) -> Headers:
    return {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/{SCOPE},"
        f"SignedHeaders={names},Signature={signature}",
        "x-amz-date": DATE,
        "x-amz-content-sha256": sha256,
        **others,
    }


EXAMPLES = {
    "GET object": (
        "GET",
        "/test.txt",
        signed_headers(
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            sigv4.EMPTY_SHA256,
            {"Range": "bytes=0-9"},
        ),
    ),
    "PUT object": (
        "PUT",
        "/test$file.text",
        signed_headers(
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            hashlib.sha256(b"Welcome to Amazon S3.").hexdigest(),
            {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
        ),
    ),
    "GET bucket lifecycle": (
        "GET",
        "/?lifecycle",
        signed_headers(
            "host;x-amz-content-sha256;x-amz-date",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            sigv4.EMPTY_SHA256,
            {},
        ),
    ),
    "list objects": (
        "GET",
        "/?max-keys=2&prefix=J",
        signed_headers(
            "host;x-amz-content-sha256;x-amz-date",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            sigv4.EMPTY_SHA256,
            {},
        ),
    ),
    "presigned GET object": (
        "GET",
        f"/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={ACCESS_KEY_ID}%2F20130524%2Fus-east-1%2Fs3%2F"
        f"aws4_request&X-Amz-Date={DATE}&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        {},
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_published_examples_verify(name: str) -> None:
    method, path, headers = EXAMPLES[name]
    authentication = authenticated(request(method, HOST + path, headers, domains=DOMAINS))
    assert authentication.principal.access_key_id == ACCESS_KEY_ID
    assert authentication.is_presigned == name.startswith("presigned")


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_published_examples_fail_for_another_method(name: str) -> None:
    _, path, headers = EXAMPLES[name]
    with pytest.raises(SignatureDoesNotMatch):
        authenticated(request("DELETE", HOST + path, headers, domains=DOMAINS))


def test_a_mismatch_tells_what_would_have_to_be_signed() -> None:
    _, path, headers = EXAMPLES["GET bucket lifecycle"]
    with pytest.raises(SignatureDoesNotMatch) as caught:
        authenticated(request("HEAD", HOST + path, headers))
    details = caught.value.details
    assert details["AWSAccessKeyId"] == ACCESS_KEY_ID
    assert details["SignatureProvided"] == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    assert details["CanonicalRequest"] == (
        f"HEAD\n/\nlifecycle=\nhost:examplebucket.s3.amazonaws.com\nx-amz-content-sha256:{sigv4.EMPTY_SHA256}\n"
        f"x-amz-date:{DATE}\n\nhost;x-amz-content-sha256;x-amz-date\n{sigv4.EMPTY_SHA256}"
    )
    digest = hashlib.sha256(details["CanonicalRequest"].encode()).hexdigest()
    assert details["StringToSign"] == f"AWS4-HMAC-SHA256\n{DATE}\n{SCOPE}\n{digest}"
    assert bytes.fromhex(details["StringToSignBytes"]).decode() == details["StringToSign"]
    assert bytes.fromhex(details["CanonicalRequestBytes"]).decode() == details["CanonicalRequest"]


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (b"", "/"),
        (b"/", "/"),
        (b"/bucket/key", "/bucket/key"),
        (b"/a//b/../c/.", "/a//b/../c/."),
        (b"/a b", "/a%20b"),
        (b"/a%20b%2Bc", "/a%20b%2Bc"),
        (b"/a+b", "/a%2Bb"),
        (b"/%7Euser%2d%5f", "/~user-_"),
        (b"/caf%c3%a9", "/caf%C3%A9"),
        (b"/caf\xc3\xa9", "/caf%C3%A9"),
        (b"/100%25", "/100%25"),
        (b"/a%2Fb", "/a/b"),
        (b"/!'()*$&,:;=@", "/%21%27%28%29%2A%24%26%2C%3A%3B%3D%40"),
    ],
)
def test_paths_are_decoded_and_encoded_once(raw: bytes, canonical: str) -> None:
    assert sigv4.canonical_uri(raw) == canonical


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (b"", ""),
        (b"acl", "acl="),
        (b"b=2&a=1", "a=1&b=2"),
        (b"a=2&a=1", "a=1&a=2"),
        (b"a-b=1&a=1", "a=1&a-b=1"),  # by name, not by the joined text
        (b"prefix=a/b", "prefix=a%2Fb"),
        (b"prefix=a%2Fb%20c", "prefix=a%2Fb%20c"),
        (b"prefix=a+b", "prefix=a%20b"),
        (b"prefix=%7e", "prefix=~"),
        (b"a=b=c", "a=b%3Dc"),
        (b"&&a=1&", "a=1"),
        (b"X-Amz-Signature=00&X-Amz-Date=1", "X-Amz-Date=1"),
    ],
)
def test_queries_are_encoded_alike_and_sorted_by_name(raw: bytes, canonical: str) -> None:
    assert sigv4.canonical_query(raw) == canonical


@pytest.mark.parametrize("name", ["a", "m", "x"])  # before, between and after headers without blanks
@pytest.mark.parametrize(
    ("sent", "canonical"), [(" one", "one"), ("one ", "one"), ("one  two", "one two"), ("one\ttwo", "one two")]
)
def test_header_values_are_trimmed_and_their_inner_spaces_collapsed(name: str, sent: str, canonical: str) -> None:
    headers = {"host": "h", "range": "r", name: sent}
    odd = SimpleNamespace(method="GET", raw_path=b"/", query_string=b"", headers=headers, host_candidates=("h",))
    names = sigv4.parse_signed_headers(";".join(sorted(headers)), lambda *_: ValueError())
    assert f"\n{name}:{canonical}\n" in next(sigv4.canonical_requests(odd, names, "-"))
