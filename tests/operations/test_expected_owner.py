"""x-amz-expected-bucket-owner: whoever names another owner than the bucket's is refused, whatever the operation."""

from __future__ import annotations

from typing import Any

import pytest

from s3gw.operations.table import OPERATIONS
from s3gw.wire.model import operations
from tests.raw_requests import send, send_example
from tests.servers import RunningServer

ON_BUCKETS = sorted(name for name, row in OPERATIONS.items() if row.is_in_bucket)


@pytest.mark.parametrize("name", ON_BUCKETS)
def test_another_owner_than_the_buckets_is_refused(server: RunningServer, s3: Any, bucket: str, name: str) -> None:
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    answer = send_example(server, bucket, name, **{"x-amz-expected-bucket-owner": "1" * 12})
    assert answer.status == 403
    if operations()[name].method != "HEAD":
        assert answer.refusal == (403, "AccessDenied")
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"x"


@pytest.mark.parametrize("path", ["{bucket}", "no-such-bucket-here"])
@pytest.mark.parametrize("owner", ["not an account", "1" * 11, "1" * 13, ""])
def test_an_owner_that_is_no_account_is_an_argument_that_is_none(
    server: RunningServer, bucket: str, owner: str, path: str
) -> None:
    wrong = send(server, "GET", f"/{path.format(bucket=bucket)}", **{"x-amz-expected-bucket-owner": owner})
    assert wrong.refusal == (400, "InvalidBucketOwnerAWSAccountID")


def test_the_owner_of_a_source_that_is_no_account_is_refused_too(server: RunningServer, bucket: str) -> None:
    headers = {"x-amz-copy-source": f"{bucket}/key", "x-amz-source-expected-bucket-owner": "x"}
    assert send(server, "PUT", f"/{bucket}/copy", **headers).refusal == (400, "InvalidBucketOwnerAWSAccountID")
