"""What the `layout` column holds. That ranges read rightly is tested in tests/content."""

from __future__ import annotations

import pytest

from s3gw.metadata import layout
from s3gw.metadata.layout import Part

DIGEST = bytes(32)


@pytest.mark.parametrize("checksums", [(None, None, None), ("a", None, "c"), ("a", "b", "c")])
def test_part_lists_keep_what_each_part_has(checksums: tuple[str | None, ...]) -> None:
    parts = [Part(number, 7, number * 10, DIGEST, checksum) for number, checksum in enumerate(checksums, 1)]
    assert list(layout.parts_of(layout.encode_parts(parts))) == parts


def test_empty_parts_are_in_no_range() -> None:
    parts = [Part(number, 7, size, DIGEST) for number, size in enumerate((0, 5, 0, 0, 5, 0), 1)]
    encoded = layout.encode_parts(parts)
    for offset, length, numbers in ((0, 10, [2, 5]), (4, 2, [2, 5]), (5, 1, [5]), (0, 5, [2])):
        assert [covered.part.part_number for covered in layout.parts_between(encoded, offset, length)] == numbers


@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_any_byte_is_found_in_its_part(count: int) -> None:
    encoded = layout.encode_parts([Part(number, 7, 10, DIGEST) for number in range(count)])
    for offset in range(count * 10):
        (covered,) = layout.parts_between(encoded, offset, 1)
        assert (covered.part.part_number, covered.offset, covered.length) == (offset // 10, offset % 10, 1)
