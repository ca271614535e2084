"""Host and raw path: both addressing styles, keys kept as they were sent, and AWS's rules for new names."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gw.errors import InvalidBucketName, InvalidURI, KeyTooLongError
from s3gw.names import valid_bucket_name
from s3gw.wire.target import Target, normal_domains, parse_target, percent_decode

DOMAINS = normal_domains(["example.com:9000", "S3.Example.com"])


@pytest.mark.parametrize(
    ("path", "bucket", "key"),
    [
        (b"/", None, None),
        (b"", None, None),
        (b"*", None, None),
        (b"/bucket", "bucket", None),
        (b"/bucket/", "bucket", None),
        (b"/bucket//", "bucket", "/"),
        (b"/bucket/../a/./b//", "bucket", "../a/./b//"),
        (b"/bucket/a%2Fb", "bucket", "a/b"),
        (b"/bucket/a+b%20c%2B", "bucket", "a+b c+"),
        (b"/bucket/%C3%A9%F0%9F%98%80", "bucket", "é😀"),
        (b"/bucket/\xc3\xa9", "bucket", "é"),
        (b"/bucket/%01%0A", "bucket", "\x01\n"),
        (b"/Old_Bucket/k", "Old_Bucket", "k"),
    ],
)
def test_path_style(path: bytes, bucket: str | None, key: str | None) -> None:
    assert parse_target("localhost:9000", path, ()) == Target(bucket, key, False)
    assert parse_target("s3.example.com:9000", path, DOMAINS) == Target(bucket, key, False)


@pytest.mark.parametrize("host", ["photos.s3.example.com", "photos.S3.EXAMPLE.com:9000", "photos.s3.example.com."])
def test_virtual_hosted_style(host: str) -> None:
    assert parse_target(host, b"/", DOMAINS) == Target("photos", None, True)
    assert parse_target(host, b"/a/b", DOMAINS) == Target("photos", "a/b", True)
    assert parse_target(host, b"//a", DOMAINS) == Target("photos", "/a", True)


def test_a_bucket_with_dots_stands_before_the_longest_domain() -> None:
    assert parse_target("a.b.example.com", b"/", DOMAINS).bucket == "a.b"
    assert parse_target("a.b.s3.example.com", b"/", DOMAINS).bucket == "a.b"
    assert parse_target("notexample.com", b"/", DOMAINS) == Target(None, None, False)
    assert parse_target("[::1]:9000", b"/bucket/k", DOMAINS).bucket == "bucket"


def test_the_kind_of_a_target() -> None:
    assert [Target(None, None, False).kind, Target("b", None, False).kind, Target("b", "k", True).kind] == [
        "service",
        "bucket",
        "object",
    ]


@pytest.mark.parametrize("key", [b"%ff", b"%C3", b"a\xff", b"%00", b"a\x00b", b"%zz", b"%", b"%4", b"%ED%A0%80"])
def test_a_key_that_is_no_text_is_invalid_uri(key: bytes) -> None:
    with pytest.raises(InvalidURI):
        parse_target("localhost", b"/bucket/" + key, ())


def test_a_key_of_1024_bytes_is_the_longest() -> None:
    for longest in (b"k" * 1024, b"%C3%A9" * 512):
        assert parse_target("localhost", b"/bucket/" + longest, ()).key
        with pytest.raises(KeyTooLongError) as caught:
            parse_target("localhost", b"/bucket/" + longest + b"k", ())
        assert caught.value.details == {"Size": "1025", "MaxSizeAllowed": "1024"}


@pytest.mark.parametrize("path", [b"//key", b"/a", b"/%2e%2f%2e%2e", b"/b%20c", b"/" + b"b" * 256, b"/caf%C3%A9"])
def test_a_bucket_that_can_not_exist_is_invalid_bucket_name(path: bytes) -> None:
    with pytest.raises(InvalidBucketName):
        parse_target("localhost", path, ())


@given(st.binary(max_size=60))
def test_any_path_is_a_target_or_a_refusal(path: bytes) -> None:
    with contextlib.suppress(InvalidURI, InvalidBucketName):
        parse_target("localhost", b"/" + path, ())


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")))
def test_every_text_survives_percent_encoding(text: str) -> None:
    assert percent_decode("".join(f"%{byte:02X}" for byte in text.encode()).encode()) == text


@pytest.mark.parametrize("name", ["abc", "a" * 63, "my.bucket-1", "123", "1.2.3", "1.2.3.4.5"])
def test_valid_names_of_new_buckets(name: str) -> None:
    assert valid_bucket_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "ab",
        "a" * 64,
        "Abc",
        "a_b",
        "-ab",
        "ab-",
        ".ab",
        "ab.",
        "a..b",
        "a.-b",
        "a-.b",
        "192.168.5.4",
        "favicon.ico",
        "xn--abc",
        "sthree-x",
        "amzn-s3-demo-x",
        "x-s3alias",
        "x--ol-s3",
        "x.mrap",
        "x--x-s3",
        "x--table-s3",
        "abc\n",
        "ábc",
        "",
    ],
)
def test_invalid_names_of_new_buckets(name: str) -> None:
    assert not valid_bucket_name(name)
