"""Error documents, element for element those that S3's servers answer."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from s3gw.metadata.objects import new_version_id
from tests.raw_requests import Answer, content_md5, send
from tests.servers import ROOT_KEY, RunningServer

UNKNOWN_VERSION = new_version_id(-1_000_000)
DELETE = b"<Delete><Object></Object></Delete>"
ELSEWHERE = b"<CreateBucketConfiguration><LocationConstraint>eu-west-9</LocationConstraint></CreateBucketConfiguration>"
NO_BUCKET = ("NoSuchBucket", "The specified bucket does not exist", {"BucketName": "no-such-bucket-here"})
# method, path, body, headers, (code, message, other elements in their order)
ERRORS: list[tuple[str, str, bytes, dict[str, str], tuple[str, str, dict[str, str]]]] = [
    ("GET", "no-such-bucket-here", b"", {}, NO_BUCKET),
    ("GET", "no-such-bucket-here/key", b"", {}, NO_BUCKET),
    ("DELETE", "no-such-bucket-here", b"", {}, NO_BUCKET),
    ("GET", "{b}/none", b"", {}, ("NoSuchKey", "The specified key does not exist.", {"Key": "none"})),
    (
        "PUT", "{b}/none", b"", {"If-Match": '"x"'},
        ("NoSuchKey", "The specified key does not exist.", {"Key": "none"}),
    ),
    (
        "GET", "{b}/key?versionId=AAAA", b"", {},
        (
            "InvalidArgument", "Invalid version id specified",
            {"ArgumentName": "versionId", "ArgumentValue": "AAAA"},
        ),
    ),
    (
        "GET", "{b}/key?versionId={v}", b"", {},
        ("NoSuchVersion", "The specified version does not exist.", {"Key": "key", "VersionId": "{v}"}),
    ),
    (
        "GET", "{b}/key?uploadId=none", b"", {},
        (
            "NoSuchUpload",
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or"
            " completed.",
            {"UploadId": "none"},
        ),
    ),
    (
        "DELETE", "{b}", b"", {},
        ("BucketNotEmpty", "The bucket you tried to delete is not empty", {"BucketName": "{b}"}),
    ),
    (
        "POST", "{b}?delete", DELETE, content_md5(DELETE),
        (
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema", {},
        ),
    ),
    ("GET", "{b}?tagging", b"", {}, ("NoSuchTagSet", "The TagSet does not exist", {"BucketName": "{b}"})),
    (
        "PUT", "{b}/" + "k" * 1025, b"", {},
        ("KeyTooLongError", "Your key is too long", {"Size": "1025", "MaxSizeAllowed": "1024"}),
    ),
    ("PUT", "A_B", b"", {}, ("InvalidBucketName", "The specified bucket is not valid.", {"BucketName": "A_B"})),
    (
        "PUT", "{b}-elsewhere", ELSEWHERE, {},
        (
            "InvalidLocationConstraint", "The specified location-constraint is not valid",
            {"LocationConstraint": "eu-west-9"},
        ),
    ),
    (
        "PUT", "{b}/key", b"", {"x-amz-storage-class": "NONE"},
        ("InvalidStorageClass", "The storage class you specified is not valid", {"StorageClassRequested": "NONE"}),
    ),
    (
        "PUT", "{b}/key", b"", {"Content-MD5": "AAAA"},
        ("InvalidDigest", "The Content-MD5 you specified was invalid.", {"Content-MD5": "AAAA"}),
    ),
    (
        "PUT", "{b}/key", b"", {"x-amz-object-lock-mode": "GOVERNANCE"},
        (
            "NotImplemented", "A header you provided implies functionality that is not implemented",
            {"Header": "x-amz-object-lock-mode"},
        ),
    ),
    (
        "GET", "{b}/key", b"", {"If-Match": '"x"'},
        (
            "PreconditionFailed", "At least one of the pre-conditions you specified did not hold",
            {"Condition": "If-Match"},
        ),
    ),
    (
        "GET", "{b}", b"", {"x-amz-expected-bucket-owner": "0000"},
        (
            "InvalidBucketOwnerAWSAccountID",
            "The value of the expected bucket owner parameter must be an AWS Account ID... [0000]", {},
        ),
    ),
]  # fmt: skip


def elements(answer: Answer) -> list[tuple[str, str]]:
    root = ElementTree.fromstring(answer.body)
    assert root.tag == "Error"
    return [(element.tag, element.text or "") for element in root]


@pytest.fixture
def filled(s3: Any, bucket: str) -> str:
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    return bucket


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "error"), ERRORS, ids=[f"{row[4][0]}-{n}" for n, row in enumerate(ERRORS)]
)
def test_an_error_has_the_text_and_the_elements_of_aws(
    server: RunningServer,
    filled: str,
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    error: tuple[str, str, dict[str, str]],
) -> None:
    facts = {"b": filled, "v": UNKNOWN_VERSION}
    answer = send(server, method, "/" + path.format(**facts), body, **headers)
    code, message, details = error
    told = [("Code", code), ("Message", message), *((name, value.format(**facts)) for name, value in details.items())]
    ids = [("RequestId", answer.headers["x-amz-request-id"]), ("HostId", answer.headers["x-amz-id-2"])]
    assert elements(answer) == told + ids


def test_errors_of_who_asks_have_the_text_and_the_elements_of_aws(server: RunningServer, filled: str) -> None:
    nobody = elements(send(server, "GET", f"/{filled}", key=None))
    assert nobody[:2] == [("Code", "AccessDenied"), ("Message", "Access Denied")]
    assert [name for name, _ in nobody] == ["Code", "Message", "RequestId", "HostId"]
    unknown = elements(send(server, "GET", f"/{filled}", key=("AKIANOBODY", "x")))
    assert unknown[:3] == [
        ("Code", "InvalidAccessKeyId"),
        ("Message", "The AWS Access Key Id you provided does not exist in our records."),
        ("AWSAccessKeyId", "AKIANOBODY"),
    ]
    forged = dict(elements(send(server, "GET", f"/{filled}", key=(ROOT_KEY[0], "x"))))
    assert "Resource" not in forged
    assert forged["AWSAccessKeyId"] == ROOT_KEY[0]


def test_a_bucket_that_has_only_versions_says_that_they_keep_it(server: RunningServer, s3: Any, versioned: str) -> None:
    s3.put_object(Bucket=versioned, Key="key")
    s3.delete_object(Bucket=versioned, Key="key")
    assert elements(send(server, "DELETE", f"/{versioned}"))[:3] == [
        ("Code", "BucketNotEmpty"),
        ("Message", "The bucket you tried to delete is not empty. You must delete all versions in the bucket."),
        ("BucketName", versioned),
    ]
