"""The instants that signatures carry, as seconds since the epoch. Clients repeat them, so parsing is cached.

None is what isn't a date. Whether an instant is acceptable is decided where it is used.
"""

from __future__ import annotations

import calendar
import time
from email.utils import parsedate_tz
from functools import lru_cache

_AMZ_DATE_LENGTH = len("20130524T000000Z")
_LONGEST_HTTP_DATE = 64


@lru_cache(maxsize=1024)
def _parse_amz_date(text: str) -> int | None:
    digits = text[:8] + text[9:15]
    if text[8] != "T" or text[15] != "Z" or not (digits.isascii() and digits.isdigit()):
        return None
    try:
        return calendar.timegm(time.strptime(digits, "%Y%m%d%H%M%S"))
    except ValueError:
        return None


def parse_amz_date(text: str) -> int | None:
    """`20130524T000000Z`: ISO 8601 basic format, the only one that SigV4 allows in x-amz-date."""
    return _parse_amz_date(text) if len(text) == _AMZ_DATE_LENGTH else None


@lru_cache(maxsize=1024)
def _parse_http_date(text: str) -> int | None:
    try:
        parts = parsedate_tz(text)
        return None if parts is None else calendar.timegm((*parts[:6], 0, 0, 0)) - (parts[9] or 0)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def parse_date(text: str) -> int | None:
    """What a Date header, or x-amz-date of SigV2, may hold: RFC 1123 and its kin, or ISO 8601 basic."""
    if len(text) == _AMZ_DATE_LENGTH and text[8] == "T":
        return _parse_amz_date(text)
    return _parse_http_date(text) if len(text) <= _LONGEST_HTTP_DATE else None


def amz_date(seconds: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))


def iso_8601(seconds: float) -> str:
    """As error documents show an instant; 1970 and the year 9999 stand for what lies beyond them."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(max(0, min(seconds, 253_402_300_799))))
