"""What archives may be, to the byte: how large is what is in them, and how much more than they are themselves."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from s3gw.archives import unpack
from s3gw.archives.stored_zip import LARGEST_DIRECTORY, BadArchive
from s3gw.archives.unpack import Bounds, unpacked
from tests.made_archives import tar_of, zip_of

WIDE = Bounds(500, 1 << 30)


def read(body: bytes, bounds: Bounds = WIDE) -> dict[str, bytes]:
    found = {}
    for file in unpacked(io.BytesIO(body), len(body), bounds):
        pieces = []
        while piece := file.read(100_000):
            pieces.append(piece)
        found[file.path] = b"".join(pieces)
    return found


def refused(body: bytes, bounds: Bounds = WIDE) -> str:
    with pytest.raises(BadArchive) as raised:
        read(body, bounds)
    return str(raised.value)


@pytest.mark.parametrize("kind", [zip_of, tar_of], ids=["zip", "tar"])
def test_files_and_bytes_are_bounded_together(kind: type[bytes]) -> None:
    files = {"a": b"x" * 600, "b": b"y" * 401}
    assert read(kind(files), Bounds(2, 1001)) == files  # type: ignore[arg-type]
    assert refused(kind(files), Bounds(2, 1000)) == "its files are too large together"  # type: ignore[arg-type]
    assert refused(kind(files), Bounds(1, 1001)) == "it has more than 1 files"  # type: ignore[arg-type]


def test_more_than_16_mib_may_be_200_times_the_archive_and_no_byte_more() -> None:
    small = zip_of({"a": bytes(unpack._RATIO_FROM)})
    assert len(small) * unpack._MOST_RATIO < unpack._RATIO_FROM
    assert len(read(small)["a"]) == unpack._RATIO_FROM
    assert refused(zip_of({"a": bytes(unpack._RATIO_FROM + 1)})) == "its files are too large together"
    noise = os.urandom(100_000)
    body = gzip.compress(tar_of({"a": noise, "b": bytes(17 << 20)}), 9)
    assert (17 << 20) + len(noise) <= len(body) * unpack._MOST_RATIO
    assert len(read(body)["b"]) == 17 << 20
    over = gzip.compress(tar_of({"a": noise, "b": bytes(24 << 20)}), 9)
    assert len(over) * unpack._MOST_RATIO < 24 << 20 and "too large" in refused(over)


def test_a_header_of_a_tar_has_4096_bytes_at_most() -> None:
    most = unpack._LARGEST_HEADER
    comments = {size: tar_of({"a": b"1"}, pax_headers={"comment": "x" * size}) for size in (most - 100, most)}
    assert read(comments[most - 100]) == {"a": b"1"}
    assert refused(comments[most]) == "a header of it is too long"
    one = tarfile.TarInfo("x")
    one.type, one.size = tarfile.XHDTYPE, 512
    nested = one.tobuf(tarfile.USTAR_FORMAT) + b"12 path=abc\n".ljust(512, b"\0")
    assert refused(nested * 5, Bounds(1, 1000)) == "a header of it is too long"
    assert "broken" in refused(nested * 2000)


def test_a_zip_whose_directory_is_larger_than_any_is_not_read() -> None:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for number in range(10):
            archive.writestr(f"{number}".ljust(60_000), b"")
        archive.comment = b"x" * 60_000
    assert len(read(body.getvalue())) == 10
    end = body.getvalue().rindex(b"PK\x05\x06")
    for size, told in ((LARGEST_DIRECTORY, "broken"), (LARGEST_DIRECTORY + 1, "it has too many files")):
        padded = bytes(2 * LARGEST_DIRECTORY) + body.getvalue()[end:]
        at = 2 * LARGEST_DIRECTORY + 12
        padded = b"PK\x03\x04" + padded[4:at] + size.to_bytes(4, "little") + padded[at + 4 :]
        assert told in refused(padded)


def test_entries_that_share_their_bytes_are_refused_though_each_is_right() -> None:
    alone = zip_of({"b": b"1"}, zipfile.ZIP_STORED)
    body = zip_of({"a": alone[: alone.index(b"PK\x01\x02")], "b": b"1"}, zipfile.ZIP_STORED)
    place = body.index(b"b", body.rindex(b"PK\x01\x02")) - 4  # of the second's header, in the directory
    within = body.index(b"PK\x03\x04", 4)
    shared = body[:place] + within.to_bytes(4, "little") + body[place + 4 :]
    assert read(body).keys() == {"a", "b"}
    assert refused(shared) == "its entries overlap"


def of_size(number: int) -> bytes:
    """A tar whose first file says that it has so many bytes, as GNU tar writes large numbers."""
    body = bytearray(tar_of({"a": b"", "b": b"1"}))
    start = bytes(body).index(b"0" * 11, 120)
    body[start : start + 12] = (number % 256**12 | 0x80 << 88).to_bytes(12, "big")
    body[148:156] = b" " * 8
    body[148:156] = b"%06o\0 " % sum(body[:512])
    return bytes(body)


@pytest.mark.parametrize("size", [-1, -512, -1024, -(2**62), "-1", "-512", "-1000000000000000"])
def test_a_file_of_less_than_no_bytes_makes_no_room_for_others(size: int | str) -> None:
    if isinstance(size, int):
        assert refused(of_size(size)) == "'a' is broken"
    else:
        assert refused(tar_of({"b": b"", "a": b""}, pax_headers={"size": size})) == "'a' is broken"


def test_a_zip_that_leads_to_before_its_beginning_is_broken(tmp_path: Path) -> None:
    """In a file of the operating system, which says it as it says what is wrong with a disk."""
    good = zip_of({"a": b"1"})
    place = int.from_bytes(good[-6:-2], "little")
    with (tmp_path / "zip").open("w+b") as file:
        file.write(good[:-6] + (place + 5).to_bytes(4, "little") + good[-2:])
        file.seek(0)
        files = unpacked(file, len(good), WIDE)  # its zip is closed with it
        found = next(files)
        with pytest.raises(BadArchive, match="'a' is broken"):
            found.read(1)


def test_a_file_without_a_name_is_none() -> None:
    good = zip_of({"x": b"1"})
    line = good.index(b"PK\x01\x02")
    nameless = good[: line + 28] + b"\0\0" + good[line + 30 : line + 46] + good[line + 47 :]
    end = nameless.index(b"PK\x05\x06")
    nameless = nameless[: end + 12] + (end - line).to_bytes(4, "little") + nameless[end + 16 :]
    assert refused(nameless) == "a file of it has no name"
