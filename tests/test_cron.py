"""Cron lines: when they are due next, across changes of clocks too, and what is none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from s3gw.cron import LONGEST_LINE, next_after
from s3gw.problems import Invalid


def runs(line: str, zone: str, begin: str, times: int) -> list[str]:
    at, found = int(datetime.fromisoformat(begin).timestamp() * 1_000_000), []
    for _ in range(times):
        at = next_after(line, zone, at)
        found.append(f"{datetime.fromtimestamp(at / 1_000_000, UTC):%m-%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("line", "zone", "begin", "expected"),
    [
        ("*/15 * * * *", "UTC", "2026-11-27T10:15:00Z", ["11-27 10:30", "11-27 10:45"]),
        ("30 3 * * SUN", "UTC", "2026-11-27T10:15:00Z", ["11-29 03:30", "12-06 03:30"]),
        ("0 8 * * MON-FRI", "Asia/Tokyo", "2026-11-27T10:15:00Z", ["11-29 23:00", "11-30 23:00"]),
        # 02:30 isn't there on 2026-03-29: it runs at 03:00, which is 01:00 of UTC.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", ["03-29 01:00", "03-30 00:30"]),
        # 02:30 comes twice on 2026-10-25, and is run the first time.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", ["10-25 00:30", "10-26 01:30"]),
        # What runs every hour runs in both.
        ("0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", ["10-25 00:00", "10-25 01:00", "10-25 02:00"]),
    ],
)
def test_a_line_is_due_when_clocks_of_its_zone_say_it(line: str, zone: str, begin: str, expected: list[str]) -> None:
    assert runs(line, zone, begin, len(expected)) == expected


@pytest.mark.parametrize(
    ("line", "zone", "field"),
    [
        ("", "UTC", "cron"),
        ("@daily", "UTC", "cron"),
        ("* * * * * *", "UTC", "cron"),
        ("60 * * * *", "UTC", "cron"),
        ("* * 31 2 *", "UTC", "cron"),
        ("*/0 * * * *", "UTC", "cron"),
        ("5L/2 * * * FRIL/2", "UTC", "cron"),
        ("0 0 * * ٣", "UTC", "cron"),
        ("0 0 * * 1" + ",1" * LONGEST_LINE, "UTC", "cron"),
        ("0 0 * * *", "Mars/Olympus", "time_zone"),
        ("0 0 * * *", "../../etc/passwd", "time_zone"),
        ("0 0 * * *", "", "time_zone"),
    ],
)
def test_what_is_no_line_or_zone_is_refused(line: str, zone: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        next_after(line, zone, 0)
    assert refused.value.faults[0].field == field
