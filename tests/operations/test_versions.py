"""Versions: what enabled and suspended versioning make of puts, deletes, reads and lists."""

from __future__ import annotations

from typing import Any

from tests.gateways import refusal


def versions(s3: Any, bucket: str, **arguments: Any) -> list[tuple[str, str, bool]]:
    """(key, version id, is latest) of versions and delete markers."""
    page = s3.list_object_versions(Bucket=bucket, **arguments)
    entries = page.get("Versions", []) + page.get("DeleteMarkers", [])
    return [(entry["Key"], entry["VersionId"], entry["IsLatest"]) for entry in entries]


def test_every_put_is_a_version_that_can_be_read_and_deleted(s3: Any, versioned: str) -> None:
    where = {"Bucket": versioned, "Key": "key"}
    ids = [s3.put_object(**where, Body=str(number).encode())["VersionId"] for number in range(3)]
    assert len(set(ids)) == 3
    for number, version_id in enumerate(ids):
        assert s3.get_object(**where, VersionId=version_id)["Body"].read() == str(number).encode()
    assert versions(s3, versioned) == [("key", ids[2], True), ("key", ids[1], False), ("key", ids[0], False)]
    assert s3.delete_object(**where, VersionId=ids[2])["VersionId"] == ids[2]
    assert s3.get_object(**where)["VersionId"] == ids[1]
    assert refusal(s3.get_object, **where, VersionId=ids[2]) == (404, "NoSuchVersion")
    assert refusal(s3.get_object, **where, VersionId="nonsense") == (400, "InvalidArgument")


def test_a_delete_hides_behind_a_marker_and_deleting_the_marker_brings_back(s3: Any, versioned: str) -> None:
    where = {"Bucket": versioned, "Key": "key"}
    s3.put_object(**where, Body=b"x" * 20_000)
    marker = s3.delete_object(**where)
    assert marker["DeleteMarker"]
    assert refusal(s3.get_object, **where) == (404, "NoSuchKey")
    assert refusal(s3.get_object, **where, VersionId=marker["VersionId"]) == (405, "MethodNotAllowed")
    assert refusal(s3.get_object_tagging, **where)[0] == 405
    assert refusal(s3.get_object_tagging, **where, VersionId=marker["VersionId"])[0] == 405
    assert s3.list_objects_v2(Bucket=versioned)["KeyCount"] == 0
    gone = s3.delete_objects(Bucket=versioned, Delete={"Objects": [{"Key": "key", "VersionId": marker["VersionId"]}]})
    assert gone["Deleted"][0]["DeleteMarker"]
    assert s3.get_object(**where)["ContentLength"] == 20_000


def test_suspended_versioning_writes_the_null_version(s3: Any, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": "key"}
    s3.put_object(**where, Body=b"before")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    kept = s3.put_object(**where, Body=b"kept")["VersionId"]
    assert s3.get_object(**where, VersionId="null")["Body"].read() == b"before"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert "VersionId" not in s3.put_object(**where, Body=b"after")
    assert s3.get_object(**where)["Body"].read() == b"after"
    assert sorted(version_id for _, version_id, _ in versions(s3, bucket)) == sorted([kept, "null"])
    assert s3.delete_object(**where)["VersionId"] == "null"
    assert refusal(s3.get_object, **where) == (404, "NoSuchKey")
    assert s3.get_object(**where, VersionId=kept)["Body"].read() == b"kept"
    s3.delete_object(**where, VersionId="null")
    assert s3.get_object(**where)["Body"].read() == b"kept"


def test_versions_are_listed_in_pages(s3: Any, versioned: str) -> None:
    for key in ("a", "b/1", "b/2", "c"):
        s3.put_object(Bucket=versioned, Key=key)
        s3.put_object(Bucket=versioned, Key=key)
    s3.delete_object(Bucket=versioned, Key="c")
    paginator = s3.get_paginator("list_object_versions")
    found = [
        entry["VersionId"]
        for page in paginator.paginate(Bucket=versioned, PaginationConfig={"PageSize": 2})
        for entry in page.get("Versions", []) + page.get("DeleteMarkers", [])
    ]
    assert sorted(found) == sorted(version_id for _, version_id, _ in versions(s3, versioned))
    assert len(found) == 9
    page = s3.list_object_versions(Bucket=versioned, Delimiter="/", MaxKeys=3)
    assert [entry["Key"] for entry in page["Versions"]] == ["a", "a"]
    assert [entry["Prefix"] for entry in page["CommonPrefixes"]] == ["b/"]
    assert page["NextKeyMarker"] == "b/"
    rest = versions(s3, versioned, Delimiter="/", KeyMarker="b/")
    assert [key for key, _, _ in rest] == ["c", "c", "c"]
    assert refusal(s3.list_object_versions, Bucket=versioned, VersionIdMarker="x")[1] == "InvalidArgument"


def test_a_page_goes_on_behind_a_null_version_that_is_gone(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a")
    s3.put_object(Bucket=bucket, Key="b")
    page = s3.list_object_versions(Bucket=bucket, MaxKeys=1)
    marker = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
    assert [key for key, _, _ in versions(s3, bucket, **marker)] == ["b"]
    s3.delete_object(Bucket=bucket, Key="a")
    assert [key for key, _, _ in versions(s3, bucket, **marker)] == ["b"]


def test_the_version_behind_a_marker_that_is_gone_is_told_to_be_the_latest(s3: Any, versioned: str) -> None:
    ids = [s3.put_object(Bucket=versioned, Key="key")["VersionId"] for _ in range(4)][::-1]
    marker = {"KeyMarker": "key", "VersionIdMarker": ids[1]}
    assert versions(s3, versioned, **marker) == [("key", ids[2], False), ("key", ids[3], False)]
    s3.delete_object(Bucket=versioned, Key="key", VersionId=ids[1])
    assert versions(s3, versioned, **marker) == [("key", ids[2], False), ("key", ids[3], False)]
    s3.delete_object(Bucket=versioned, Key="key", VersionId=ids[0])
    assert versions(s3, versioned, **marker) == [("key", ids[2], True), ("key", ids[3], False)]
    for version_id in ids[2:]:
        s3.delete_object(Bucket=versioned, Key="key", VersionId=version_id)
    assert versions(s3, versioned, **marker) == []


def test_tags_belong_to_a_version(s3: Any, versioned: str) -> None:
    where = {"Bucket": versioned, "Key": "key"}
    first = s3.put_object(**where)["VersionId"]
    s3.put_object(**where)
    tags = [{"Key": "a", "Value": "1"}]
    assert s3.put_object_tagging(**where, VersionId=first, Tagging={"TagSet": tags})["VersionId"] == first
    assert s3.get_object_tagging(**where)["TagSet"] == []
    assert s3.get_object_tagging(**where, VersionId=first)["TagSet"] == tags
