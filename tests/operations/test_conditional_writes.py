"""Which conditions a write may make: the ETag that is to be overwritten, or that nothing is there (recorded on AWS)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.operations.test_multipart import begin, complete, put_parts

UNSERVED = [
    ({"IfNoneMatch": '"etag"'}, "If-None-Match"),
    ({"IfMatch": "*"}, "If-Match"),
    ({"IfMatch": '"etag"', "IfNoneMatch": "*"}, "If-Match,If-None-Match"),
]


def put(s3: Any, bucket: str, **conditions: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=b"new", **conditions)


def copy(s3: Any, bucket: str, **conditions: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"new")
    s3.copy_object(Bucket=bucket, Key="key", CopySource=f"{bucket}/source", **conditions)


def upload(s3: Any, bucket: str, **conditions: str) -> None:
    begun = begin(s3, bucket)
    complete(s3, begun, put_parts(s3, begun, [b"new"]), **conditions)


Write = Callable[..., None]


@pytest.mark.parametrize("write", [put, copy, upload])
@pytest.mark.parametrize(("conditions", "header"), UNSERVED)
def test_any_other_condition_is_not_implemented_and_nothing_is_written(
    s3: Any, bucket: str, write: Write, conditions: dict[str, str], header: str
) -> None:
    etag = s3.put_object(Bucket=bucket, Key="key", Body=b"old")["ETag"]
    for given in (conditions, {name: etag if value == '"etag"' else value for name, value in conditions.items()}):
        with pytest.raises(s3.exceptions.ClientError) as refused:
            write(s3, bucket, **given)
        answer = refused.value.response
        assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (501, "NotImplemented")
        assert answer["Error"]["Header"] == header
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"old"


@pytest.mark.parametrize("write", [put, copy, upload])
def test_the_etag_and_the_absence_of_a_key_are_conditions(s3: Any, bucket: str, write: Write) -> None:
    write(s3, bucket, IfNoneMatch="*")
    etag = s3.put_object(Bucket=bucket, Key="key", Body=b"old")["ETag"]
    write(s3, bucket, IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"new"
