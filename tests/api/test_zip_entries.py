"""What is in a stored zip, and one entry of it, whatever whoever made it wrote into it."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zipfile
import zlib
from typing import Any

import httpx
import pytest

from s3gw.archives import stored_zip
from s3gw.archives.stored_zip import StoredZip
from tests.api.files import Filed, people
from tests.api.files import filed as filed
from tests.made_archives import zip_of

__all__ = ["filed", "people"]
LONG = os.urandom(600_000)
ONE = zip_of({"a": b"1"}, zipfile.ZIP_STORED)
TEXT = b"the same line again\n" * 40_000


def entries(filed: Filed, body: bytes, **params: Any) -> httpx.Response:
    where = f"{filed.path}/{filed.put('a.zip', body)['id']}"
    return filed.owner.ask("GET", f"{where}/entries", params=params)


def entry(filed: Filed, body: bytes, name: str) -> httpx.Response:
    where = f"{filed.path}/{filed.put('a.zip', body)['id']}"
    return filed.owner.ask("GET", f"{where}/entry", params={"name": name})


def test_entries_are_listed_a_page_at_a_time(filed: Filed) -> None:
    body = zip_of({"a": b"1", "b/": b"", "b/ä.txt": TEXT}, method=zipfile.ZIP_DEFLATED)
    told = entries(filed, body, per_page=2).json()
    assert (told["total"], [item["name"] for item in told["items"]]) == (3, ["a", "b/"])
    assert [item["is_folder"] for item in told["items"]] == [False, True]
    rest = entries(filed, body, per_page=2, cursor=told["next_cursor"]).json()
    assert [(item["name"], item["size"]) for item in rest["items"]] == [("b/ä.txt", len(TEXT))]
    assert rest["next_cursor"] is None and rest["items"][0]["compressed_size"] < 5000


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_entry_comes_alone(filed: Filed, method: int) -> None:
    files = {"empty": b"", "long": LONG, "in/ä.txt": TEXT, "<x>.html": b"<script>alert(1)</script>"}
    body = zip_of(files, method=method)
    for name, content in files.items():
        answer = entry(filed, body, name)
        assert (answer.status_code, answer.content == content) == (200, True)
        assert answer.headers["Content-Length"] == str(len(content))
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert entry(filed, body, "nothing").status_code == entry(filed, body, "in/").status_code == 404


def test_an_entry_is_for_who_may_read_the_zip(filed: Filed) -> None:
    where = f"{filed.path}/{filed.put('a.zip', zip_of({'a': b'1'}))['id']}"
    for path in (f"{where}/entry?name=a", f"{where}/entries"):
        assert filed.ask("stranger", "GET", path) == (404, "NOT_FOUND")
        assert filed.ask("nobody", "GET", path) == (401, "AUTHENTICATION_FAILED")


def test_of_several_with_a_name_it_is_the_last(filed: Filed) -> None:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("a", b"first")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"last")
    assert entry(filed, body.getvalue(), "a").content == b"last"


def test_zip64_is_read(filed: Filed) -> None:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive, archive.open("a", "w", force_zip64=True) as opened:
        opened.write(LONG)
    assert entry(filed, body.getvalue(), "a").content == LONG


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"PK\x05\x06",
        LONG,
        ONE[:-30],
        b"PK\x05\x06" + b"\xff" * 18,
        b"\0" * 70_000,
    ],
    ids=["empty", "short", "end", "long", "cut", "all ones", "zeros"],
)
def test_what_is_no_zip_is_told_to_be_none(filed: Filed, body: bytes) -> None:
    for answer in (entries(filed, body), entry(filed, body, "a")):
        assert (answer.status_code, answer.json()["error_code"]) == (422, "VALIDATION_ERROR")


def changed(body: bytes, at: int, form: str, value: int) -> bytes:
    """A number of the first line of the directory is another."""
    start = body.index(b"PK\x01\x02") + at
    return body[:start] + struct.pack(form, value) + body[start + struct.calcsize(form) :]


LONG_ZIP = zip_of({"a": LONG}, method=zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (changed(ONE, 16, "<I", 1), "a"),
        (changed(ONE, 8, "<H", 1), "a"),
        (changed(ONE, 10, "<H", zipfile.ZIP_LZMA), "a"),
        (changed(ONE, 10, "<H", zipfile.ZIP_DEFLATED), "a"),
        (changed(ONE, 24, "<I", 0), "a"),
        (changed(ONE, 42, "<I", 7), "a"),
        (changed(ONE, 42, "<I", 1 << 30), "a"),
        (ONE.replace(b"a", b"b", 1), "a"),
    ],
    ids=["crc", "encrypted", "lzma", "no deflate", "too short", "elsewhere", "outside", "another name"],
)
def test_an_entry_that_is_not_as_the_zip_says_is_refused(filed: Filed, body: bytes, name: str) -> None:
    answer = entry(filed, body, name)
    assert (answer.status_code, answer.json()["error_code"]) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "body",
    [
        changed(LONG_ZIP, 16, "<I", zlib.crc32(b"other")),
        changed(LONG_ZIP, 24, "<I", len(LONG) + 1),
        changed(LONG_ZIP, 24, "<I", len(LONG) - 1),
        LONG_ZIP[:300_000] + b"\xff" * 64 + LONG_ZIP[300_064:],
    ],
    ids=["crc", "longer", "shorter", "broken in the middle"],
)
def test_a_long_entry_that_turns_out_wrong_has_no_clean_end(filed: Filed, body: bytes) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        entry(filed, body, "a")


def test_a_bomb_gives_no_more_than_it_says(filed: Filed) -> None:
    body = changed(zip_of({"a": bytes(20_000_000)}, method=zipfile.ZIP_DEFLATED), 24, "<I", 1000)
    assert entry(filed, body, "a").status_code == 422


def test_a_directory_has_so_many_bytes_at_most(filed: Filed) -> None:
    most = stored_zip.LARGEST_DIRECTORY
    line = zip_of({"a" * 100: b""})
    line = line[line.index(b"PK\x01\x02") : line.index(b"PK\x05\x06")]
    for count, status in ((most // len(line), 200), (most // len(line) + 1, 422)):
        end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, count * len(line), 0, 0)
        assert entries(filed, line * count + end, per_page=1).status_code == status
    far = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, 0xFFFF_FFF0, 0, 0)
    assert entries(filed, line + far).status_code == 422


@pytest.mark.anyio
async def test_while_an_entry_is_sent_the_others_take_no_memory() -> None:
    body = zip_of({f"in/{number}": b"" for number in range(3000)} | {"a": b"1"})

    async def fetch(offset: int, length: int) -> bytes:
        return body[offset : offset + length]

    archive = StoredZip(len(body), fetch)
    tracemalloc.start()
    try:
        found = await archive.find("a")
        assert found is not None
        pieces = archive.read(found)
        assert await anext(pieces) == b"1"
        assert tracemalloc.get_traced_memory()[0] < 300_000
    finally:
        tracemalloc.stop()
    await pieces.aclose()


def test_an_entry_without_a_name_is_listed_and_is_no_folder(filed: Filed) -> None:
    good = zip_of({"x": b"1"})
    line = good.index(b"PK\x01\x02")
    nameless = good[: line + 28] + b"\0\0" + good[line + 30 : line + 46] + good[line + 47 :]
    end = nameless.index(b"PK\x05\x06")
    nameless = nameless[: end + 12] + (end - line).to_bytes(4, "little") + nameless[end + 16 :]
    (told,) = entries(filed, nameless).json()["items"]
    assert (told["name"], told["is_folder"]) == ("", False)


def test_an_entry_before_the_beginning_of_the_zip_is_refused(filed: Filed) -> None:
    place = int.from_bytes(ONE[-6:-2], "little")
    answer = entry(filed, ONE[:-6] + (place + 5).to_bytes(4, "little") + ONE[-2:], "a")
    assert (answer.status_code, answer.json()["error_code"]) == (422, "VALIDATION_ERROR")
