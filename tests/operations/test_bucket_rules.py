"""What a bucket may be called, where it may lie, who may make it again, and what a race for it ends in."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.gateways import refusal
from tests.operations.test_put_object import in_threads
from tests.raw_requests import send
from tests.servers import RunningServer


@pytest.mark.parametrize("suffix", ["", ".dots.in.it", "-" + "x" * 30])
def test_legal_names_are_taken(s3: Any, bucket: str, suffix: str) -> None:
    name = f"0{bucket}{suffix}"
    assert s3.create_bucket(Bucket=name)["Location"] == f"/{name}"
    s3.put_object(Bucket=name, Key="key", Body=b"x")
    assert s3.get_object(Bucket=name, Key="key")["Body"].read() == b"x"


ILLEGAL = ["ab", "x" * 64, "-abc", "abc-", ".abc", "a.-b", "a-.b", "ABC", "a_b", "10.0.0.1"]
RESERVED = ["sthree-x", "amzn-s3-demo-x", "x--ol-s3", "x.mrap", "x--table-s3"]


@pytest.mark.parametrize("name", [*ILLEGAL, *RESERVED])
def test_illegal_names_are_refused(s3: Any, name: str) -> None:
    assert refusal(s3.create_bucket, Bucket=name) == (400, "InvalidBucketName")


@pytest.mark.parametrize("constraint", ["us-east-1", ""])
def test_the_own_region_is_no_constraint(server: RunningServer, bucket: str, constraint: str) -> None:
    document = (
        '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>'
        f"{constraint}</LocationConstraint></CreateBucketConfiguration>"
    )
    assert send(server, "PUT", f"/{bucket}-x", document.encode()).status == 200
    assert send(server, "GET", f"/{bucket}-x?location").body.endswith(b"></LocationConstraint>")


@pytest.mark.parametrize("constraint", ["EU", "eu-west-1", "mars-north-1"])
def test_another_region_is_refused(s3: Any, bucket: str, constraint: str) -> None:
    configuration = {"LocationConstraint": constraint}
    refused = refusal(s3.create_bucket, Bucket=f"{bucket}-x", CreateBucketConfiguration=configuration)
    assert refused == (400, "InvalidLocationConstraint")
    assert refusal(s3.head_bucket, Bucket=f"{bucket}-x")[0] == 404


def test_making_a_bucket_again_changes_nothing_in_it(s3: Any, versioned: str) -> None:
    s3.put_object(Bucket=versioned, Key="key", Body=b"x")
    created = {entry["Name"]: entry["CreationDate"] for entry in s3.list_buckets()["Buckets"]}[versioned]
    s3.create_bucket(Bucket=versioned)
    assert s3.get_bucket_versioning(Bucket=versioned)["Status"] == "Enabled"
    assert s3.get_object(Bucket=versioned, Key="key")["Body"].read() == b"x"
    assert {entry["Name"]: entry["CreationDate"] for entry in s3.list_buckets()["Buckets"]}[versioned] == created


def test_tags_can_be_given_at_creation(s3: Any, bucket: str) -> None:
    tags = [{"Key": "team", "Value": "blue"}]
    s3.create_bucket(Bucket=f"{bucket}-x", CreateBucketConfiguration={"Tags": tags})
    assert s3.get_bucket_tagging(Bucket=f"{bucket}-x")["TagSet"] == tags
    bad = {"Tags": [{"Key": "aws:x", "Value": ""}]}
    assert refusal(s3.create_bucket, Bucket=f"{bucket}-y", CreateBucketConfiguration=bad) == (400, "InvalidTag")


def test_a_bucket_that_is_made_anew_is_empty_and_bare(s3: Any, versioned: str) -> None:
    s3.put_bucket_tagging(Bucket=versioned, Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    upload = {"Bucket": versioned, "Key": "key"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    s3.delete_bucket(Bucket=versioned)
    assert refusal(s3.put_object, Bucket=versioned, Key="key") == (404, "NoSuchBucket")
    s3.create_bucket(Bucket=versioned)
    assert "Status" not in s3.get_bucket_versioning(Bucket=versioned)
    assert refusal(s3.get_bucket_tagging, Bucket=versioned) == (404, "NoSuchTagSet")
    assert refusal(s3.list_parts, **upload) == (404, "NoSuchUpload")


def test_buckets_are_filtered_by_prefix_and_region(s3: Any, bucket: str) -> None:
    s3.create_bucket(Bucket=f"{bucket}-x")
    names = [entry["Name"] for entry in s3.list_buckets(Prefix=bucket)["Buckets"]]
    assert names == [bucket, f"{bucket}-x"]
    here = s3.list_buckets(Prefix=bucket, BucketRegion="us-east-1")["Buckets"]
    assert [entry["BucketRegion"] for entry in here] == ["us-east-1"] * 2
    assert s3.list_buckets(BucketRegion="eu-west-1")["Buckets"] == []
    assert "ContinuationToken" not in s3.list_buckets(Prefix=bucket, MaxBuckets=2)


def test_a_bucket_is_deleted_or_written_to_but_never_both(s3: Any, bucket: str) -> None:
    for number in range(6):
        name = f"{bucket}-{number}"
        s3.create_bucket(Bucket=name)
        outcomes: dict[int, str] = {}

        def run(which: int, name: str = name, outcomes: dict[int, str] = outcomes) -> None:
            try:
                s3.put_object(Bucket=name, Key="key", Body=b"x" * 20_000) if which else s3.delete_bucket(Bucket=name)
                outcomes[which] = "done"
            except ClientError as error:
                outcomes[which] = error.response["Error"]["Code"]

        in_threads(2, run)
        assert outcomes in ({0: "done", 1: "NoSuchBucket"}, {0: "BucketNotEmpty", 1: "done"})
        if outcomes[1] == "done":
            assert s3.get_object(Bucket=name, Key="key")["ContentLength"] == 20_000


def test_a_race_for_a_name_makes_one_bucket(s3: Any, bucket: str) -> None:
    answers: list[str] = []
    in_threads(8, lambda _: answers.append(s3.create_bucket(Bucket=f"{bucket}-race")["Location"]))
    assert answers == [f"/{bucket}-race"] * 8
    assert len(s3.list_buckets(Prefix=f"{bucket}-race")["Buckets"]) == 1
