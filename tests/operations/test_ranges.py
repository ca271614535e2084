"""The Range header of a read: what is served, what is ignored, what is refused."""

import pytest

from s3gw.errors import InvalidRange
from s3gw.operations.ranges import ByteRange, parse_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=0-99", ByteRange(0, 100)),
        ("bytes=10-", ByteRange(10, 90)),
        ("bytes=-1", ByteRange(99, 1)),
        ("bytes=-1000", ByteRange(0, 100)),
        ("bytes=90-1000", ByteRange(90, 10)),
        ("Bytes= 1 - 2 ", ByteRange(1, 2)),
        ("bytes=10-" + "9" * 40, ByteRange(10, 90)),
        ("bytes=-" + "9" * 20, ByteRange(0, 100)),
        ("bytes=" + "0" * 30 + "1-2", ByteRange(1, 2)),
        ("bytes=1-" + "9" * 5000, ByteRange(1, 99)),
    ],
)
def test_a_satisfiable_range_is_cut_to_the_object(header: str, expected: ByteRange) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize(
    "header", ["bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "items=0-1", "bytes=0-1,3-4", "0-5", "bytes=1-²"]
)
def test_a_range_that_is_malformed_or_several_is_ignored(header: str) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("bytes=100-", 100),
        ("bytes=100-200", 100),
        ("bytes=-0", 100),
        ("bytes=0-0", 0),
        ("bytes=-0", 0),
        ("bytes=" + "9" * 20 + "-", 100),
    ],
)
def test_a_range_outside_the_object_is_refused_with_its_size(header: str, size: int) -> None:
    with pytest.raises(InvalidRange) as refused:
        parse_range(header, size)
    assert refused.value.status == 416
    assert refused.value.headers["content-range"] == f"bytes */{size}"


def test_the_last_bytes_of_an_empty_object_are_all_of_it() -> None:
    assert parse_range("bytes=-5", 0) is None


def test_content_range_names_first_last_and_size() -> None:
    assert ByteRange(10, 5).content_range(100) == "bytes 10-14/100"
