"""AWS's published SigV2 examples, and the ways in which such a request can be wrong."""

from __future__ import annotations

import pytest

from s3gw.auth import sigv2
from s3gw.auth.timestamps import parse_date
from s3gw.errors import S3Error, SignatureDoesNotMatch
from tests.auth.clients import ACCESS_KEY_ID, SECRET, Headers, authenticated, request, signed_by_botocore

# "Signing and Authenticating REST Requests": 2007-03-27T19:36:42Z
DATE = "Tue, 27 Mar 2007 19:36:42 +0000"
NOW = 1175024202.0
DOMAINS = ("s3.amazonaws.com",)


@pytest.mark.parametrize(
    ("method", "url", "headers", "signature"),
    [
        (
            "GET",
            "http://awsexamplebucket1.us-west-1.s3.amazonaws.com/photos/puppy.jpg",
            {},
            "qgk2+6Sv9/oM7G3qLEjTH1a1l1g=",
        ),
        (
            "PUT",
            "http://awsexamplebucket1.s3.amazonaws.com/photos/puppy.jpg",
            {"Content-Type": "image/jpeg", "Date": "Tue, 27 Mar 2007 21:15:45 +0000"},
            "iqRzw+ileNPu1fhspnRs8nOjjIA=",
        ),
        (
            "GET",
            "http://awsexamplebucket1.s3.amazonaws.com/?prefix=photos&max-keys=50&marker=puppy",
            {"Date": "Tue, 27 Mar 2007 19:42:41 +0000"},
            "m0WP8eCtspQl5Ahe6L1SozdX9YA=",
        ),
        (
            "GET",
            "http://awsexamplebucket1.s3.amazonaws.com/?acl",
            {"Date": "Tue, 27 Mar 2007 19:44:46 +0000"},
            "82ZHiFIjc+WbcwFKGUVEQspPn+0=",
        ),
    ],
)
def test_the_published_examples_verify(method: str, url: str, headers: Headers, signature: str) -> None:
    url = url.replace(".us-west-1", "")
    sent = {"Date": DATE, **headers, "Authorization": f"AWS {ACCESS_KEY_ID}:{signature}"}
    authentication = authenticated(request(method, url, sent, domains=DOMAINS), now=parse_date(sent["Date"]))
    assert authentication.principal.access_key_id == ACCESS_KEY_ID


def refused(headers: Headers, query: str = "", now: float = NOW) -> S3Error:
    with pytest.raises(S3Error) as caught:
        authenticated(request("GET", f"http://h/bucket/key{query}", headers), now=now)
    return caught.value


@pytest.mark.parametrize("value", ["AWS HAHAHA", "AWS :x", "AWS x:", "AWS "])
def test_a_malformed_authorization_header_is_an_invalid_argument(value: str) -> None:
    error = refused({"Authorization": value, "Date": DATE})
    assert (error.code, error.status) == ("InvalidArgument", 400)
    assert error.details["ArgumentName"] == "Authorization"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "AccessDenied"),
        ({"Date": "Bad Date"}, "AccessDenied"),
        ({"x-amz-date": ""}, "AccessDenied"),
        ({"Date": "Tue, 07 Jul 1950 21:53:04 GMT"}, "AccessDenied"),
        ({"Date": "Tue, 07 Jul 9999 21:53:04 GMT"}, "RequestTimeTooSkewed"),
        ({"Date": "Tue, 07 Jul 2010 21:53:04 GMT"}, "RequestTimeTooSkewed"),
        ({"Date": DATE, "x-amz-security-token": "t"}, "InvalidToken"),
        ({"Date": DATE}, "SignatureDoesNotMatch"),
        ({"x-amz-date": "20070327T193642Z"}, "SignatureDoesNotMatch"),
    ],
)
def test_wrong_headers_have_aws_errors(headers: Headers, code: str) -> None:
    assert refused({"Authorization": f"AWS {ACCESS_KEY_ID}:c2ln", **headers}).code == code


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "?AWSAccessKeyId=a&Signature=b",
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId",
        ),
        ("?Signature=b&Expires=9999999999", "Query-string authentication requires"),
        ("?AWSAccessKeyId=a&Signature=b&Expires=tomorrow", "Invalid date (should be seconds since epoch): tomorrow"),
        ("?AWSAccessKeyId=a&Signature=b&Expires=%C2%B2", "Invalid date (should be seconds since epoch)"),
        ("?AWSAccessKeyId=a&Signature=b&Expires=99999999999", "Invalid date (should be seconds since epoch)"),
        (f"?AWSAccessKeyId=a&Signature=b&Expires={int(NOW) - 1}", "Request has expired"),
    ],
)
def test_wrong_queries_are_denied(query: str, message: str) -> None:
    error = refused({}, query)
    assert error.code == "AccessDenied"
    assert error.message.startswith(message)


