"""What botocore signs verifies; any change of it doesn't; each way to be wrong has AWS's own error."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3gw import errors
from s3gw.auth.principal import ANONYMOUS
from s3gw.wire.request import Request
from tests.auth.clients import (
    ACCESS_KEY_ID,
    EXAMPLE_TIME,
    SECRET,
    SIGNERS,
    AuthSettings,
    Headers,
    Row,
    authenticated,
    request,
    signed_by_botocore,
)
from tests.auth.test_sigv4 import EXAMPLES, HOST

URL = "http://127.0.0.1:9000/bucket/key"
UNSIGNED = "UNSIGNED-PAYLOAD"

text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12).map(str.strip)


def get_example(change: Headers | None = None, *, authorization: tuple[str, str] = ("", "")) -> Request:
    """AWS's "GET object" with headers changed ("" removes one) or with a part of its Authorization replaced."""
    method, path, headers = EXAMPLES["GET object"]
    headers = {**headers, "Authorization": headers["Authorization"].replace(*authorization)}
    lowered = {name.lower(): value for name, value in headers.items()} | (change or {})
    if "host" in lowered:
        lowered["Host"] = lowered.pop("host")  # in place of the URL's
    return request(method, HOST + path, {name: value for name, value in lowered.items() if value})


def presigned_example(old: str = "", new: str = "", headers: Headers | None = None) -> Request:
    method, path, _ = EXAMPLES["presigned GET object"]
    assert old in path
    return request(method, HOST + path.replace(old, new), headers)


def error_of(wrong: Request, **options: Any) -> errors.S3Error:
    with pytest.raises(errors.S3Error) as caught:
        authenticated(wrong, **options)
    return caught.value


@pytest.mark.parametrize("signer", SIGNERS)
@settings(deadline=None, max_examples=60)
@given(
    method=st.sampled_from(["GET", "PUT", "DELETE", "HEAD", "POST"]),
    key=text,
    query=st.dictionaries(st.sampled_from(["prefix", "versionId", "acl", "response-content-type", "list-type"]), text),
    metadata=st.dictionaries(
        st.sampled_from(["x-amz-meta-a", "x-amz-acl", "content-type"]), header_values.filter(bool)
    ),
)
def test_what_botocore_signs_verifies(
    signer: str, method: str, key: str, query: dict[str, str], metadata: Headers
) -> None:
    path = quote(key, safe="/~")
    url = f"http://127.0.0.1:9000/bucket/{path}"
    if query:
        url += "?" + "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in query.items())
    sent_url, sent_headers = signed_by_botocore(signer, method, url, metadata)
    assert authenticated(request(method, sent_url, sent_headers), now=None).principal.name == "alice"


@pytest.mark.parametrize("signer", SIGNERS)
@pytest.mark.parametrize("change", ["method", "path", "secret", "subresource", "metadata", "signature"])
def test_any_change_of_a_signed_request_is_a_mismatch(signer: str, change: str) -> None:
    method, pair = "GET", (ACCESS_KEY_ID, "another secret" if change == "secret" else SECRET)
    url, headers = signed_by_botocore(signer, method, f"{URL}?versionId=1", {"x-amz-meta-a": "b"}, pair=pair)
    if change == "method":
        method = "PUT"
    elif change == "path":
        url = url.replace("/bucket/key", "/bucket/kez")
    elif change == "subresource":
        url = url.replace("versionId=1", "versionId=2")
    elif change == "metadata":
        headers["x-amz-meta-a"] = "c"
    elif change == "signature":
        url, headers = tampered(signer, url, headers)
    assert error_of(request(method, url, headers), now=None).code == "SignatureDoesNotMatch"


def tampered(signer: str, url: str, headers: Headers) -> tuple[str, Headers]:
    if "query" in signer:
        head, name, tail = url.partition("Signature=")
        return f"{head}{name}{'A' if tail[0] != 'A' else 'B'}{tail[1:]}", headers
    value = headers["Authorization"]
    return url, {**headers, "Authorization": value[:-3] + ("abc" if value[-3:] != "abc" else "cba")}


@settings(deadline=None, max_examples=60)
@given(key=text)
def test_a_client_that_encodes_its_path_differently_verifies(key: str) -> None:
    """Signed canonically, sent with more and with fewer characters encoded."""
    _, headers = signed_by_botocore("SigV4 header", "GET", f"http://h/bucket/{quote(key, safe='/~')}")
    for sent in ("".join(f"%{byte:02x}" for byte in key.encode()), quote(key, safe="/~!$&'()*,:;=@+")):
        assert authenticated(request("GET", f"http://h/bucket/{sent}", headers), now=None)


