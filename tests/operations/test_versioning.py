"""What versioning makes of a key's history: which version is the latest, and how lists page through it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateways import refusal


def configure(s3: Any, bucket: str, status: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def history(s3: Any, bucket: str, **arguments: Any) -> list[tuple[str, str]]:
    """(version id, "latest" or "older"), and behind them (version id, "latest marker" or "older marker")."""
    page = s3.list_object_versions(Bucket=bucket, **arguments)
    versions = [(e["VersionId"], "latest" if e["IsLatest"] else "older") for e in page.get("Versions", [])]
    markers = [
        (e["VersionId"], "latest marker" if e["IsLatest"] else "older marker") for e in page.get("DeleteMarkers", [])
    ]
    return versions + markers


def body(s3: Any, bucket: str, **version: str) -> bytes:
    return bytes(s3.get_object(Bucket=bucket, Key="key", **version)["Body"].read())


def put(s3: Any, bucket: str, content: str) -> str:
    return str(s3.put_object(Bucket=bucket, Key="key", Body=content.encode()).get("VersionId", "null"))


def remove(s3: Any, bucket: str, **version: str) -> str:
    return str(s3.delete_object(Bucket=bucket, Key="key", **version).get("VersionId", "null"))


def test_the_state_of_a_bucket_is_kept_and_never_goes_back_to_none(s3: Any, bucket: str) -> None:
    configure(s3, bucket, "Suspended")
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"
    configure(s3, bucket, "Enabled")
    refused = refusal(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Off"})
    assert refused == (400, "MalformedXML")
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_deleting_the_latest_version_promotes_the_one_below(s3: Any, versioned: str) -> None:
    ids = [put(s3, versioned, str(number)) for number in range(4)]
    remove(s3, versioned, VersionId=ids[3])
    assert body(s3, versioned) == b"2"
    remove(s3, versioned, VersionId=ids[1])
    remove(s3, versioned, VersionId=ids[2])
    assert body(s3, versioned) == b"0"
    assert history(s3, versioned) == [(ids[0], "latest")]
    remove(s3, versioned, VersionId=ids[0])
    assert refusal(s3.get_object, Bucket=versioned, Key="key") == (404, "NoSuchKey")
    assert history(s3, versioned) == []


def test_below_a_deleted_version_a_marker_goes_on_hiding_the_key(s3: Any, versioned: str) -> None:
    first = put(s3, versioned, "1")
    marker = remove(s3, versioned)
    second = put(s3, versioned, "2")
    remove(s3, versioned, VersionId=second)
    assert refusal(s3.get_object, Bucket=versioned, Key="key") == (404, "NoSuchKey")
    assert history(s3, versioned) == [(first, "older"), (marker, "latest marker")]
    assert s3.list_objects_v2(Bucket=versioned)["KeyCount"] == 0
    remove(s3, versioned, VersionId=marker)
    assert body(s3, versioned) == b"1"
    assert s3.list_objects_v2(Bucket=versioned)["KeyCount"] == 1


def test_markers_stack_and_each_is_deleted_by_its_id(s3: Any, versioned: str) -> None:
    version = put(s3, versioned, "1")
    markers = [remove(s3, versioned) for _ in range(3)]
    assert len(set(markers)) == 3
    remove(s3, versioned, VersionId=markers[1])
    remove(s3, versioned, VersionId=markers[2])
    assert refusal(s3.head_object, Bucket=versioned, Key="key")[0] == 404
    remove(s3, versioned, VersionId=markers[0])
    assert history(s3, versioned) == [(version, "latest")]


def test_while_suspended_each_write_replaces_the_null_version_only(s3: Any, versioned: str) -> None:
    kept = put(s3, versioned, "kept")
    configure(s3, versioned, "Suspended")
    put(s3, versioned, "null 1")
    put(s3, versioned, "null 2")
    assert sorted(history(s3, versioned)) == sorted([("null", "latest"), (kept, "older")])
    assert body(s3, versioned, VersionId="null") == b"null 2"
    assert remove(s3, versioned) == "null"
    assert sorted(history(s3, versioned)) == sorted([("null", "latest marker"), (kept, "older")])
    assert refusal(s3.get_object, Bucket=versioned, Key="key", VersionId="null") == (405, "MethodNotAllowed")
    put(s3, versioned, "null 3")
    assert sorted(history(s3, versioned)) == sorted([("null", "latest"), (kept, "older")])
    remove(s3, versioned, VersionId="null")
    assert body(s3, versioned) == b"kept"


def test_a_null_version_below_others_is_replaced_and_comes_to_the_top(s3: Any, bucket: str) -> None:
    put(s3, bucket, "before")
    configure(s3, bucket, "Enabled")
    kept = put(s3, bucket, "kept")
    assert history(s3, bucket) == [(kept, "latest"), ("null", "older")]
    configure(s3, bucket, "Suspended")
    put(s3, bucket, "after")
    assert history(s3, bucket) == [("null", "latest"), (kept, "older")]
    configure(s3, bucket, "Enabled")
    newest = put(s3, bucket, "newest")
    assert history(s3, bucket) == [(newest, "latest"), ("null", "older"), (kept, "older")]
    remove(s3, bucket, VersionId="null")
    assert history(s3, bucket) == [(newest, "latest"), (kept, "older")]
    assert refusal(s3.get_object, Bucket=bucket, Key="key", VersionId="null") == (404, "NoSuchVersion")


def test_conditional_writes_see_a_marker_as_nothing(s3: Any, versioned: str) -> None:
    etag = s3.put_object(Bucket=versioned, Key="key", Body=b"1")["ETag"]
    remove(s3, versioned)
    assert refusal(s3.put_object, Bucket=versioned, Key="key", IfMatch=etag) == (404, "NoSuchKey")
    s3.put_object(Bucket=versioned, Key="key", Body=b"2", IfNoneMatch="*")
    assert refusal(s3.put_object, Bucket=versioned, Key="key", IfNoneMatch="*") == (412, "PreconditionFailed")


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pages_of_versions_put_together_are_the_list(s3: Any, versioned: str, size: int) -> None:
    for key in ("a", "b/1", "b/2", "b", "c"):
        for _ in range(2):
            s3.put_object(Bucket=versioned, Key=key)
    s3.delete_object(Bucket=versioned, Key="b/1")
    for options in ({}, {"Delimiter": "/"}, {"Prefix": "b"}, {"Prefix": "b", "Delimiter": "/"}):
        whole = s3.list_object_versions(Bucket=versioned, **options)
        pages = list(
            s3.get_paginator("list_object_versions").paginate(
                Bucket=versioned, PaginationConfig={"PageSize": size}, **options
            )
        )
        for kind in ("Versions", "DeleteMarkers", "CommonPrefixes"):
            assert [entry for page in pages for entry in page.get(kind, [])] == whole.get(kind, []), (options, kind)
        assert all(page["MaxKeys"] == size for page in pages)


def test_a_page_that_ends_inside_a_key_goes_on_inside_it(s3: Any, versioned: str) -> None:
    ids = [put(s3, versioned, str(number)) for number in range(3)]
    page = s3.list_object_versions(Bucket=versioned, MaxKeys=1)
    assert (page["NextKeyMarker"], page["NextVersionIdMarker"], page["IsTruncated"]) == ("key", ids[2], True)
    rest = history(s3, versioned, KeyMarker="key", VersionIdMarker=ids[2])
    assert rest == [(ids[1], "older"), (ids[0], "older")]
    assert history(s3, versioned, KeyMarker="key") == []
    s3.delete_object(Bucket=versioned, Key="key", VersionId=ids[2])
    rest = history(s3, versioned, KeyMarker="key", VersionIdMarker=ids[2])
    assert [version_id for version_id, _ in rest] == ids[1::-1]


def test_the_number_of_versions_is_no_matter_to_lists(s3: Any, versioned: str) -> None:
    for _ in range(20):
        put(s3, versioned, "x")
    s3.put_object(Bucket=versioned, Key="later")
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=versioned, MaxKeys=2)["Contents"]] == ["key", "later"]


def test_a_bucket_with_versions_or_markers_is_not_empty(s3: Any, versioned: str) -> None:
    version, marker = put(s3, versioned, "1"), remove(s3, versioned)
    assert refusal(s3.delete_bucket, Bucket=versioned) == (409, "BucketNotEmpty")
    remove(s3, versioned, VersionId=version)
    assert refusal(s3.delete_bucket, Bucket=versioned) == (409, "BucketNotEmpty")
    remove(s3, versioned, VersionId=marker)
    s3.delete_bucket(Bucket=versioned)