def test_a_token_in_the_query_is_invalid() -> None:
    query = f"?AWSAccessKeyId={ACCESS_KEY_ID}&Signature=b&Expires={int(NOW)}&x-amz-security-token=t"
    assert refused({}, query).code == "InvalidToken"


def test_a_mismatch_shows_the_string_to_sign() -> None:
    error = refused({"Authorization": f"AWS {ACCESS_KEY_ID}:c2ln", "Date": DATE}, "?acl&prefix=x")
    assert error.details["StringToSign"] == f"GET\n\n\n{DATE}\n/bucket/key?acl"
    assert bytes.fromhex(error.details["StringToSignBytes"]).decode() == error.details["StringToSign"]
    assert error.details["SignatureProvided"] == "c2ln"


def test_headers_that_were_moved_into_a_presigned_query_count_as_sent() -> None:
    moved = {"x-amz-meta-a": "b", "content-type": "text/plain", "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}
    url, headers = signed_by_botocore("SigV2 query", "PUT", "http://h/bucket/key", moved)
    assert "x-amz-meta-a=b" in url
    for sent in (headers, {name: value for name, value in headers.items() if name not in moved}):
        assert authenticated(request("PUT", url, sent), now=None).is_presigned


@pytest.mark.parametrize("value", ["a b", "a  b", "a\tb", "aà\x85b"])
def test_blanks_within_a_value_are_signed_as_they_are(value: str) -> None:
    """Folded, `a b` and `a   b` would have one signature, and name two objects in x-amz-copy-source."""
    on_the_wire = value.encode().decode("latin-1")
    text = f"PUT\n\n\n{DATE}\nx-amz-copy-source:{on_the_wire}\n/bucket/key"
    headers = {"Date": DATE, "Authorization": f"AWS {ACCESS_KEY_ID}:{sigv2.sign(SECRET, text)}"}
    assert authenticated(request("PUT", "http://h/bucket/key", headers | {"x-amz-copy-source": f" {value} "}), now=NOW)
    other = request("PUT", "http://h/bucket/key", headers | {"x-amz-copy-source": value.replace("b", " b")})
    with pytest.raises(SignatureDoesNotMatch):
        authenticated(other, now=NOW)


def test_a_path_that_the_client_signed_encoded_verifies() -> None:
    headers = {"Date": DATE}
    text = f"GET\n\n\n{DATE}\n/bucket/a%20b%2Bc"
    headers["Authorization"] = f"AWS {ACCESS_KEY_ID}:{sigv2.sign(SECRET, text)}"
    assert authenticated(request("GET", "http://h/bucket/a%20b+c", headers), now=NOW)


def test_text_beyond_ascii_in_query_and_header_is_signed_as_its_utf_8_bytes() -> None:
    url = "http://h/bucket/key?response-content-disposition=caf%C3%A9"
    text = f"GET\n\n\n{DATE}\nx-amz-meta-a:é\n/bucket/key?response-content-disposition=café"
    signature = sigv2.sign(SECRET, text.encode().decode("latin-1"))
    headers = {"Date": DATE, "x-amz-meta-a": "é", "Authorization": f"AWS {ACCESS_KEY_ID}:{signature}"}
    assert authenticated(request("GET", url, headers), now=NOW)


@pytest.mark.parametrize(
    ("url", "verifies"), [("http://h/bucket", True), ("http://bucket.s3.amazonaws.com/key", False)]
)
def test_a_slash_that_was_signed_but_not_sent_counts_for_a_bucket_and_not_for_a_key(url: str, verifies: bool) -> None:
    text = f"GET\n\n\n{DATE}\n/bucket{'' if verifies else '/key'}/"
    headers = {"Date": DATE, "Authorization": f"AWS {ACCESS_KEY_ID}:{sigv2.sign(SECRET, text)}"}
    get = request("GET", url, headers, domains=DOMAINS)
    if verifies:
        assert authenticated(get, now=NOW)
    else:
        with pytest.raises(SignatureDoesNotMatch):
            authenticated(get, now=NOW)