def test_no_signature_is_the_anonymous_principal() -> None:
    for headers in ({}, {"Authorization": ""}):
        authentication = authenticated(request("GET", URL, headers))
        assert authentication.principal is ANONYMOUS
        assert authentication.principal.is_anonymous
        assert authentication.payload.kind == "unsigned"
    assert authenticated(request("GET", f"{URL}?list-type=2")).principal is ANONYMOUS


@pytest.mark.parametrize(
    "name", ["X-Amz-Algorithm", "X-Amz-Signature", "X-Amz-Credential", "AWSAccessKeyId", "Signature"]
)
def test_a_part_of_a_signature_is_no_anonymous_request(name: str) -> None:
    assert "uthentication" in error_of(request("GET", f"{URL}?{name}=x")).message


def test_the_principal_is_that_of_the_row() -> None:
    principal = authenticated(get_example()).principal
    row = Row()
    assert (principal.user_id, principal.canonical_id, principal.account_id) == (
        row.user_id,
        row.canonical_id,
        row.account_id,
    )
    assert (principal.name, principal.role, principal.access_key_id) == ("alice", "user", ACCESS_KEY_ID)
    assert not principal.is_anonymous


# Headers and Authorization


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("us-east-1", "eu-west-1", "the region 'eu-west-1' is wrong; expecting 'us-east-1'"),
        ("/s3/", "/ec2/", 'incorrect service "ec2". This endpoint belongs to "s3".'),
        ("aws4_request", "aws5", 'incorrect terminal "aws5". This endpoint uses "aws4_request".'),
        ("20130524", "2013052", 'incorrect date format "2013052".'),
        ("20130524", "20130525", 'Invalid credential date "20130525".'),
        ("/us-east-1", "", "the Credential is mal-formed"),
        ("Credential=", "Credentials=", "missing Credential."),
        ("SignedHeaders=", "Signed=", "missing SignedHeaders."),
        (",Signature=", ",Signatur=", "missing Signature."),
        ("SignedHeaders=host", "SignedHeaders=hösst", "the SignedHeaders are not well formed."),
        (",SignedHeaders", ",nonsense,SignedHeaders", 'the authorization component "nonsense" is malformed.'),
    ],
)
def test_a_malformed_authorization_header_is_told_apart(old: str, new: str, message: str) -> None:
    error = error_of(get_example(authorization=(old, new)))
    assert (error.code, error.status) == ("AuthorizationHeaderMalformed", 400)
    assert error.message.startswith("The authorization header is malformed; ")
    assert message in error.message
    assert error.details.get("Region") == ("us-east-1" if "region" in message else None)


def test_components_of_the_authorization_header_come_in_any_order_and_with_spaces() -> None:
    _, _, headers = EXAMPLES["GET object"]
    credential, names, signature = headers["Authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(",")
    for order in ((signature, credential, names), (credential, names, signature), (names, signature, credential)):
        for comma in (",", ", "):
            value = f"AWS4-HMAC-SHA256 {comma.join(order)}"
            assert authenticated(get_example({"authorization": value})).principal.name == "alice"


def test_an_oversize_authorization_header_is_parsed_without_being_cached() -> None:
    long = ";".join(f"x-{number}" for number in range(500))
    error = error_of(get_example(authorization=("SignedHeaders=host", f"SignedHeaders=host;{long}")))
    assert error.code == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"authorization": "Bearer x"}, "InvalidArgument"),
        ({"authorization": "AWS4-ECDSA-P256-SHA256 Credential=x"}, "NotImplemented"),
        ({"x-amz-date": "yesterday"}, "AccessDenied"),
        ({"x-amz-date": "20130524T000060Z"}, "SignatureDoesNotMatch"),
        ({"x-amz-date": "20130524T006000Z"}, "AccessDenied"),
        ({"x-amz-date": "20130524 000000Z"}, "AccessDenied"),
        ({"x-amz-date": ""}, "AccessDenied"),
        ({"x-amz-content-sha256": ""}, "InvalidRequest"),
        ({"x-amz-content-sha256": "nonsense"}, "InvalidArgument"),
        ({"x-amz-content-sha256": "ab" * 31}, "InvalidArgument"),
        ({"x-amz-content-sha256": "ab" * 31 + "xy"}, "InvalidArgument"),
        ({"x-amz-content-sha256": "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"}, "NotImplemented"),
        ({"x-amz-content-sha256": UNSIGNED}, "SignatureDoesNotMatch"),
        ({"x-amz-security-token": "token"}, "InvalidToken"),
        ({"range": "bytes=0-8"}, "SignatureDoesNotMatch"),
        ({"range": ""}, "SignatureDoesNotMatch"),
    ],
)
def test_wrong_headers_have_aws_errors(headers: Headers, code: str) -> None:
    assert error_of(get_example(headers)).code == code


def test_a_missing_payload_hash_is_named() -> None:
    error = error_of(get_example({"x-amz-content-sha256": ""}))
    assert error.message == "Missing required header for this request: x-amz-content-sha256"


