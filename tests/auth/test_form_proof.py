"""Signatures of forms: AWS's example and botocore's own, and each way in which one can be wrong."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from s3gw.auth.form_proof import read_form_proof
from s3gw.errors import AccessDenied, InvalidArgument, InvalidRequest, InvalidToken, S3Error, SignatureDoesNotMatch
from tests.auth.clients import ACCESS_KEY_ID, CREDENTIALS, SECRET, AuthSettings

SEALED = CREDENTIALS.seal(ACCESS_KEY_ID, SECRET)
SIGNED_AT = 1_451_347_200  # 2015-12-29T00:00:00Z
CREDENTIAL = f"{ACCESS_KEY_ID}/20151229/us-east-1/s3/aws4_request"
# "Example: Browser-Based Upload using HTTP POST (Using AWS Signature Version 4)": its policy has CRLF at line ends.
POLICY = """\
{ "expiration": "2015-12-30T12:00:00.000Z",
  "conditions": [
    {"bucket": "sigv4examplebucket"},
    ["starts-with", "$key", "user/user1/"],
    {"acl": "public-read"},
    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},
    ["starts-with", "$Content-Type", "image/"],
    {"x-amz-meta-uuid": "14365123651274"},
    {"x-amz-server-side-encryption": "AES256"},
    ["starts-with", "$x-amz-meta-tag", ""],

    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},
    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
    {"x-amz-date": "20151229T000000Z" }
  ]
}""".replace("\n", "\r\n")
V4 = {
    "policy": base64.b64encode(POLICY.encode()).decode(),
    "x-amz-algorithm": "AWS4-HMAC-SHA256",
    "x-amz-credential": CREDENTIAL,
    "x-amz-date": "20151229T000000Z",
    "x-amz-signature": "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
}
V2 = {"policy": "cG9saWN5", "awsaccesskeyid": ACCESS_KEY_ID, "signature": "eL3OlIgXlaEdW8YOBw30RYKlweI="}


def verify(fields: dict[str, str], now: float = SIGNED_AT, **settings: Any) -> None:
    proof = read_form_proof(fields, AuthSettings(**settings), now)
    assert proof is not None and not proof.is_presigned
    assert proof.verify(CREDENTIALS, SEALED).kind == "unsigned"


def test_the_example_of_awss_documentation_is_right() -> None:
    verify(V4)


def test_what_botocore_signs_is_right() -> None:
    """The policy and the signature that botocore made of the same key and instant."""
    conditions: list[Any] = [{"bucket": "sigv4examplebucket"}, {"key": "user/user1/photo.jpg"}]
    conditions += [{"x-amz-algorithm": "AWS4-HMAC-SHA256"}, {"x-amz-credential": CREDENTIAL}]
    conditions += [{"x-amz-date": "20151229T000000Z"}]
    text = json.dumps({"expiration": "2015-12-29T01:00:00Z", "conditions": conditions})
    signature = "3364624b39010d9b06f5d9b8c9a18a6e478d261c048159c92f2fd6fa885f14e6"
    verify({**V4, "policy": base64.b64encode(text.encode()).decode(), "x-amz-signature": signature})


@pytest.mark.parametrize(
    "change", [{"x-amz-signature": "0" * 64}, {"policy": V4["policy"][:-2]}, {"x-amz-signature": "é"}]
)
def test_a_signature_is_over_the_policy_as_it_was_sent(change: dict[str, str]) -> None:
    with pytest.raises(SignatureDoesNotMatch) as refused:
        verify(V4 | change)
    details = refused.value.details
    assert list(details) == ["AWSAccessKeyId", "StringToSign", "SignatureProvided", "StringToSignBytes"]
    assert details["StringToSign"] == (V4 | change)["policy"]


@pytest.mark.parametrize(
    ("fields", "missed"),
    [
        ({name: value for name, value in V4.items() if name != left_out}, missed)
        for left_out, missed in (
            ("x-amz-algorithm", "X-Amz-Algorithm"),
            ("x-amz-credential", "X-Amz-Credential"),
            ("x-amz-date", "X-Amz-Date"),
            ("x-amz-signature", "X-Amz-Signature"),
            ("policy", "Policy"),
        )
    ]
    + [
        ({"policy": "x", "signature": "x"}, "AWSAccessKeyId"),
        ({"policy": "x", "awsaccesskeyid": "x"}, "Signature"),
        ({"awsaccesskeyid": "x", "signature": "x"}, "Policy"),
    ],
)
def test_a_field_that_is_missing_is_named(fields: dict[str, str], missed: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        read_form_proof(fields, AuthSettings(), SIGNED_AT)
    assert refused.value.details == {"ArgumentName": missed, "ArgumentValue": ""}
    assert f"'{missed}'.  If it is specified" in refused.value.message


@pytest.mark.parametrize("fields", [{}, {"policy": "x"}, {"key": "x", "acl": "private"}])
def test_a_form_without_such_fields_is_anonymous(fields: dict[str, str]) -> None:
    assert read_form_proof(fields, AuthSettings(), SIGNED_AT) is None


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x-amz-algorithm": "AWS4-HMAC-SHA1"}, InvalidArgument, "only supports"),
        ({"x-amz-credential": "x"}, InvalidArgument, "mal-formed"),
        ({"x-amz-credential": CREDENTIAL.replace("us-east-1", "eu-west-1")}, InvalidArgument, "expecting 'us-east-1'"),
        ({"x-amz-credential": CREDENTIAL.replace("20151229", "20151228")}, InvalidArgument, "not the same as"),
        ({"x-amz-date": "yesterday"}, InvalidArgument, "ISO8601 Long format"),
        ({"x-amz-credential": "\0" + CREDENTIAL}, S3Error, "does not exist"),
        ({"x-amz-security-token": "x"}, InvalidToken, "token"),
        ({"signature": "x"}, InvalidArgument, "Only one auth mechanism"),
    ],
)
def test_a_field_that_is_wrong_is_told(change: dict[str, str], error: type[S3Error], message: str) -> None:
    with pytest.raises(error, match=message):
        verify(V4 | change)


def test_a_signature_is_good_for_seven_days() -> None:
    verify(V4, SIGNED_AT + 604_800)
    with pytest.raises(AccessDenied, match="Policy expired"):
        verify(V4, SIGNED_AT + 604_801)


def test_version_2_is_right_unless_it_is_switched_off() -> None:
    verify(V2)
    with pytest.raises(SignatureDoesNotMatch):
        verify(V2 | {"policy": "cG9saWN6"})
    with pytest.raises(InvalidRequest):
        verify(V2, sigv2=False)
