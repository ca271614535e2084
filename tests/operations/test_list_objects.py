"""The three lists of objects with keys of any legal form, and what their answers say beside the keys."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote_plus
from xml.etree import ElementTree

import pytest

from tests.gateways import refusal
from tests.raw_requests import Answer, send
from tests.servers import RunningServer

ODD = [
    "\x01",
    "\t tab",
    " ",
    "//",
    "..",
    "../x",
    "/",
    "a",
    "a/",
    "a/b",
    "a//b",
    "a\x7f",
    "a b+c%2F",
    "a&<>'\"",
    "é" * 512,
    "\ufffd",
    "\ufffe",
    "😀",
    "😀/😀",
    "\U0010ffff",
]
ORDERED = sorted(ODD, key=str.encode)


@pytest.fixture(scope="module")
def odd(s3: Any) -> str:
    """A bucket that no test changes."""
    bucket = f"odd-keys-{id(s3) % 100_000}"
    s3.create_bucket(Bucket=bucket)
    for key in ODD:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


def keys(page: dict[str, Any], kind: str = "Contents") -> list[str]:
    return [entry["Key"] for entry in page.get(kind, [])]


def prefixes(page: dict[str, Any]) -> list[str]:
    return [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]


def fetch(server: RunningServer, bucket: str, **query: str) -> Answer:
    fields = "&".join(f"{name.replace('_', '-')}={quote(value, safe='')}" for name, value in query.items())
    return send(server, "GET", f"/{bucket}?{fields}")


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_keys_of_any_legal_form_are_listed_and_paged(s3: Any, odd: str, size: int) -> None:
    for name, kind in (
        ("list_objects_v2", "Contents"),
        ("list_objects", "Contents"),
        ("list_object_versions", "Versions"),
    ):
        pages = s3.get_paginator(name).paginate(Bucket=odd, PaginationConfig={"PageSize": size})
        assert [key for page in pages for key in keys(page, kind)] == ORDERED, name


@pytest.mark.parametrize("delimiter", ["/", "//", "b", " ", "é", "😀", "x" * 1024])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "..", "😀", "é" * 511, "nope", "k" * 2000])
def test_any_delimiter_rolls_up_behind_any_prefix(s3: Any, odd: str, delimiter: str, prefix: str) -> None:
    expected: list[str] = []
    for key in ORDERED:
        if key.startswith(prefix):
            head, found, _ = key[len(prefix) :].partition(delimiter)
            name = prefix + head + found
            if name not in expected:
                expected.append(name)
    for call, kind in ((s3.list_objects_v2, "Contents"), (s3.list_object_versions, "Versions")):
        page = call(Bucket=odd, Prefix=prefix, Delimiter=delimiter)
        assert sorted(keys(page, kind) + prefixes(page), key=str.encode) == expected
        assert not page["IsTruncated"]


def test_every_key_as_start_after_and_as_marker(s3: Any, odd: str) -> None:
    for number, key in enumerate(ORDERED):
        assert keys(s3.list_objects_v2(Bucket=odd, StartAfter=key)) == ORDERED[number + 1 :]
        assert keys(s3.list_objects(Bucket=odd, Marker=key)) == ORDERED[number + 1 :]
        assert keys(s3.list_object_versions(Bucket=odd, KeyMarker=key), "Versions") == ORDERED[number + 1 :]


def test_start_after_may_lie_inside_a_common_prefix(s3: Any, odd: str) -> None:
    page = s3.list_objects_v2(Bucket=odd, Prefix="a", Delimiter="/", StartAfter="a/a")
    assert prefixes(page) == ["a/"]  # a/b still comes
    page = s3.list_objects_v2(Bucket=odd, Prefix="a", Delimiter="/", StartAfter="a/b")
    assert prefixes(page) == []


def test_a_marker_inside_a_common_prefix_is_behind_all_of_it(s3: Any, versioned: str) -> None:
    for key in ("f/r", "f/s/1", "f/s/2", "f/t"):
        version_id = s3.put_object(Bucket=versioned, Key=key)["VersionId"]
        s3.create_multipart_upload(Bucket=versioned, Key=key)
    within = {"Bucket": versioned, "Prefix": "f/", "Delimiter": "/"}
    page = s3.list_objects(**within, Marker="f/s/1")
    assert (prefixes(page), keys(page)) == ([], ["f/t"])
    for marker in ({}, {"VersionIdMarker": version_id}):
        page = s3.list_object_versions(**within, KeyMarker="f/s/1", **marker)
        assert (prefixes(page), keys(page, "Versions")) == ([], ["f/t"])
    upload_id = s3.list_multipart_uploads(Bucket=versioned)["Uploads"][1]["UploadId"]
    for marker in ({}, {"UploadIdMarker": upload_id}):
        page = s3.list_multipart_uploads(**within, KeyMarker="f/s/1", **marker)
        assert (prefixes(page), keys(page, "Uploads")) == ([], ["f/t"])
    page = s3.list_objects(**within, Marker="f/r")
    assert (prefixes(page), keys(page)) == (["f/s/"], ["f/t"])


def test_a_token_outranks_start_after(s3: Any, odd: str) -> None:
    token = s3.list_objects_v2(Bucket=odd, MaxKeys=2)["NextContinuationToken"]
    page = s3.list_objects_v2(Bucket=odd, ContinuationToken=token, StartAfter="z", MaxKeys=1)
    assert keys(page) == ORDERED[2:3]
    assert (page["ContinuationToken"], page["StartAfter"]) == (token, "z")


def test_lists_echo_what_was_asked_and_count_what_they_hold(s3: Any, odd: str) -> None:
    page = s3.list_objects_v2(Bucket=odd, Prefix="a", Delimiter="/", MaxKeys=2)
    assert (page["Name"], page["Prefix"], page["Delimiter"], page["MaxKeys"]) == (odd, "a", "/", 2)
    assert (page["KeyCount"], page["IsTruncated"]) == (2, True)
    assert page["KeyCount"] == len(keys(page)) + len(prefixes(page))


def test_empty_elements_stand_where_clients_look_for_them(server: RunningServer, bucket: str) -> None:
    first = fetch(server, bucket)
    for element in (b"<Prefix></Prefix>", b"<Marker></Marker>", b"<MaxKeys>1000</MaxKeys>"):
        assert element in first.body, element
    assert b"<Delimiter>" not in first.body
    assert b"<KeyMarker></KeyMarker>" in fetch(server, bucket, versions="").body
    assert b"<KeyCount>0</KeyCount>" in fetch(server, bucket, list_type="2").body


def test_next_marker_is_told_only_with_a_delimiter(s3: Any, odd: str) -> None:
    assert "NextMarker" not in s3.list_objects(Bucket=odd, MaxKeys=2)
    assert s3.list_objects(Bucket=odd, MaxKeys=9, Delimiter="/")["NextMarker"]


@pytest.mark.parametrize("query", [{}, {"list_type": "2"}, {"versions": ""}])
def test_encoding_type_url_encodes_keys_and_prefixes(server: RunningServer, odd: str, query: dict[str, str]) -> None:
    answer = fetch(server, odd, encoding_type="url", delimiter="/", prefix="a", **query)
    assert b"<EncodingType>url</EncodingType>" in answer.body
    for element in (b"<Key>a%7F</Key>", b"<Prefix>a/</Prefix>", b"<Delimiter>/</Delimiter>"):
        assert element in answer.body, element
    control = fetch(server, odd, encoding_type="url", prefix="\x01", **query)
    assert b"<Key>%01</Key>" in control.body
    assert b"<Prefix>%01</Prefix>" in control.body
    assert b"<Key>a%26%3C%3E%27%22</Key>" in answer.body


@pytest.mark.parametrize("prefix", ["a b/", "é", "a+b", "a%2Fb", "100%", '&<"', "\x01", "\r"])
def test_the_prefix_of_v1_is_what_was_asked_for_when_it_is_decoded(
    server: RunningServer, odd: str, prefix: str
) -> None:
    """As the Java SDK does with an answer of encoding-type=url."""
    body = fetch(server, odd, encoding_type="url", prefix=prefix).body
    assert unquote_plus(ElementTree.fromstring(body).findtext("{*}Prefix") or "") == prefix


@pytest.mark.parametrize("prefix", ["a b/", "é", '&<"'])
def test_boto3_which_does_not_decode_the_prefix_of_v1_is_told_the_one_it_asked_for(
    s3: Any, odd: str, prefix: str
) -> None:
    assert s3.list_objects(Bucket=odd, Prefix=prefix)["Prefix"] == prefix


def test_boto3_reads_lists_and_errors_with_control_characters(s3: Any, odd: str) -> None:
    assert s3.list_objects(Bucket=odd, Prefix="\x01")["Contents"][0]["Key"] == "\x01"
    assert s3.list_objects(Bucket=odd, Prefix="a ")["Prefix"] == "a "
    assert refusal(s3.get_object, Bucket=odd, Key="no\x01") == (404, "NoSuchKey")
    assert refusal(s3.put_object, Bucket=odd, Key="key", Tagging="a=%00") == (400, "InvalidArgument")


def test_markers_of_control_characters_are_encoded_too(server: RunningServer, odd: str) -> None:
    answer = fetch(server, odd, encoding_type="url", marker="\x01", delimiter="\x02")
    assert b"<Marker>%01</Marker>" in answer.body
    assert b"<Delimiter>%02</Delimiter>" in answer.body
    answer = fetch(server, odd, list_type="2", encoding_type="url", start_after="\x01", prefix="\x00"[:0])
    assert b"<StartAfter>%01</StartAfter>" in answer.body


@pytest.mark.parametrize(
    "query",
    [
        {"max_keys": "-1"},
        {"max_keys": "x"},
        {"max_keys": "2147483648"},
        {"max_keys": "1e3"},
        {"encoding_type": "base64"},
        {"list_type": "2", "continuation_token": "nonsense!"},
        {"list_type": "2", "continuation_token": "/w=="},
        {"list_type": "2", "continuation_token": "YQBi"},
        {"versions": "", "version_id_marker": "null"},
        {"versions": "", "key_marker": "a", "version_id_marker": "nonsense"},
    ],
)
def test_arguments_of_a_list_that_are_none_are_refused(server: RunningServer, odd: str, query: dict[str, str]) -> None:
    assert fetch(server, odd, **query).refusal == (400, "InvalidArgument")


def test_no_keys_at_most_is_an_empty_page_that_is_whole(s3: Any, odd: str) -> None:
    for call in (s3.list_objects, s3.list_objects_v2, s3.list_object_versions):
        page = call(Bucket=odd, MaxKeys=0)
        assert (page["MaxKeys"], page["IsTruncated"], page.get("Contents", page.get("Versions", []))) == (0, False, [])


def test_owners_are_the_canonical_user(s3: Any, odd: str) -> None:
    owner = s3.list_buckets()["Owner"]["ID"]
    assert len(owner) == 64
    assert s3.list_objects_v2(Bucket=odd, FetchOwner=True, MaxKeys=1)["Contents"][0]["Owner"]["ID"] == owner
    assert s3.list_object_versions(Bucket=odd, MaxKeys=1)["Versions"][0]["Owner"]["ID"] == owner


def test_other_buckets_and_deleted_keys_are_never_listed(s3: Any, bucket: str) -> None:
    s3.create_bucket(Bucket=f"{bucket}-b")
    s3.put_object(Bucket=f"{bucket}-b", Key="foreign")
    for key in ("a", "b", "c"):
        s3.put_object(Bucket=bucket, Key=key)
    s3.delete_object(Bucket=bucket, Key="b")
    assert keys(s3.list_objects_v2(Bucket=bucket)) == ["a", "c"]
    assert refusal(s3.list_objects_v2, Bucket=f"{bucket}-none") == (404, "NoSuchBucket")