@pytest.mark.parametrize("name", ["x-amz-acl", "x-amz-meta-a", "content-md5"])
def test_amz_headers_and_content_md5_must_be_signed(name: str) -> None:
    for unsigned in (get_example({name: "x"}), presigned_example(headers={name: "x"})):
        error = error_of(unsigned)
        assert (error.code, error.status) == ("AccessDenied", 403)
        assert error.message == "There were headers present in the request which were not signed"
        assert error.details == {"HeadersNotSigned": name}


def test_the_signature_for_another_host_does_not_match() -> None:
    assert error_of(get_example({"host": "other.s3.amazonaws.com"})).code == "SignatureDoesNotMatch"


def test_host_must_be_signed() -> None:
    assert error_of(get_example(authorization=("=host;", "="))).details == {"HeadersNotSigned": "host"}
    assert (
        error_of(presigned_example("SignedHeaders=host", "SignedHeaders=range")).details["HeadersNotSigned"] == "host"
    )


def test_other_headers_need_not_be_signed() -> None:
    assert authenticated(get_example({"user-agent": "curl", "if-match": "x"})).principal.name == "alice"


@pytest.mark.parametrize("offset", [-901, 901])
def test_a_clock_that_is_off_by_more_than_fifteen_minutes_is_too_skewed(offset: int) -> None:
    error = error_of(get_example(), now=EXAMPLE_TIME + offset)
    assert (error.code, error.status) == ("RequestTimeTooSkewed", 403)
    assert error.details["RequestTime"] == "20130524T000000Z"
    assert error.details["ServerTime"] in ("2013-05-23T23:44:59Z", "2013-05-24T00:15:01Z")
    assert error.details["MaxAllowedSkewMilliseconds"] == "900000"
    assert authenticated(get_example(), now=EXAMPLE_TIME + offset // 2)


def test_a_date_header_replaces_a_missing_amz_date() -> None:
    """The signature then covers another set of headers, so only the date's reading is shown here."""
    dated = get_example({"x-amz-date": "", "date": "Fri, 24 May 2013 00:00:00 GMT"})
    error = error_of(dated)
    assert error.code == "SignatureDoesNotMatch"
    assert error.details["StringToSign"].split("\n")[1] == "20130524T000000Z"


# Keys


def test_an_unknown_a_disabled_and_an_expired_key_do_not_exist() -> None:
    unknown = get_example(authorization=(ACCESS_KEY_ID, "AKIAUNKNOWN"))
    expired = Row(expires_at=int(EXAMPLE_TIME * 1_000_000))
    for wrong, row in ((unknown, Row()), (get_example(), Row(key_enabled=False)), (get_example(), expired)):
        error = error_of(wrong, row=row)
        assert (error.code, error.status) == ("InvalidAccessKeyId", 403)
        assert set(error.details) == {"AWSAccessKeyId"}
    assert authenticated(get_example(), row=Row(expires_at=int(EXAMPLE_TIME * 1_000_000) + 1))


def test_a_disabled_user_is_told_only_to_who_signs_rightly() -> None:
    assert error_of(get_example(), row=Row(user_enabled=False)).code == "AccountProblem"
    assert error_of(get_example({"range": "x"}), row=Row(user_enabled=False)).code == "SignatureDoesNotMatch"


# Presigned queries


@pytest.mark.parametrize("seconds", ["0", "-1"])
def test_a_url_that_was_never_valid_has_expired(seconds: str) -> None:
    error = error_of(presigned_example("Expires=86400", f"Expires={seconds}"))
    assert (error.code, error.message) == ("AccessDenied", "Request has expired")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"'),
        ("us-east-1", "eu-west-1", "the region 'eu-west-1' is wrong; expecting 'us-east-1'"),
        ("%2Fs3%2F", "%2Fec2%2F", 'incorrect service "ec2"'),
        ("aws4_request", "aws5", 'incorrect terminal "aws5"'),
        ("%2Fus-east-1", "", "the Credential is mal-formed"),
        ("%2F20130524%2F", "%2F24052013x%2F", "incorrect date format"),
        (
            "%2F20130524%2F",
            "%2F20130525%2F",
            'Invalid credential date "20130525". This date is not the same as X-Amz-Date',
        ),
        ("20130524T000000Z", "20130524", "X-Amz-Date must be in the ISO8601 Long Format"),
        ("Expires=86400", "Expires=1.5", "X-Amz-Expires should be a number"),
        ("Expires=86400", "Expires=", "X-Amz-Expires should be a number"),
        ("Expires=86400", "Expires=" + "9" * 30, "X-Amz-Expires should be a number"),
        ("Expires=86400", "Expires=%C2%B2", "X-Amz-Expires should be a number"),
        ("Expires=86400", "Expires=604801", "X-Amz-Expires must be less than a week"),
        ("SignedHeaders=host", "SignedHeaders=h%C3%B6st", "the SignedHeaders are not well formed"),
        *[
            (f"X-Amz-{name}", f"X-Other-{name}", "Query-string authentication version 4 requires")
            for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
        ],
    ],
)
def test_each_malformed_query_parameter_is_told_apart(old: str, new: str, message: str) -> None:
    error = error_of(presigned_example(old, new))
    assert (error.code, error.status) == ("AuthorizationQueryParametersError", 400)
    assert message in error.message


