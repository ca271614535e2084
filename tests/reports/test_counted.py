"""Counting: exact whatever is told one by one, bounded, and going on from what was kept."""

from __future__ import annotations

import json
from typing import NamedTuple

from s3gw.reports.counted import AGES, MOST_PREFIXES, MOST_TYPES, Counts, age_of
from s3gw.reports.rows import REST, Row

DAY = 86_400_000_000


class Version(NamedTuple):
    key: str
    size: int = 1
    is_current: bool = True
    last_modified: int = 0
    type: str = "text/plain"


def told(counts: Counts, by: str) -> list[Row]:
    return [row for row in counts.rows(("bucket", "prefix", "type", "age"), "user", "bucket") if row.by == by]


def test_of_more_prefixes_than_are_told_those_with_most_bytes_are() -> None:
    counts = Counts("", 0)
    names = [f"{number:05}/" for number in range(3 * MOST_PREFIXES)]
    large = set(names[100 : 100 + MOST_PREFIXES - 1])
    counts.add(Version(f"{name}x", 1000 if name in large else 1) for name in names)
    counts.add([Version("top", 5000)])
    rows = told(counts, "prefix")
    assert {row.name for row in rows} == large | {"", REST} | {row.name for row in rows if row.bytes == 1}
    assert len(rows) <= MOST_PREFIXES + 2
    assert sum(row.versions for row in rows) == counts.all.versions == 3 * MOST_PREFIXES + 1
    assert sum(row.bytes for row in rows) == counts.all.bytes


def test_of_more_types_than_are_told_the_others_are_one() -> None:
    counts = Counts("", 0)
    counts.add(Version("a", type=f"x/{number}") for number in range(MOST_TYPES + 7))
    rows = told(counts, "type")
    assert len(rows) == MOST_TYPES + 1
    assert [row.versions for row in rows if row.name == REST] == [7]


def test_ages_end_where_they_say() -> None:
    for days, name in AGES:
        assert age_of(0, days * DAY - 1) == name
        assert age_of(0, days * DAY) != name
    assert age_of(5, 0) == AGES[0][1]  # from a clock that was ahead
    assert age_of(0, 10_000 * DAY) == "730 days and more"


def test_counting_goes_on_from_what_was_kept() -> None:
    versions = [Version(f"p/{number % 7}/{number}", number, number % 2 == 0, number * DAY) for number in range(100)]
    versions = sorted(versions)
    whole, half = Counts("p/", 100 * DAY), Counts("p/", 100 * DAY)
    whole.add(versions)
    half.add(versions[:41])
    half = Counts.loaded(json.loads(json.dumps(half.dumped())), "p/", 100 * DAY)
    half.add(versions[41:])
    for by in ("bucket", "prefix", "type", "age"):
        assert told(half, by) == told(whole, by)
    assert {row.name for row in told(whole, "prefix")} == {f"p/{number}/" for number in range(7)}
