"""What the `layout` column of `contents` holds, and how a range finds its records in it. Pure; no SQL lives here.

Three forms: the bytes themselves, a manifest (extents of chunks) or a list of part contents. The records of a
manifest and of a part list have a fixed size and carry the offset at which they end, so a range of an object of
10 000 parts is found by bisection. One BLAKE3 digest binds form, size and layout.
"""

from __future__ import annotations

import json
import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from blake3 import blake3

INLINE, MANIFEST, PARTS = 0, 1, 2

_HEADER = struct.Struct("<Bq")  # form, size
_EXTENT = struct.Struct("<QI32s")  # end in the content, offset in the chunk, digest of the chunk
_COUNT = struct.Struct("<I")
_PART = struct.Struct("<QQI32s")  # end in the content, id of the child, part number, digest of the child
_END = struct.Struct("<Q")


class Extent(NamedTuple):
    """A range of a chunk."""

    digest: bytes
    offset: int
    length: int


class Part(NamedTuple):
    """A child of a part list. `digest` is that of the child's content row."""

    part_number: int
    content_id: int
    size: int
    digest: bytes
    checksum: str | None = None


class PartRange(NamedTuple):
    """The range of a part that a range of its object covers."""

    part: Part
    offset: int
    length: int


def content_digest(form: int, size: int, layout: bytes) -> bytes:
    return blake3(_HEADER.pack(form, size) + layout).digest()


def encode_extents(extents: Iterable[Extent]) -> bytes:
    records, end = [], 0
    for extent in extents:
        end += extent.length
        records.append(_EXTENT.pack(end, extent.offset, extent.digest))
    return b"".join(records)


def encode_parts(parts: Sequence[Part]) -> bytes:
    """The count, the records, then the parts' checksums as JSON if any part has one."""
    records, end = [_COUNT.pack(len(parts))], 0
    for part in parts:
        end += part.size
        records.append(_PART.pack(end, part.content_id, part.part_number, part.digest))
    if any(part.checksum is not None for part in parts):
        records.append(json.dumps([part.checksum for part in parts], separators=(",", ":")).encode())
    return b"".join(records)


def extents_of(layout: bytes) -> Iterator[Extent]:
    before = 0
    for end, offset, digest in _EXTENT.iter_unpack(layout):
        yield Extent(digest, offset, end - before)
        before = end


def parts_of(layout: bytes) -> Iterator[Part]:
    (count,) = _COUNT.unpack_from(layout)
    stop = _COUNT.size + count * _PART.size
    checksums = json.loads(layout[stop:]) if len(layout) > stop else [None] * count
    before = 0
    records = _PART.iter_unpack(memoryview(layout)[_COUNT.size : stop])
    for (end, content_id, number, digest), checksum in zip(records, checksums, strict=True):
        yield Part(number, content_id, end - before, digest, checksum)
        before = end


def extents_between(layout: bytes, offset: int, length: int) -> Iterator[Extent]:
    """The extents, cut to size, that hold these bytes of a manifest."""
    stop = offset + length
    index = _first_record(layout, 0, _EXTENT.size, len(layout) // _EXTENT.size, offset)
    start = _end_before(layout, 0, _EXTENT.size, index)
    while start < stop:
        end, into, digest = _EXTENT.unpack_from(layout, index * _EXTENT.size)
        first, last = max(start, offset), min(end, stop)
        yield Extent(digest, into + first - start, last - first)
        start, index = end, index + 1


def parts_between(layout: bytes, offset: int, length: int) -> Iterator[PartRange]:
    """The parts that hold these bytes, without their checksums, and which range of each."""
    stop = offset + length
    (count,) = _COUNT.unpack_from(layout)
    index = _first_record(layout, _COUNT.size, _PART.size, count, offset)
    start = _end_before(layout, _COUNT.size, _PART.size, index)
    while start < stop:
        end, content_id, number, digest = _PART.unpack_from(layout, _COUNT.size + index * _PART.size)
        first, last = max(start, offset), min(end, stop)
        if last > first:
            yield PartRange(Part(number, content_id, end - start, digest), first - start, last - first)
        start, index = end, index + 1


def _first_record(layout: bytes, base: int, width: int, count: int, offset: int) -> int:
    """The record that holds the byte at `offset`: the first that ends behind it."""
    return bisect_right(range(count), offset, key=lambda index: _end_at(layout, base + index * width))


def _end_before(layout: bytes, base: int, width: int, index: int) -> int:
    return _end_at(layout, base + (index - 1) * width) if index else 0


def _end_at(layout: bytes, position: int) -> int:
    end: int = _END.unpack_from(layout, position)[0]
    return end
