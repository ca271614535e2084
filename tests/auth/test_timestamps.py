"""Dates as signatures carry them."""

from __future__ import annotations

import pytest

from s3gw.auth.timestamps import amz_date, iso_8601, parse_amz_date, parse_date

EXAMPLE = 1369353600


@pytest.mark.parametrize(
    "text",
    [
        "20130524T000000Z",
        "Fri, 24 May 2013 00:00:00 GMT",
        "Fri, 24 May 2013 02:00:00 +0200",
        "Mon, 24 May 2013 00:00:00 GMT",  # nobody checks the day of the week
        "Friday, 24-May-13 00:00:00 GMT",
        "Fri May 24 00:00:00 2013",
    ],
)
def test_dates_are_read_in_every_form_that_http_knows(text: str) -> None:
    assert parse_date(text) == EXAMPLE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Bad Date",
        "20130524T000000",
        "20130524X000000Z",
        "20130524T000000X",
        "20131324T000000Z",
        "2013052４T000000Z",
        "20130524T0000 0Z",
        "x" * 100,
        "1 2 3 4 5",
        "Fri, 24 May 99999999999999 00:00:00 GMT",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_date(text) is None
    assert parse_amz_date(text) is None


def test_sigv4_dates_are_iso_8601_basic_only() -> None:
    assert parse_amz_date("Fri, 24 May 2013 00:00:00 GMT") is None
    for seconds in (EXAMPLE, EXAMPLE + 12 * 3600 + 34 * 60 + 56):
        assert parse_amz_date(amz_date(seconds)) == seconds


def test_instants_are_shown_as_iso_8601_from_1970_to_the_year_9999() -> None:
    assert iso_8601(-(10**18)) == "1970-01-01T00:00:00Z"
    assert iso_8601(EXAMPLE) == "2013-05-24T00:00:00Z"
    assert iso_8601(10**18) == "9999-12-31T23:59:59Z"
