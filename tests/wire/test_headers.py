"""User metadata by RFC 2047, dates, and values that may not become headers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gw.errors import InvalidArgument
from s3gw.wire.headers import (
    check_header_text,
    decode_metadata,
    encode_metadata,
    header_bytes,
    http_date,
    iso_date,
    parse_date,
)


def test_the_example_of_the_user_guide() -> None:
    sent = "ÄMÄZÕÑ S3".encode().decode("latin-1")
    assert encode_metadata(decode_metadata(sent)) == b"=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?="


@pytest.mark.parametrize(
    ("value", "decoded"),
    [
        ("plain", "plain"),
        ("=?UTF-8?B?w6k=?=", "é"),
        ("=?utf-8?b?w6k?=", "é"),
        ("=?UTF-8?Q?caf=C3=A9_noir?=", "café noir"),
        ("=?ISO-8859-1?q?=E9?= and =?UTF-8?Q?=C3=A9?=", "é and é"),
        ("=?UTF-8?Q?a?= =?UTF-8?Q?b?=", "ab"),
        ("=?UTF-8?B?!!?=", "=?UTF-8?B?!!?="),
        ("=?UTF-8?B?/w==?=", "=?UTF-8?B?/w==?="),
        ("=?KOI8-R?Q?a?=", "=?KOI8-R?Q?a?="),
        ("=?UTF-8?Q?a=0D=0Ab?=", "=?UTF-8?Q?a=0D=0Ab?="),
        ("=?UTF-8?Q?=00?=", "=?UTF-8?Q?=00?="),
        ("a =? b", "a =? b"),
    ],
)
def test_metadata_is_decoded_unless_that_would_hide_something(value: str, decoded: str) -> None:
    assert decode_metadata(value) == decoded


def test_what_is_mostly_ascii_is_quoted_and_the_rest_base64() -> None:
    assert encode_metadata("café = noir?") == b"=?UTF-8?Q?caf=C3=A9_=3D_noir=3F?="
    assert encode_metadata("日本") == b"=?UTF-8?B?5pel5pys?="
    assert encode_metadata("a b=c") == b"a b=c"


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"))).filter(lambda text: "=?" not in text))
def test_metadata_survives_the_round_trip_as_ascii(text: str) -> None:
    sent = encode_metadata(text)
    assert sent.isascii()
    assert decode_metadata(sent.decode()) == text


@given(st.text())
def test_no_header_ever_holds_a_line_break_or_nul(text: str) -> None:
    for sent in (encode_metadata(text), header_bytes(text)):
        assert not {0, 10, 13} & set(sent)


def test_a_value_outside_latin_1_is_refused_with_its_name() -> None:
    assert check_header_text("response-content-type", "text/plain\té") == "text/plain\té"
    for value in ("€", "a\r\nb", "\x00"):
        with pytest.raises(InvalidArgument) as caught:
            check_header_text("response-content-type", value)
        assert caught.value.details["ArgumentName"] == "response-content-type"


def test_dates_go_out_in_gmt_without_fractions() -> None:
    moment = datetime(2006, 2, 3, 17, 45, 9, 999_999, timezone(timedelta(hours=1)))
    assert http_date(moment) == b"Fri, 03 Feb 2006 16:45:09 GMT"
    assert iso_date(moment) == "2006-02-03T16:45:09.000Z"
    assert iso_date(datetime(7, 2, 3)) == "0007-02-03T00:00:00.000Z"


@pytest.mark.parametrize(
    "text",
    [
        "Fri, 03 Feb 2006 16:45:09 GMT",
        "Friday, 03-Feb-06 16:45:09 GMT",
        "Fri Feb  3 16:45:09 2006",
        "2006-02-03T16:45:09Z",
        "2006-02-03T16:45:09.000Z",
        "2006-02-03T17:45:09+01:00",
        " 1138985109 ",
    ],
)
def test_dates_are_read_in_every_form_that_aws_takes(text: str) -> None:
    assert parse_date(text) == datetime(2006, 2, 3, 16, 45, 9, tzinfo=UTC)


@given(st.text() | st.from_regex(r"[0-9T:Z+-]{1,30}") | st.just("Fri, 99 Feb 2006 16:45:09 GMT") | st.just("9" * 12))
def test_what_is_no_date_is_none_and_never_an_exception(text: str) -> None:
    moment = parse_date(text)
    assert moment is None or moment.tzinfo is not None
