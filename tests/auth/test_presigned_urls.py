"""What a presigned URL signs is what is acted on, whether it is sent as a header or as an argument of the query."""

from __future__ import annotations

import base64
import hashlib
import http.client
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.auth.clients import Headers, request, signed_by_botocore
from tests.auth.test_authenticate import error_of
from tests.servers import ROOT_KEY, RunningServer

BODY, OTHER = b"what was meant", b"what was sent!"
MD5 = base64.b64encode(hashlib.md5(BODY).digest()).decode()


def presign(server: RunningServer, signer: str, method: str, path: str, headers: Headers | None = None) -> str:
    url, _ = signed_by_botocore(signer, method, server.s3 + path, headers, pair=ROOT_KEY)
    return url


def send(url: str, method: str = "PUT", body: bytes = b"", headers: Headers | None = None) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    connection.request(method, f"{parts.path}?{parts.query}", body, {"content-type": ""} | (headers or {}))
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_content_md5_that_was_signed_is_enforced_though_it_is_not_sent(
    server: RunningServer, s3: Any, bucket: str
) -> None:
    url = presign(server, "SigV2 query", "PUT", f"/{bucket}/k", {"content-md5": MD5})
    status, answer = send(url, body=OTHER)
    assert (status, b"<Code>BadDigest</Code>" in answer) == (400, True)
    assert send(url, body=BODY)[0] == 200
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY


def test_a_content_type_that_was_signed_is_stored_though_it_is_not_sent(
    server: RunningServer, s3: Any, bucket: str
) -> None:
    url = presign(server, "SigV2 query", "PUT", f"/{bucket}/k", {"content-type": "text/x-signed"})
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    connection.request("PUT", f"{parts.path}?{parts.query}", BODY)
    assert connection.getresponse().status == 200
    connection.close()
    assert s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "text/x-signed"


@pytest.mark.parametrize("is_moved", [True, False])
def test_a_copy_stays_a_copy_wherever_its_source_stands(
    server: RunningServer, s3: Any, bucket: str, is_moved: bool
) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=BODY)
    source = {"x-amz-copy-source": f"{bucket}/source"}
    url = presign(server, "SigV2 query", "PUT", f"/{bucket}/k", source)
    if not is_moved:
        url = "&".join(part for part in url.split("&") if not part.startswith("x-amz-copy-source="))
    status, answer = send(url, body=OTHER if is_moved else b"", headers=None if is_moved else source)
    assert (status, b"<CopyObjectResult" in answer) == (200, True)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY


def test_a_line_feed_in_the_name_of_an_argument_merges_no_headers(server: RunningServer, bucket: str) -> None:
    """`x-amz-meta-a: 1` and `x-amz-meta-b: 2` sign as one header of the name `x-amz-meta-a:1\\nx-amz-meta-b` would."""
    url = presign(server, "SigV2 query", "PUT", f"/{bucket}/k", {"x-amz-meta-a": "1", "x-amz-meta-b": "2"})
    merged = url.replace("x-amz-meta-a=1&", "").replace("x-amz-meta-b=2", "x-amz-meta-a%3A1%0Ax-amz-meta-b=2")
    assert merged != url
    status, answer = send(merged)
    assert (status, b"<Code>InvalidArgument</Code>" in answer) == (400, True)


@pytest.mark.parametrize(
    ("method", "subresource"),
    [("PUT", "renameObject"), ("PUT", "annotation"), ("GET", "attributes"), ("GET", "acl"), ("DELETE", "tagging")],
)
def test_a_url_of_an_object_is_not_one_of_its_subresource(
    server: RunningServer, bucket: str, method: str, subresource: str
) -> None:
    url = presign(server, "SigV2 query", method, f"/{bucket}/k")
    status, answer = send(f"{url}&{subresource}", method)
    assert (status, b"<Code>SignatureDoesNotMatch</Code>" in answer) == (403, True)


@pytest.mark.parametrize("signer", ["SigV4 query", "SigV2 query"])
@pytest.mark.parametrize("argument", ["x-amz-%D0%96=1", "x-amz-meta-%20a=1", "x-amz-meta-=%0A", "x-amz-meta-a%00=1"])
def test_an_argument_that_stands_for_a_header_must_be_one(
    server: RunningServer, bucket: str, signer: str, argument: str
) -> None:
    url = presign(server, signer, "PUT", f"/{bucket}/k")
    assert send(f"{url}&{argument}")[0] == 400


def test_that_the_payload_is_unsigned_needs_no_signature_of_its_own(server: RunningServer, bucket: str) -> None:
    url = presign(server, "SigV4 query", "PUT", f"/{bucket}/k")
    assert send(url, body=BODY, headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})[0] == 200
    digest = hashlib.sha256(BODY).hexdigest()
    assert send(url, body=BODY, headers={"x-amz-content-sha256": digest})[0] == 403
    assert send(url, body=BODY, headers={"x-amz-acl": "private"})[0] == 403


@pytest.mark.parametrize("signer", ["SigV4 header", "SigV4 query"])
def test_the_host_that_was_signed_is_the_one_that_chooses_the_bucket(signer: str) -> None:
    url, headers = signed_by_botocore(signer, "GET", "http://aaa.s3.test/key")
    behind_proxy: dict[str, Any] = {"domains": ("s3.test",), "trusted_proxies": ("127.0.0.1/32",)}
    forged = request("GET", url, headers | {"X-Forwarded-Host": "bbb.s3.test"}, **behind_proxy)
    assert forged.target.bucket == "bbb"
    assert error_of(forged, now=None).code == "SignatureDoesNotMatch"
