"""Buckets: create, list, head, locate, delete, and their versioning and tags."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateways import refusal


def test_a_bucket_is_created_listed_found_and_deleted(s3: Any, bucket: str) -> None:
    arns = {entry["Name"]: entry["BucketArn"] for entry in s3.list_buckets()["Buckets"]}
    assert arns[bucket] == s3.head_bucket(Bucket=bucket)["BucketArn"] == f"arn:aws:s3:::{bucket}"
    assert s3.head_bucket(Bucket=bucket)["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    s3.delete_bucket(Bucket=bucket)
    assert refusal(s3.head_bucket, Bucket=bucket)[0] == 404
    assert refusal(s3.list_objects_v2, Bucket=bucket) == (404, "NoSuchBucket")


def test_creating_an_own_bucket_again_succeeds_in_us_east_1(s3: Any, bucket: str) -> None:
    assert s3.create_bucket(Bucket=bucket)["Location"] == f"/{bucket}"
    assert s3.create_bucket(Bucket=bucket)["BucketArn"] == f"arn:aws:s3:::{bucket}"


def test_creating_an_own_bucket_again_with_tags_is_a_conflict(s3: Any, bucket: str) -> None:
    tagged = {"Bucket": bucket, "CreateBucketConfiguration": {"Tags": [{"Key": "a", "Value": "b"}]}}
    assert refusal(s3.create_bucket, **tagged) == (409, "BucketAlreadyOwnedByYou")
    assert refusal(s3.get_bucket_tagging, Bucket=bucket) == (404, "NoSuchTagSet")


@pytest.mark.parametrize("name", ["ab.", "Abc", "a_b", "192.168.0.1", "xn--abc", "abc-s3alias", "a..b"])
def test_a_bad_name_is_refused(s3: Any, name: str) -> None:
    assert refusal(s3.create_bucket, Bucket=name)[1] == "InvalidBucketName"


def test_a_foreign_location_is_refused(s3: Any) -> None:
    configuration = {"LocationConstraint": "eu-central-1"}
    refused = refusal(s3.create_bucket, Bucket="elsewhere", CreateBucketConfiguration=configuration)
    assert refused == (400, "InvalidLocationConstraint")


def test_list_buckets_pages_in_the_order_of_names(s3: Any, bucket: str) -> None:
    names = [f"{bucket}-page-{number}" for number in range(5)]
    for name in names:
        s3.create_bucket(Bucket=name)
    found, token = [], {}
    while True:
        page = s3.list_buckets(Prefix=f"{bucket}-page-", MaxBuckets=2, **token)
        found += [entry["Name"] for entry in page["Buckets"]]
        assert page["Prefix"] == f"{bucket}-page-"
        if "ContinuationToken" not in page:
            break
        token = {"ContinuationToken": page["ContinuationToken"]}
    assert found == names
    assert refusal(s3.list_buckets, MaxBuckets=0)[1] == "InvalidArgument"
    for token in ("%", "YQBi"):  # the second is a NUL between two letters
        assert refusal(s3.list_buckets, ContinuationToken=token) == (400, "InvalidArgument")


def test_a_bucket_with_objects_is_not_deleted_but_unfinished_uploads_go_with_it(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="a", UploadId=upload, PartNumber=1, Body=b"x" * 100_000)
    assert refusal(s3.delete_bucket, Bucket=bucket) == (409, "BucketNotEmpty")
    assert len(s3.list_parts(Bucket=bucket, Key="a", UploadId=upload)["Parts"]) == 1
    s3.delete_object(Bucket=bucket, Key="a")
    s3.delete_bucket(Bucket=bucket)
    assert refusal(s3.head_bucket, Bucket=bucket)[0] == 404


def test_versioning_is_off_then_enabled_then_suspended(s3: Any, bucket: str) -> None:
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    for status in ("Enabled", "Suspended"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status
    refused = refusal(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={})
    assert refused == (400, "IllegalVersioningConfigurationException")
    misspelled = refusal(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "enabled"})
    assert misspelled == (400, "MalformedXML")
    mfa = {"Status": "Enabled", "MFADelete": "Enabled"}
    assert refusal(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=mfa) == (501, "NotImplemented")


def test_bucket_tags_are_put_read_and_deleted(s3: Any, bucket: str) -> None:
    assert refusal(s3.get_bucket_tagging, Bucket=bucket) == (404, "NoSuchTagSet")
    tags = [{"Key": "team", "Value": "a b"}, {"Key": "zone", "Value": ""}]
    put = s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert put["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": []})
    assert refusal(s3.get_bucket_tagging, Bucket=bucket)[1] == "NoSuchTagSet"
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    s3.delete_bucket_tagging(Bucket=bucket)
    assert refusal(s3.get_bucket_tagging, Bucket=bucket)[1] == "NoSuchTagSet"


def test_what_is_not_served_answers_501_by_its_name(s3: Any, bucket: str) -> None:
    analytics = {"Id": "x", "StorageClassAnalysis": {}}
    asked = refusal(s3.put_bucket_analytics_configuration, Bucket=bucket, Id="x", AnalyticsConfiguration=analytics)
    assert asked == (501, "NotImplemented")
    locked = refusal(s3.create_bucket, Bucket=f"{bucket}-x", ObjectLockEnabledForBucket=True)
    assert locked == (501, "NotImplemented")


def test_the_expected_owner_is_enforced(s3: Any, bucket: str) -> None:
    assert refusal(s3.head_bucket, Bucket=bucket, ExpectedBucketOwner="1" * 12)[0] == 403
    assert refusal(s3.list_objects_v2, Bucket=bucket, ExpectedBucketOwner="1" * 12) == (403, "AccessDenied")
