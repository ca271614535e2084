"""Byte ranges of a read: the Range header and partNumber.

RFC 9110 section 14: a range header that is malformed, or asks for several ranges, is ignored (S3 serves one range);
one that lies outside the object is refused with 416 and the object's size.
"""

from __future__ import annotations

from typing import NamedTuple

from s3gw.errors import InvalidRange

_BEYOND = 10**19


class ByteRange(NamedTuple):
    """`length` bytes from `offset`."""

    offset: int
    length: int

    def content_range(self, size: int) -> str:
        return f"bytes {self.offset}-{self.offset + self.length - 1}/{size}"


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """None: the whole object. Raises InvalidRange when no byte of the range exists."""
    if header is None:
        return None
    unit, equals, text = header.partition("=")
    first, dash, last = text.strip().partition("-")
    first, last = first.strip(), last.strip()
    if unit.strip().lower() != "bytes" or not equals or not dash or not (first or last):
        return None
    if not all(part.isascii() and part.isdigit() for part in (first, last) if part):
        return None
    if not first:
        return _suffix(position(last), size, header)
    offset, end = position(first), min(size, position(last) + 1) if last else size
    if last and position(last) < offset:
        return None
    if offset >= size:
        raise _unsatisfiable(header, size)
    return ByteRange(offset, end - offset)


def position(digits: str) -> int:
    """Of any number of digits: one that is beyond the end of every object needn't be exact."""
    significant = digits.lstrip("0") or "0"
    return int(significant) if len(significant) < 20 else _BEYOND


def _suffix(length: int, size: int, header: str) -> ByteRange | None:
    """The last bytes. Of an empty object S3 gives what there is, where RFC 9110 finds nothing to satisfy."""
    if not length:
        raise _unsatisfiable(header, size)
    return ByteRange(max(0, size - length), min(size, length)) if size else None


def _unsatisfiable(header: str, size: int) -> InvalidRange:
    return InvalidRange(headers={"content-range": f"bytes */{size}"}, RangeRequested=header, ActualObjectSize=size)
