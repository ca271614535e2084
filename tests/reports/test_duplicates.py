"""What is there twice is found whatever fits into memory at once."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import NamedTuple

import pytest

from s3gw.reports import duplicates as module
from s3gw.reports.duplicates import MOST_DUPLICATES, MOST_PLACES, Duplicates
from s3gw.reports.rows import REST, Row


class Version(NamedTuple):
    key: str
    size: int
    digest: bytes
    is_current: bool = True


def digest(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def found(versions: list[Version], expected: int) -> tuple[list[Row], int]:
    """The rows, and how many walks they took."""
    work, walks = Duplicates(expected), 0
    while True:
        walks += 1
        work.look(versions, "user", "bucket")
        if not work.end_walk():
            return list(work.rows()), walks


def test_as_much_is_found_in_parts_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = [
        Version(f"{number}", 10 + number % 97, digest(number % 97 if number % 3 else -number)) for number in range(900)
    ]
    whole, walks = found(versions, 0)
    assert walks == 2
    monkeypatch.setattr(module, "HELD_AT_ONCE", 10)
    parts, walks = found(versions, len(versions))
    assert walks > 4
    assert parts == whole
    counts = Counter(version.digest for version in versions)
    assert len(whole) == sum(count > 1 for count in counts.values())
    assert sum(row.versions for row in whole) == sum(count for count in counts.values() if count > 1)


def test_where_nothing_is_there_twice_one_walk_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_AT_ONCE", 10)
    assert found([Version(f"{number}", 1, digest(number)) for number in range(50)], 50) == ([], 1)


def test_the_largest_groups_are_told_and_so_many_places_of_each() -> None:
    versions = [
        Version(f"{copy}/{number}", 1 + number, digest(number))
        for copy in range(2)
        for number in range(MOST_DUPLICATES + 5)
    ]
    versions += [Version(f"many/{copy}", 10, digest(-1)) for copy in range(MOST_PLACES + 3)]
    rows, _ = found(versions, 0)
    assert len(rows) == MOST_DUPLICATES + 1
    assert [rows[0].duplicate_bytes, rows[0].places] == [
        MOST_DUPLICATES + 5,
        (f"bucket/0/{MOST_DUPLICATES + 4}", f"bucket/1/{MOST_DUPLICATES + 4}"),
    ]
    (many,) = (row for row in rows if row.versions == MOST_PLACES + 3)
    assert len(many.places) == MOST_PLACES
    rest = rows[-1]
    assert (rest.name, rest.versions, rest.duplicate_bytes) == (REST, 12, sum(range(1, 7)))
