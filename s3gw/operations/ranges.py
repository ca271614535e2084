"""Byte ranges of a read: the Range header and partNumber.

RFC 9110 section 14: a range header that is malformed, or asks for several ranges, is ignored (S3 serves one range);
one that lies outside the object is refused with 416 and the object's size.
"""

from __future__ import annotations

from typing import NamedTuple

from s3gw.errors import InvalidRange


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
    if not all(part.isascii() and part.isdigit() and len(part) < 20 for part in (first, last) if part):
        return None
    if not first:
        offset, end = max(0, size - int(last)), size
        unsatisfiable = int(last) == 0
    else:
        offset, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
        unsatisfiable = False
    if unsatisfiable or offset >= size:
        raise InvalidRange(headers={"content-range": f"bytes */{size}"}, RangeRequested=header, ActualObjectSize=size)
    return ByteRange(offset, end - offset)
