"""ListObjects and ListObjectsV2."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateways import refusal

KEYS = ["a", "a/1", "a/2", "b/1", "b/c/1", "d", "z\x01\n", "é"]


@pytest.fixture
def filled(s3: Any, bucket: str) -> str:
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    return bucket


def keys(page: dict[str, Any]) -> list[str]:
    return [entry["Key"] for entry in page.get("Contents", [])]


def prefixes(page: dict[str, Any]) -> list[str]:
    return [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]


def test_all_keys_are_listed_in_the_order_of_their_bytes(s3: Any, filled: str) -> None:
    assert keys(s3.list_objects_v2(Bucket=filled)) == KEYS
    assert keys(s3.list_objects(Bucket=filled)) == KEYS
    entry = s3.list_objects(Bucket=filled)["Contents"][0]
    assert (entry["Size"], entry["StorageClass"], entry["Owner"]["DisplayName"]) == (1, "STANDARD", "admin")
    assert "Owner" not in s3.list_objects_v2(Bucket=filled)["Contents"][0]
    assert "Owner" in s3.list_objects_v2(Bucket=filled, FetchOwner=True)["Contents"][0]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_with_a_delimiter_put_together_are_the_list(s3: Any, filled: str, limit: int) -> None:
    for name in ("list_objects", "list_objects_v2"):
        found: list[str] = []
        paginator = s3.get_paginator(name)
        for page in paginator.paginate(Bucket=filled, Delimiter="/", PaginationConfig={"PageSize": limit}):
            assert len(keys(page)) + len(prefixes(page)) <= limit
            found += sorted(keys(page) + prefixes(page), key=str.encode)
        assert found == ["a", "a/", "b/", "d", "z\x01\n", "é"]


def test_prefix_marker_and_start_after_narrow_the_list(s3: Any, filled: str) -> None:
    assert keys(s3.list_objects_v2(Bucket=filled, Prefix="a/")) == ["a/1", "a/2"]
    assert prefixes(s3.list_objects_v2(Bucket=filled, Prefix="b/", Delimiter="/")) == ["b/c/"]
    assert keys(s3.list_objects_v2(Bucket=filled, StartAfter="b/1", MaxKeys=2)) == ["b/c/1", "d"]
    assert keys(s3.list_objects(Bucket=filled, Marker="d")) == KEYS[6:]
    page = s3.list_objects(Bucket=filled, Delimiter="/", Marker="a/")
    assert (prefixes(page), keys(page)) == (["b/"], ["d", "z\x01\n", "é"])


def test_limits_of_a_page(s3: Any, filled: str) -> None:
    empty = s3.list_objects_v2(Bucket=filled, MaxKeys=0)
    assert (empty["KeyCount"], empty["IsTruncated"]) == (0, False)
    assert s3.list_objects_v2(Bucket=filled, MaxKeys=5000)["MaxKeys"] == 1000
    assert refusal(s3.list_objects_v2, Bucket=filled, MaxKeys=-1) == (400, "InvalidArgument")
    assert refusal(s3.list_objects_v2, Bucket=filled, ContinuationToken="!") == (400, "InvalidArgument")
    assert refusal(s3.list_objects_v2, Bucket=filled, EncodingType="gzip") == (400, "InvalidArgument")
    assert refusal(s3.list_objects_v2, Bucket=filled, ContinuationToken="") == (400, "InvalidArgument")
