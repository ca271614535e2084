"""What x-amz-copy-source and x-amz-rename-source may look like."""

import pytest

from s3gw.errors import InvalidArgument, NotImplemented
from s3gw.operations.copy_source import CopySource, parse_copy_source, parse_rename_source


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bucket/key", CopySource("bucket", "key", None)),
        ("/bucket/a/b//c", CopySource("bucket", "a/b//c", None)),
        ("bucket/k%C3%A4%20%3F%2Bx", CopySource("bucket", "kä ?+x", None)),
        ("bucket/a+b%2Bc", CopySource("bucket", "a b+c", None)),
        ("bucket%2Fkey", CopySource("bucket", "key", None)),
        ("bucket/key?versionId=abc", CopySource("bucket", "key", "abc")),
    ],
)
def test_copy_source_names_bucket_key_and_version(header: str, expected: CopySource) -> None:
    assert parse_copy_source(header) == expected


@pytest.mark.parametrize(
    ("header", "what"),
    [
        *((header, "bucket name") for header in ("", "/", "//key", "a/key", "buck%20et/key", "b%C3%A4/key")),
        *((header, "object key") for header in ("bucket", "bucket/", "/bucket", "bucket/%00")),
        *((header, "encoding") for header in ("bucket/%ff", "bucket/100%", "bucket/%zz", "%4/key", "bucket/%4+")),
    ],
)
def test_copy_source_that_cannot_be_one_is_an_invalid_argument(header: str, what: str) -> None:
    with pytest.raises(InvalidArgument, match=f"Invalid copy source {what}"):
        parse_copy_source(header)


def test_an_empty_version_of_a_copy_source_is_not_the_latest() -> None:
    with pytest.raises(InvalidArgument, match="Version id cannot be the empty string"):
        parse_copy_source("bucket/key?versionId=")


def test_copy_source_that_is_an_access_point_is_not_implemented() -> None:
    with pytest.raises(NotImplemented):
        parse_copy_source("arn:aws:s3:us-east-1:123456789012:accesspoint/x/object/y")


@pytest.mark.parametrize(("header", "key"), [("a/b", "a/b"), ("/a", "a"), ("/bucket/a", "a"), ("bucket/a", "bucket/a")])
def test_rename_source_is_a_key_of_the_bucket(header: str, key: str) -> None:
    assert parse_rename_source(header, "bucket") == key


@pytest.mark.parametrize("header", ["", "/", "%00", "%ff", "a%", "%zz"])
def test_rename_source_without_a_key_is_an_invalid_argument(header: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_rename_source(header, "bucket")
