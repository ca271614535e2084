"""The fast encoder of list pages writes the bytes of the compiled one."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gw.pages import ObjectRow, ObjectRows, PrefixRows, VersionRow, VersionRows
from s3gw.wire.codec import codec
from s3gw.wire.list_encoder import iso_from_microseconds, url_encode

KEYS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1) | st.sampled_from(
    ["a\x01b", "&<>", "😀", "a b+c/", '"']
)
MOMENTS = st.integers(0, 7_000_000_000_000_000)
ETAGS = st.sampled_from(['"d41d8cd98f00b204e9800998ecf8427e"', '"d41d8cd98f00b204e9800998ecf8427e-2"'])
TAIL: tuple[st.SearchStrategy[Any], ...] = (
    st.sampled_from([None, "a" * 64]),
    st.sampled_from([None, "Alice & <Bob>"]),
    st.sampled_from([None, "CRC32"]),
    st.sampled_from([None, "FULL_OBJECT"]),
)
OWNERS = {"1": ("a" * 64, "Alice & <Bob>"), "2": ("b" * 64, None)}
OBJECTS = st.builds(
    ObjectRow, KEYS, MOMENTS, ETAGS.map(lambda etag: etag.strip('"')), st.integers(0, 2**45), st.just("STANDARD"),
    TAIL[2], TAIL[3], st.sampled_from([None, "1", "2", "nobody"]),
)  # fmt: skip
VERSIONS = st.builds(
    VersionRow, KEYS, st.just("null"), st.booleans(), st.just(False), MOMENTS, ETAGS, st.integers(0, 2**45),
    st.just("STANDARD"), *TAIL,
)  # fmt: skip
MARKERS = st.builds(VersionRow, KEYS, st.just("v1"), st.booleans(), st.just(True), MOMENTS, owner_id=TAIL[0])


def encoded_keys(dicts: list[dict[str, Any]], url: bool) -> list[dict[str, Any]]:
    changed = {"Key", "Prefix"} if url else set()
    return [{name: url_encode(value) if name in changed else value for name, value in row.items()} for row in dicts]


def compare(name: str, url: bool, page: dict[str, Any], compiled: dict[str, Any] | None = None, **fast: Any) -> None:
    """What stands for lists of dicts is written as they are, whose keys the compiled encoder writes as it gets them."""
    encode = codec(name).encode
    dicts = {member: encoded_keys(rows.dicts(), url) for member, rows in fast.items()}
    page = {**page, "EncodingType": "url" if url else None}
    assert encode({**page, **fast}) == encode({**page, **dicts, **(compiled or {})})


@pytest.mark.parametrize("name", ["ListObjects", "ListObjectsV2"])
@given(rows=st.lists(OBJECTS, max_size=5), url=st.booleans())
def test_contents_are_the_bytes_of_the_compiled_encoder(name: str, rows: list[ObjectRow], url: bool) -> None:
    fast = ObjectRows(rows, OWNERS)
    page = {"Name": "bucket", "Prefix": "", "MaxKeys": 1000, "IsTruncated": False}
    compare(name, url, page, Contents=fast)
    assert len(fast) == len(rows)


@pytest.mark.parametrize("name", ["ListObjectsV2", "ListObjectVersions", "ListMultipartUploads"])
@given(prefixes=st.lists(KEYS, max_size=5), url=st.booleans())
def test_prefixes_are_the_bytes_of_the_compiled_encoder(name: str, prefixes: list[str], url: bool) -> None:
    fast = PrefixRows(prefixes)
    compare(name, url, {}, CommonPrefixes=fast)
    assert len(fast) == len(prefixes)


@given(rows=st.lists(VERSIONS, max_size=5) | st.lists(MARKERS, max_size=5), url=st.booleans())
def test_versions_are_the_bytes_of_the_compiled_encoder(rows: list[VersionRow], url: bool) -> None:
    fast = VersionRows(rows)
    markers = {"DeleteMarkers": encoded_keys(fast.delete_markers(), url)} if any(row[3] for row in rows) else {}
    compare("ListObjectVersions", url, {"Name": "bucket"}, markers, Versions=fast)
    assert len(fast) == len(rows)


def test_versions_and_delete_markers_stay_in_one_sequence() -> None:
    marker = VersionRow("a", "2", True, True, 0)
    version = VersionRow("a", "1", False, False, 0, '"x"', 1, "STANDARD")
    body = codec("ListObjectVersions").encode({"Versions": VersionRows([version, marker, version])}).body or b""
    assert body.index(b"<Version>") < body.index(b"<DeleteMarker>") < body.rindex(b"<Version>")


def test_url_encoding_is_that_of_aws() -> None:
    assert url_encode("foo+1/b r\x01é~") == "foo%2B1/b%20r%01%C3%A9~"


@given(KEYS)
def test_url_encoding_is_undone_by_boto3(key: str) -> None:
    assert unquote(url_encode(key)) == key


def test_times_are_cut_to_seconds() -> None:
    assert iso_from_microseconds(1_138_985_109_999_999) == "2006-02-03T16:45:09.000Z"
