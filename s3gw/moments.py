"""Times that people give, as they are stored: microseconds since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime

# The epoch, and a year before the last time that there is: what is near that can't be told in every zone.
_FIRST, _END = 0, int(datetime(9999, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


def microseconds_of(moment: datetime) -> int:
    """Of a time with a zone. Raises ValueError for one that couldn't be told again."""
    microseconds = round(moment.timestamp() * 1_000_000)
    if not _FIRST <= microseconds < _END:
        raise ValueError("a time is from the year 1970 to 9998")
    return microseconds


def iso_of(microseconds: int) -> str:
    """ISO 8601 in UTC, with milliseconds."""
    moment = datetime.fromtimestamp(microseconds / 1_000_000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
