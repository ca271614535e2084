"""Manifests: what S3 Batch Operations takes, in pieces of any size, and what is none."""

from __future__ import annotations

import csv
import io

import pytest

from s3gw.manifests import lines as module
from s3gw.manifests.completion import SUCCEEDED, Outcome, row_of, written
from s3gw.manifests.lines import LONGEST_LINE, START, BadManifest, Lines, Place, Task


def read(data: bytes, size: int = 1 << 20, place: Place = START) -> list[Task]:
    """Fed so many bytes at once."""
    lines, tasks = Lines(place), []
    for start in range(place.offset, len(data), size):
        lines.feed(data[start : start + size])
        while (task := lines.next(start + size >= len(data))) is not None:
            tasks.append(task)
    return tasks


GOOD = 'bucket,a%20b/%C3%BC.txt\r\nbucket,"c%2C,d"\n"other.bucket",a+b\n\nbucket,ä'.encode()


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_keys_are_decoded_and_fields_may_be_quoted(size: int) -> None:
    assert read(GOOD, size) == [
        Task("bucket", "a b/ü.txt", None),
        Task("bucket", "c,,d", None),
        Task("other.bucket", "a+b", None),
        Task("bucket", "ä", None),
    ]


def test_a_third_column_is_the_version() -> None:
    assert read(b"bucket,a,v1\nbucket,b,\n") == [Task("bucket", "a", "v1"), Task("bucket", "b", None)]


def test_reading_goes_on_behind_any_line() -> None:
    lines = Lines()
    lines.feed(GOOD)
    for done in range(1, 5):
        lines.next(True)
        assert read(GOOD, 5, lines.place) == read(GOOD)[done:]
    assert lines.place == Place(len(GOOD), 5, 2)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"bucket", "columns"),
        (b"bucket,a,v,more", "columns"),
        (b"bucket,a,v", "other columns"),
        (b"bucket,\xff", "UTF-8"),
        (b"\xef\xbb\xbfbucket,a", "byte order mark"),
        (b"bucket,a\0b", "NUL"),
        (b"bucket,a%00b", "encoded"),
        (b"bucket,a%ZZ", "encoded"),
        (b"bucket,a%", "encoded"),
        (b"bucket,%FF", "encoded"),
        (b"bucket,", "no key"),
        (b",a", "name of a bucket"),
        (b"a/b,c", "name of a bucket"),
        (b'bucket,"a', "CSV"),  # a line break within the quotes, in which the next line would be
        (b'bucket,"a"b', "CSV"),
        (b"bucket,a\rb", "CSV"),
    ],
)
def test_a_line_that_is_none_is_told_by_its_number(line: bytes, why: str) -> None:
    for end in (b"\nbucket,b\n", b""):
        with pytest.raises(BadManifest, match=f"^line 3 .*{why}"):
            read(b"bucket,a\n\n" + line + end)


def test_a_line_has_so_many_bytes_at_most() -> None:
    key = b"k" * (LONGEST_LINE - len(b"bucket,"))
    for end in (b"\n", b""):
        assert len(read(b"bucket," + key + end, 100)) == 1
        with pytest.raises(BadManifest, match="line 1 has more than 8192 bytes"):
            read(b"bucket," + key + b"k" + end, 100)


def test_a_manifest_has_so_many_lines_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.MOST_LINES == 10_000_000
    monkeypatch.setattr(module, "MOST_LINES", 3)
    assert len(read(b"bucket,a\n" * 3)) == 3
    with pytest.raises(BadManifest, match="3 lines at most"):
        read(b"bucket,a\n" * 4)


def test_a_report_has_the_columns_of_aws() -> None:
    rows = [
        row_of(Task("bucket", "a b/ü,\n", "v1"), SUCCEEDED),
        row_of(Task("bucket", "c", None), Outcome("AccessDenied", 403, "Access Denied")),
    ]
    text = written(rows).decode()
    assert text == (
        "bucket,a%20b/%C3%BC%2C%0A,v1,succeeded,,200,Successful\nbucket,c,,failed,AccessDenied,403,Access Denied\n"
    )
    assert [row[1] for row in csv.reader(io.StringIO(text))] == ["a%20b/%C3%BC%2C%0A", "c"]


@pytest.mark.parametrize("key", ["=1+1", "+1", "-1", "@x", "\tx", '-cmd|" /C calc"!A0'])
def test_no_cell_of_a_report_is_a_formula_and_each_key_is_what_it_was(key: str) -> None:
    row = row_of(Task("bucket", key, key), Outcome("X", 400, key))
    assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert read(f"bucket,{row[1]}".encode()) == [Task("bucket", key, None)]
