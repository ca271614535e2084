"""The CORS configuration of a bucket: what may be put, and that it comes back as it was put."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.gateways import refusal
from tests.raw_requests import content_md5, send
from tests.servers import RunningServer

RULE = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}
FULL_RULE = {
    "ID": "i" * 255,
    "AllowedMethods": ["GET", "PUT", "HEAD", "POST", "DELETE"],
    "AllowedOrigins": ["https://*.example.com", "http://a.example:80", ""],
    "AllowedHeaders": ["x-amz-*", "*", "X-Mixed-Case"],
    "ExposeHeaders": ["ETag", "x-amz-meta-ü", "not a name"],
    "MaxAgeSeconds": 2_147_483_647,
}


def put(s3: Any, bucket: str, *rules: Any) -> None:
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": list(rules)})


def test_a_configuration_comes_back_as_it_was_put_until_it_is_deleted(s3: Any, bucket: str) -> None:
    assert refusal(s3.get_bucket_cors, Bucket=bucket) == (404, "NoSuchCORSConfiguration")
    put(s3, bucket, FULL_RULE, RULE)
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == [FULL_RULE, RULE]
    put(s3, bucket, RULE)
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == [RULE]
    for _ in range(2):  # of none too
        assert s3.delete_bucket_cors(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refusal(s3.get_bucket_cors, Bucket=bucket) == (404, "NoSuchCORSConfiguration")


def test_a_bucket_without_a_configuration_is_named(server: RunningServer, bucket: str) -> None:
    answer = send(server, "GET", f"/{bucket}?cors")
    assert answer.refusal == (404, "NoSuchCORSConfiguration")
    assert f"<BucketName>{bucket}</BucketName>".encode() in answer.body


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"AllowedMethods": ["GET", "PATCH"]},
            "Found unsupported HTTP method in CORS config. Unsupported method is PATCH",
        ),
        ({"AllowedMethods": ["get"]}, "Found unsupported HTTP method in CORS config. Unsupported method is get"),
        ({"AllowedMethods": [""]}, "Found unsupported HTTP method in CORS config. Unsupported method is "),
        (
            {"AllowedOrigins": ["*", "http://*.example.*"]},
            'AllowedOrigin "http://*.example.*" can not have more than one wildcard.',
        ),
        ({"AllowedHeaders": ["x-*-*"]}, 'AllowedHeader "x-*-*" can not have more than one wildcard.'),
        (
            {"ExposeHeaders": ["x-amz-*"]},
            'ExposeHeader "x-amz-*" contains wildcard. We currently do not support wildcard for ExposeHeader.',
        ),
        ({"ID": "i" * 256}, "ID length should not exceed allowed limit of 255"),
    ],
)
def test_a_rule_that_aws_refuses_is_refused_and_changes_nothing(
    s3: Any, bucket: str, change: dict[str, Any], message: str
) -> None:
    put(s3, bucket, RULE)
    with pytest.raises(ClientError) as refused:
        put(s3, bucket, RULE, RULE | change)
    error = refused.value.response["Error"]
    assert (error["Code"], error["Message"]) == ("InvalidRequest", message)
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == [RULE]


def test_a_bucket_has_100_rules_at_most(s3: Any, bucket: str) -> None:
    put(s3, bucket, *[RULE] * 100)
    with pytest.raises(ClientError) as refused:
        put(s3, bucket, *[RULE] * 101)
    assert refused.value.response["Error"]["Code"] == "InvalidRequest"
    assert len(s3.get_bucket_cors(Bucket=bucket)["CORSRules"]) == 100


_ORIGIN, _METHOD = "<AllowedOrigin>*</AllowedOrigin>", "<AllowedMethod>GET</AllowedMethod>"


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "<CORSRule/>",
        f"<CORSRule>{_ORIGIN}</CORSRule>",
        f"<CORSRule>{_METHOD}</CORSRule>",
        f"<CORSRule>{_ORIGIN}{_METHOD}<MaxAgeSeconds>soon</MaxAgeSeconds></CORSRule>",
        f"<CORSRule>{_ORIGIN}{_METHOD}<MaxAgeSeconds>-1</MaxAgeSeconds></CORSRule>",
        f"<CORSRule>{_ORIGIN}{_METHOD}<MaxAgeSeconds>1.5</MaxAgeSeconds></CORSRule>",
        f"<CORSRule>{_ORIGIN}{_METHOD}<ID>a</ID><ID>b</ID></CORSRule>",
    ],
)
def test_a_malformed_rule_is_malformed_xml(server: RunningServer, bucket: str, rule: str) -> None:
    body = f"<CORSConfiguration>{rule}</CORSConfiguration>".encode()
    assert send(server, "PUT", f"/{bucket}?cors", body, **content_md5(body)).refusal == (400, "MalformedXML")
    assert send(server, "GET", f"/{bucket}?cors").refusal == (404, "NoSuchCORSConfiguration")


def test_a_document_has_64_kib_at_most_and_a_checksum(server: RunningServer, bucket: str) -> None:
    document = f"<CORSConfiguration><CORSRule>{_ORIGIN}{_METHOD}</CORSRule></CORSConfiguration>".encode()
    largest = document + b" " * (65_536 - len(document))
    larger = largest + b" "
    too_big = send(server, "PUT", f"/{bucket}?cors", larger, **content_md5(larger))
    assert too_big.refusal == (400, "MaxMessageLengthExceeded")
    assert send(server, "PUT", f"/{bucket}?cors", document).refusal == (400, "InvalidRequest")
    assert send(server, "PUT", f"/{bucket}?cors", largest, **content_md5(largest)).status == 200
