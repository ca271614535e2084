"""What was never configured: each unused operation answers as AWS does, and no refused write leaves anything behind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from s3gw.operations.table import OPERATIONS
from s3gw.wire.model import Shape, operations
from tests.raw_requests import send_example
from tests.servers import RunningServer

# What boto3 is given: the members of the answer, or status, code, and whether the error names the bucket. A code that
# the API Reference leaves out is as recorded on AWS by makers of emulators, or as Terraform's provider expects it.
Refusal = tuple[int, str, bool]
NO_LIST = {"IsTruncated": False}
NO_CONFIGURATION = (404, "NoSuchConfiguration", False)
NO_METADATA = (404, "MetadataConfigurationNotFound", False)
NO_LOCK = (400, "InvalidRequest", False)
ANSWERS: dict[str, dict[str, Any] | Refusal] = {
    "GetBucketAbac": {"AbacStatus": {"Status": "Disabled"}},
    "GetBucketAccelerateConfiguration": {},
    "GetBucketAnalyticsConfiguration": NO_CONFIGURATION,
    "ListBucketAnalyticsConfigurations": NO_LIST,
    "DeleteBucketAnalyticsConfiguration": NO_CONFIGURATION,
    "GetBucketEncryption": (404, "ServerSideEncryptionConfigurationNotFoundError", True),
    "DeleteBucketEncryption": {},
    "GetBucketIntelligentTieringConfiguration": NO_CONFIGURATION,
    "ListBucketIntelligentTieringConfigurations": NO_LIST,
    "DeleteBucketIntelligentTieringConfiguration": NO_CONFIGURATION,
    "GetBucketInventoryConfiguration": NO_CONFIGURATION,
    "ListBucketInventoryConfigurations": NO_LIST,
    "DeleteBucketInventoryConfiguration": NO_CONFIGURATION,
    "GetBucketLifecycleConfiguration": (404, "NoSuchLifecycleConfiguration", True),
    "DeleteBucketLifecycle": {},
    "GetBucketLogging": {},
    "GetBucketMetadataConfiguration": NO_METADATA,
    "DeleteBucketMetadataConfiguration": NO_METADATA,
    "GetBucketMetadataTableConfiguration": NO_METADATA,
    "DeleteBucketMetadataTableConfiguration": NO_METADATA,
    "GetBucketMetricsConfiguration": NO_CONFIGURATION,
    "ListBucketMetricsConfigurations": NO_LIST,
    "DeleteBucketMetricsConfiguration": NO_CONFIGURATION,
    "GetBucketReplication": (404, "ReplicationConfigurationNotFoundError", True),
    "DeleteBucketReplication": {},
    "GetBucketWebsite": (404, "NoSuchWebsiteConfiguration", True),
    "DeleteBucketWebsite": {},
    "GetObjectLockConfiguration": (404, "ObjectLockConfigurationNotFoundError", True),
    "GetObjectLegalHold": NO_LOCK,
    "GetObjectRetention": NO_LOCK,
    "GetObjectAnnotation": (404, "NoSuchAnnotation", False),
    "ListObjectAnnotations": {"Key": "key", "Annotations": [], "AnnotationCount": 0, "MaxAnnotationResults": 1000},
}
UNUSED = [name for name, row in OPERATIONS.items() if row.state == "unused"]
REFUSED = [name for name, row in OPERATIONS.items() if row.state == "refused"]
# Those that aren't writes of anything.
_READS = {"CreateSession", "GetObjectTorrent", "ListDirectoryBuckets", "SelectObjectContent"}


def arguments(shape: Shape | None, bucket: str) -> dict[str, Any]:
    """The smallest input that boto3 accepts."""
    assert shape is not None
    given = {"Bucket": bucket, "Key": "key"}
    return {name: given.get(name) or _value(shape.members[name].shape, bucket) for name in sorted(shape.required)}


def _value(shape: Shape, bucket: str) -> Any:
    if shape.kind == "structure":
        return arguments(shape, bucket)
    return {"list": [], "map": {}, "integer": 1, "long": 1, "boolean": True, "blob": b"x"}.get(
        shape.kind, min(shape.enum, default="x")
    )


def ask(s3: Any, name: str, bucket: str) -> dict[str, Any]:
    answer = getattr(s3, xform_name(name))(**arguments(operations()[name].input, bucket))
    assert isinstance(answer, dict)
    return answer


@pytest.fixture
def with_object(s3: Any, bucket: str) -> str:
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    return bucket


def test_each_operation_of_the_model_works_or_is_unused_or_refused() -> None:
    """By a row of its own, or as the newer name of the same request does."""
    older = {old for row in operations().values() for old in row.aliases}
    assert operations().keys() - older <= OPERATIONS.keys() <= operations().keys()
    assert {row.state for row in OPERATIONS.values()} == {"works", "unused", "refused"}


@pytest.mark.parametrize("name", UNUSED)
def test_what_is_unused_answers_as_aws_does_where_it_was_never_configured(s3: Any, with_object: str, name: str) -> None:
    expected = ANSWERS[name]
    if isinstance(expected, dict):
        answer = ask(s3, name, with_object)
        status = answer.pop("ResponseMetadata")["HTTPStatusCode"]
        assert status == (204 if name.startswith("Delete") else 200)
        assert answer == expected | ({"Bucket": with_object} if name == "ListObjectAnnotations" else {})
        return
    with pytest.raises(ClientError) as refused:
        ask(s3, name, with_object)
    error, metadata = refused.value.response["Error"], refused.value.response["ResponseMetadata"]
    assert (metadata["HTTPStatusCode"], error["Code"], "BucketName" in error) == expected
    assert error["Message"]


def test_what_is_expected_is_of_what_is_unused_alone() -> None:
    assert ANSWERS.keys() == set(UNUSED)


@pytest.mark.parametrize("name", UNUSED)
def test_what_is_unused_is_told_to_those_who_may_ask_for_it(
    server: RunningServer, s3: Any, bucket: str, name: str
) -> None:
    """And not to others, nor of a bucket that isn't there."""
    assert send_example(server, bucket, name, key=None).refusal == (403, "AccessDenied")
    assert send_example(server, "no-such-bucket-here", name).refusal == (404, "NoSuchBucket")
    statement = {"Effect": "Allow", "Principal": "*", "Action": OPERATIONS[name].needs[0].action}
    resource = f"arn:aws:s3:::{bucket}" + ("/*" if operations()[name].kind == "object" else "")
    s3.put_bucket_policy(
        Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statement | {"Resource": resource}})
    )
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    expected = ANSWERS[name]
    answer = send_example(server, bucket, name, key=None)
    if isinstance(expected, dict):
        assert answer.status in (200, 204)
    else:
        assert answer.refusal == expected[:2]