def test_a_presigned_request_expires() -> None:
    assert authenticated(presigned_example(), now=EXAMPLE_TIME + 86400).is_presigned
    error = error_of(presigned_example(), now=EXAMPLE_TIME + 86401)
    assert (error.code, error.message) == ("AccessDenied", "Request has expired")
    assert error.details == {
        "X-Amz-Expires": "86400",
        "Expires": "2013-05-25T00:00:00Z",
        "ServerTime": "2013-05-25T00:00:01Z",
    }


def test_a_presigned_request_of_the_future_is_not_yet_valid() -> None:
    assert authenticated(presigned_example(), now=EXAMPLE_TIME - 900).is_presigned
    assert error_of(presigned_example(), now=EXAMPLE_TIME - 901).message == "Request is not yet valid"


@pytest.mark.parametrize("expires", [1, 604800])
def test_one_second_and_seven_days_are_the_bounds_of_expiry(expires: int) -> None:
    assert error_of(presigned_example("Expires=86400", f"Expires={expires}")).code == "SignatureDoesNotMatch"


def test_a_session_token_in_the_query_is_invalid() -> None:
    assert error_of(presigned_example("&X-Amz-Expires", "&X-Amz-Security-Token=t&X-Amz-Expires")).code == "InvalidToken"


def test_a_presigned_body_cannot_have_signed_chunks() -> None:
    new = "&X-Amz-Content-Sha256=STREAMING-AWS4-HMAC-SHA256-PAYLOAD&X-Amz-Expires"
    assert error_of(presigned_example("&X-Amz-Expires", new)).code == "InvalidArgument"


@pytest.mark.parametrize(
    ("query", "authorization"),
    [
        ("X-Amz-Signature=a", "AWS a:b"),
        ("X-Amz-Signature=a&Signature=b", ""),
        ("AWSAccessKeyId=a", "AWS4-HMAC-SHA256 x"),
    ],
)
def test_only_one_mechanism_is_allowed(query: str, authorization: str) -> None:
    error = error_of(request("GET", f"{URL}?{query}", {"Authorization": authorization}))
    assert (error.code, error.status) == ("InvalidArgument", 400)
    assert error.message.startswith("Only one auth mechanism allowed")
    assert error.details == {"ArgumentName": "Authorization", "ArgumentValue": authorization}


# Payloads and proxies


@pytest.mark.parametrize(
    ("value", "kind", "trailer"),
    [
        (UNSIGNED, "unsigned", False),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "chunked-unsigned", True),
        ("AB" * 32, "signed", False),
    ],
)
def test_an_anonymous_or_sigv2_body_may_say_how_it_is_protected(value: str, kind: str, trailer: bool) -> None:
    headers = {"x-amz-content-sha256": value}
    _, signed = signed_by_botocore("SigV2 header", "PUT", URL, headers)
    for sent, now in ((headers, EXAMPLE_TIME), (signed, time.time())):
        payload = authenticated(request("PUT", URL, sent), now=now).payload
        assert (payload.kind, payload.trailer) == (kind, trailer)
        assert payload.sha256 == ("ab" * 32 if kind == "signed" else None)


def test_signed_chunks_need_a_signature_to_begin_with() -> None:
    headers = {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}
    assert error_of(request("PUT", URL, headers)).code == "InvalidArgument"


@pytest.mark.parametrize("signer", ["SigV4 header", "SigV4 query"])
def test_a_signature_may_match_the_forwarded_host_of_a_trusted_proxy_only(signer: str) -> None:
    url, headers = signed_by_botocore(signer, "GET", "http://files.example.com/bucket/key")
    behind = url.replace("files.example.com", "127.0.0.1:9000")
    headers["X-Forwarded-Host"] = "files.example.com"
    assert authenticated(request("GET", behind, headers, trusted_proxies=("127.0.0.1/32",)), now=None)
    assert error_of(request("GET", behind, headers), now=None).code == "SignatureDoesNotMatch"


def test_sigv2_can_be_turned_off() -> None:
    for signer in ("SigV2 header", "SigV2 query"):
        url, headers = signed_by_botocore(signer, "GET", URL)
        error = error_of(request("GET", url, headers), settings=AuthSettings(sigv2=False), now=None)
        assert error.code == "InvalidRequest"
        assert "Please use AWS4-HMAC-SHA256" in error.message
