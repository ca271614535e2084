"""Text in HTTP headers: RFC 2047 for user metadata, dates, and the promise that no line break ever gets into one.

"Values of such headers are character decoded as per RFC 2047 before storing and encoded as per RFC 2047 to make them
mail-safe before returning" (Amazon S3 User Guide, "User-defined object metadata"). Raw bytes are read as latin-1, as
AWS does: the guide's own example comes back with UTF-8 read so.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

from s3gw.errors import InvalidArgument

_ENCODED_WORD = re.compile(r"=\?([A-Za-z0-9_-]+)\?([BbQq])\?([!-<>-~=]*?)\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)[ \t]+(?==\?)")
_QUOTED_BYTE = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_HEADER_TEXT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_CHARSETS = {"utf-8", "us-ascii", "iso-8859-1"}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")


def decode_metadata(value: str) -> str:
    """A value of x-amz-meta-*: encoded words are decoded; what isn't one, or would hide control characters, stays."""
    if "=?" not in value:
        return value
    decoded = _ENCODED_WORD.sub(_decode_word, _BETWEEN_WORDS.sub(r"\1", value))
    return value if _NOT_HEADER_TEXT.search(decoded) else decoded


def _decode_word(match: re.Match[str]) -> str:
    charset, encoding, text = match.groups()
    if charset.lower() not in _CHARSETS:
        return match.group()
    try:
        if encoding in "Bb":
            data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        else:
            data = _QUOTED_BYTE.sub(lambda found: bytes([int(found[1], 16)]), text.encode("ascii").replace(b"_", b" "))
        return data.decode(charset)
    except (binascii.Error, UnicodeDecodeError):
        return match.group()


def encode_metadata(value: str) -> bytes:
    """US-ASCII goes out as it is, all else as one encoded word, Q or B after what most of it is (as JavaMail does)."""
    if value.isascii() and not _NOT_HEADER_TEXT.search(value):
        return value.encode("ascii")
    data = value.encode("utf-8", "replace")
    plain = sum(" " <= character <= "~" for character in value)
    if plain * 2 <= len(value):
        return b"=?UTF-8?B?" + base64.b64encode(data) + b"?="
    return b"=?UTF-8?Q?" + b"".join(map(_quote_byte, data)) + b"?="


def _quote_byte(byte: int) -> bytes:
    if byte == 0x20:
        return b"_"
    if 0x20 < byte < 0x7F and byte not in b"=?_":
        return bytes([byte])
    return b"=%02X" % byte


def header_bytes(value: str) -> bytes:
    """A header value as it goes out. Whatever could end the line has been refused on the way in; here it is dropped."""
    if not value.isprintable():
        value = _NOT_HEADER_TEXT.sub("", value)
    return value.encode("latin-1", "replace")


def check_header_text(name: str, value: str) -> str:
    """For values that a client chooses for a header of the answer, and that HTTP hasn't checked (response-*)."""
    if _NOT_HEADER_TEXT.search(value) or any(character > "\xff" for character in value):
        raise InvalidArgument(
            "Header value cannot be represented using ISO-8859-1.", ArgumentName=name, ArgumentValue=value
        )
    return value


@lru_cache(maxsize=4096)
def _http_date(seconds: int) -> bytes:
    moment = datetime.fromtimestamp(seconds, UTC)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment:%d} {month} {moment.year:04} {moment:%H:%M:%S} GMT".encode()


def http_date(moment: datetime) -> bytes:
    """RFC 9110 IMF-fixdate, whatever the locale; fractions are cut, so that Last-Modified is never in the future."""
    return _http_date(int(moment.timestamp() // 1))


def iso_date(moment: datetime) -> str:
    """As S3 writes it: `2006-02-03T16:45:09.000Z`. A naive time is taken as UTC."""
    if moment.tzinfo is not None and moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z") if moment.year > 999 else moment.isoformat()[:19] + ".000Z"


def parse_date(value: str) -> datetime | None:
    """RFC 822, ISO 8601 or seconds since the epoch, as AWS takes them everywhere; None for what is no date."""
    value = value.strip()
    try:
        if _EPOCH_SECONDS.fullmatch(value):
            return datetime.fromtimestamp(float(value), UTC)
        moment = datetime.fromisoformat(value) if value[:4].isdigit() else parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError, IndexError, TypeError):
        return None