@pytest.mark.parametrize("name", ["GetObjectAnnotation", "ListObjectAnnotations"])
def test_annotations_of_an_object_that_is_not_there_are_no_such_key(
    server: RunningServer, bucket: str, name: str
) -> None:
    assert send_example(server, bucket, name).refusal == (404, "NoSuchKey")


def test_a_page_has_1000_annotations_at_most(s3: Any, with_object: str) -> None:
    for asked, given in ((1000, 1000), (1001, 1000), (7, 7)):
        answer = s3.list_object_annotations(Bucket=with_object, Key="key", MaxAnnotationResults=asked)
        assert answer["MaxAnnotationResults"] == given


def everything(s3: Any, bucket: str) -> dict[str, Any]:
    """All that can be read about a bucket and its object, without what differs between two requests."""
    found: dict[str, Any] = {}
    for name, row in OPERATIONS.items():
        if not name.startswith(("Get", "List", "Head")) or row.state == "refused":
            continue
        try:
            answer = ask(s3, name, bucket)
        except ClientError as error:
            found[name] = error.response["Error"]["Code"]
            continue
        answer.pop("ResponseMetadata")
        body = answer.pop("Body", None)
        found[name] = answer if body is None else (answer, body.read())
    return found


def test_no_refused_write_leaves_anything_behind(s3: Any, with_object: str) -> None:
    before = everything(s3, with_object)
    for name in REFUSED:
        if name in _READS or operations()[name].path is not None:
            continue
        with pytest.raises(ClientError) as refused:
            ask(s3, name, with_object)
        assert refused.value.response["Error"]["Code"] == "NotImplemented", name
        assert f"{name} is not implemented." in str(refused.value)
    assert everything(s3, with_object) == before
