"""Cron lines: whether one can be used, and when it is due next. As Debian's cron where clocks are set forward or back:
what was to run within the hour that is left out runs after it, and what runs at a time of day runs once in the hour
that comes twice.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from s3gw.problems import Fault, Invalid

LONGEST_LINE = 100
_FIELDS = 5  # cronsim would take seconds too


def next_after(line: str, time_zone: str, at: int) -> int:
    """In microseconds since the epoch. Raises Invalid."""
    if time_zone not in _time_zones():
        raise _refused("time_zone", f"{time_zone[:LONGEST_LINE]} is no time zone: UTC, or a name as Europe/Berlin")
    if len(line) > LONGEST_LINE or len(line.split()) != _FIELDS:
        raise _refused("cron", f"a cron line is five fields, as 30 3 * * SUN, of {LONGEST_LINE} characters at most")
    zone = UTC if time_zone == "UTC" else ZoneInfo(time_zone)
    try:
        due = next(CronSim(line, datetime.fromtimestamp(at / 1_000_000, zone)))
    except (CronSimError, StopIteration) as error:
        raise _refused("cron", f"this is no cron line that is ever due: {error or 'there is no such day'}") from None
    return int(due.timestamp()) * 1_000_000


def _refused(field: str, message: str) -> Invalid:
    return Invalid(message, faults=[Fault(field, message)])


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())
