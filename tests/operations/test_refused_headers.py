"""What isn't served is refused by its name: headers, and each operation of AWS's model that the table refuses."""

from __future__ import annotations

from typing import Any

import pytest

from s3gw.operations.table import OPERATIONS
from s3gw.wire.model import operations
from tests.raw_requests import send, send_example
from tests.servers import ROOT_KEY, RunningServer

# Another endpoint's, with the request line of ListBuckets: no request means it here.
_NOT_ROUTED = {"ListDirectoryBuckets"}
UNSERVED = sorted(name for name, row in OPERATIONS.items() if row.state == "refused" and name not in _NOT_ROUTED)


@pytest.mark.parametrize("name", UNSERVED)
def test_an_operation_that_is_not_served_answers_501_by_its_name(
    server: RunningServer, s3: Any, bucket: str, name: str
) -> None:
    answer = send_example(server, bucket, name, **{"x-amz-acl": "private"})
    assert answer.status == 501
    if operations()[name].method != "HEAD":
        assert answer.refusal == (501, "NotImplemented")
        assert name.encode() in answer.body


@pytest.mark.parametrize("name", UNSERVED)
def test_who_may_not_ask_for_an_operation_is_not_told_that_it_is_not_served(
    server: RunningServer, bucket: str, name: str
) -> None:
    answer = send_example(server, bucket, name, key=None, **{"x-amz-acl": "private"})
    assert answer.status == 403
    if operations()[name].kind != "service" and operations()[name].path is None:
        assert send_example(server, "no-such-bucket-here", name).status == 404


def test_a_header_that_is_not_served_is_refused_after_the_signature_and_the_bucket(
    server: RunningServer, bucket: str
) -> None:
    encrypted = {"x-amz-server-side-encryption": "aws:kms"}
    assert send(server, "PUT", f"/{bucket}/key", key=None, **encrypted).refusal == (403, "AccessDenied")
    wrong = send(server, "PUT", f"/{bucket}/key", key=(ROOT_KEY[0], "wrong"), **encrypted)
    assert wrong.refusal == (403, "SignatureDoesNotMatch")
    assert send(server, "PUT", "/no-such-bucket-here/key", **encrypted).refusal == (404, "NoSuchBucket")
    assert send(server, "PUT", f"/{bucket}/key", **encrypted).refusal == (501, "NotImplemented")


@pytest.mark.parametrize("path", ["", "/key"])
def test_an_acl_that_is_nowhere_in_the_request_is_a_missing_security_header(
    server: RunningServer, bucket: str, path: str
) -> None:
    send(server, "PUT", f"/{bucket}/key", b"x")
    answer = send(server, "PUT", f"/{bucket}{path}?acl")
    assert answer.refusal == (400, "MissingSecurityHeader")
    assert b"<MissingHeaderName>x-amz-acl</MissingHeaderName>" in answer.body


HEADERS = {
    "x-amz-server-side-encryption": "AES256",
    "x-amz-server-side-encryption-aws-kms-key-id": "key",
    "x-amz-server-side-encryption-customer-algorithm": "AES256",
    "x-amz-server-side-encryption-bucket-key-enabled": "true",
    "x-amz-copy-source-server-side-encryption-customer-algorithm": "AES256",
    "x-amz-object-lock-mode": "GOVERNANCE",
    "x-amz-object-lock-legal-hold": "ON",
    "x-amz-object-lock-retain-until-date": "2030-01-01T00:00:00Z",
    "x-amz-write-offset-bytes": "1",
}


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_that_asks_for_what_is_not_served_answers_501(
    server: RunningServer, s3: Any, bucket: str, header: str
) -> None:
    s3.put_object(Bucket=bucket, Key="source")
    asked = {header: HEADERS[header]}
    source = {"x-amz-copy-source": f"{bucket}/source"}
    for method, path, headers in (
        ("PUT", "key", {}),
        ("PUT", "key", source),
        ("POST", "key?uploads", {}),
        ("PUT", "key?uploadId=x&partNumber=1", {}),
        ("DELETE", "source", {}),
    ):
        answer = send(server, method, f"/{bucket}/{path}", **{**asked, **headers})
        assert answer.refusal == (501, "NotImplemented"), (method, path)
        assert header.encode() in answer.body
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["source"]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_headers_that_ask_for_nothing_more_are_accepted(server: RunningServer, bucket: str) -> None:
    for header, value in {
        "x-amz-server-side-encryption-bucket-key-enabled": "false",
        "x-amz-request-payer": "requester",
        "x-amz-mfa": "serial 123456",
        "x-amz-unknown-to-everybody": "1",
    }.items():
        assert send(server, "PUT", f"/{bucket}/key", **{header: value}).status == 200, header
    assert send(server, "PUT", f"/{bucket}/key", **{"x-amz-acl": "bucket-owner-full-control"}).status == 200


@pytest.mark.parametrize(
    ("method", "path", "header", "valid"),
    [
        ("GET", "", "x-amz-optional-object-attributes", "RestoreStatus"),
        ("GET", "?list-type=2", "x-amz-optional-object-attributes", "RestoreStatus"),
        ("GET", "?versions", "x-amz-optional-object-attributes", "RestoreStatus"),
        ("PUT", "/copy", "x-amz-object-annotation-directive", "COPY"),
        ("PUT", "/copy", "x-amz-object-annotation-directive", "EXCLUDE"),
    ],
)
def test_a_value_that_the_model_does_not_have_is_refused(
    server: RunningServer, s3: Any, bucket: str, method: str, path: str, header: str, valid: str
) -> None:
    s3.put_object(Bucket=bucket, Key="source")
    headers = {"x-amz-copy-source": f"{bucket}/source"} if path == "/copy" else {}
    assert send(server, method, f"/{bucket}{path}", **headers, **{header: valid}).status == 200
    refused = send(server, method, f"/{bucket}{path}", **headers, **{header: "Nonsense"})
    assert refused.refusal == (400, "InvalidArgument")


def test_a_delete_may_bypass_a_retention_that_nothing_has(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="key")
    s3.delete_object(Bucket=bucket, Key="key", BypassGovernanceRetention=True)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
