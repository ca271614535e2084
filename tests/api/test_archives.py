"""Many files as one zip: whose files are in it, what they are called there, and how it ends."""

from __future__ import annotations

import io
import os
import subprocess
import zipfile
import zlib
from typing import Any

import httpx
import pytest

from s3gw.archives.entry_names import EntryNames
from tests.access.policies import document, statement
from tests.api.files import Filed, people, share, shared_bucket
from tests.api.files import filed as filed

__all__ = ["filed", "people", "shared_bucket"]
LONG = os.urandom(3 * 1024 * 1024 + 17)
TEXT = b"the same line again\n" * 40_000


def folder(filed: Filed, prefix: str = "", who: str = "owner") -> httpx.Response:
    return filed.people[who].ask("GET", f"/buckets/{filed.id}/archive", params={"prefix": prefix})


def chosen(filed: Filed, ids: list[str], who: str = "owner") -> httpx.Response:
    return filed.people[who].ask("POST", f"/buckets/{filed.id}/archive", json={"files": ids})


def unpacked(answer: httpx.Response) -> dict[str, bytes]:
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        return {info.filename: archive.read(info) for info in archive.infolist()}


def test_a_folder_comes_with_all_that_is_below_it(filed: Filed) -> None:
    bodies = {"a.txt": TEXT, "ä/€.bin": LONG, "ä/empty": b"", "z": b"hello"}
    for name, body in bodies.items():
        filed.s3.put_object(Bucket=filed.name, Key=f"docs/{name}", Body=body, ContentType="text/plain")
    filed.s3.put_object(Bucket=filed.name, Key="docs/none/", Body=b"")
    filed.s3.put_object(Bucket=filed.name, Key="docs2/x", Body=b"beside it")
    answer = folder(filed, "docs/")
    assert unpacked(answer) == {**bodies, "none/": b""}
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="docs.zip"'
    assert len(answer.content) < len(LONG) + 60_000  # the text is compressed
    assert unpacked(folder(filed, "docs/ä")).keys() == {"ä/€.bin", "ä/empty"}
    assert unpacked(folder(filed)).keys() >= {"docs/a.txt", "docs2/x"}
    assert unpacked(folder(filed, "nothing/")) == {}


def test_who_reads_it_as_it_arrives_finds_where_each_file_ends(filed: Filed) -> None:
    """As java.util.zip and libarchive do: by the end of what was deflated, and the lengths behind it."""
    filed.s3.put_object(Bucket=filed.name, Key="a.bin", Body=LONG)
    data = folder(filed).content
    assert data[:4] == b"PK\x03\x04" and int.from_bytes(data[8:10], "little") == zipfile.ZIP_DEFLATED
    start = 30 + int.from_bytes(data[26:28], "little") + int.from_bytes(data[28:30], "little")
    inflated = zlib.decompressobj(-15)
    assert inflated.decompress(data[start:]) == LONG and inflated.eof
    behind = inflated.unused_data
    assert behind[:8] == b"PK\x07\x08" + zlib.crc32(LONG).to_bytes(4, "little")


def test_other_programs_unpack_it_too(filed: Filed, tmp_path: Any) -> None:
    for key, body in {"a/b.bin": LONG, "a/ä.txt": TEXT, "a/c": b""}.items():
        filed.s3.put_object(Bucket=filed.name, Key=key, Body=body)
    (tmp_path / "x.zip").write_bytes(folder(filed, "a/").content)
    try:
        done = subprocess.run(["unzip", "-tq", tmp_path / "x.zip"], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no unzip")
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_name_leads_out_of_the_folder_and_none_into_another(filed: Filed, tmp_path: Any) -> None:
    keys = ["../up", "..", "/root", "a//b", "a/./c", "a\\..\\b", "a_.._b", "C:\\x", "nl\n", "x", "x/y", "x/", "x (2)"]
    keys += ["n" * 300 + ".txt", "n" * 301 + ".txt", "deep/" * 150 + "z", "...", "e/", "e/f"]
    for number, key in enumerate(keys):
        filed.s3.put_object(Bucket=filed.name, Key=key, Body=b"" if key == "e/" else f"{number}".encode())
    found = unpacked(folder(filed))
    assert sorted(body for body in found.values() if body) == sorted(
        f"{number}".encode() for number, key in enumerate(keys) if key != "e/"
    )
    for name in found:
        segments = name.rstrip("/").split("/")
        assert not name.startswith("/") and "\\" not in name and "\n" not in name and ":" not in name
        assert all(segment.strip(". ") and len(segment.encode()) <= 255 for segment in segments), name
    (tmp_path / "out").mkdir()
    with zipfile.ZipFile(io.BytesIO(folder(filed).content)) as archive:
        archive.extractall(tmp_path / "out")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) == len(keys) - 1
    assert found["x"] == f"{keys.index('x')}".encode() and found["e/f"]


def test_names_have_a_number_where_they_would_be_the_same() -> None:
    names = EntryNames()
    paths = ["\x01", "\x02", "_ (2)", "a", "a/b", "a/b/c", "a0.tar.gz", "a\x01.gz", "a\x02.gz"]
    assert [names.of(path) for path in paths] == [
        *("_", "_ (2)", "_ (2) (2)", "a", "a (2)/b", "a (2)/b (2)/c", "a0.tar.gz", "a_.gz", "a_ (2).gz")
    ]
    assert [names.of("z" * 256), names.of("z" * 257)] == ["z" * 255, "z" * 251 + " (2)"]


def test_what_may_not_be_read_is_not_in_it(filed: Filed) -> None:
    for key in ("a/1", "a/secret", "b/1"):
        filed.put(key, key.encode())
    share(filed, "reader", {"permission": "read", "prefix": "a/"})
    assert unpacked(folder(filed, "a/", "reader")) == {"1": b"a/1", "secret": b"a/secret"}
    deny = statement("Deny", Action="s3:GetObject", Resource=f"arn:aws:s3:::{filed.name}/a/s*")
    filed.s3.put_bucket_policy(Bucket=filed.name, Policy=document(deny))
    assert unpacked(folder(filed, "a/", "reader")) == {"1": b"a/1"}
    assert filed.ask("reader", "GET", f"/buckets/{filed.id}/archive")[0] == 403
    assert filed.ask("stranger", "GET", f"/buckets/{filed.id}/archive") == (404, "NOT_FOUND")
    assert filed.ask("nobody", "GET", f"/buckets/{filed.id}/archive") == (401, "AUTHENTICATION_FAILED")


def test_a_choice_of_files_is_all_of_them_or_none(filed: Filed) -> None:
    one, two, other = filed.put("2026/1.jpg", b"1"), filed.put("2026/x/2.jpg", b"2"), filed.put("b", b"3")
    ids = [two["id"], one["id"], one["id"]]
    answer = chosen(filed, ids)
    assert unpacked(answer) == {"1.jpg": b"1", "x/2.jpg": b"2"}
    assert answer.headers["Content-Disposition"] == 'attachment; filename="2026.zip"'
    assert unpacked(chosen(filed, [one["id"]])) == {"1.jpg": b"1"}
    assert unpacked(chosen(filed, [one["id"], other["id"]])).keys() == {"2026/1.jpg", "b"}
    nothing = "00000000-0000-4000-8000-000000000000"
    assert chosen(filed, [one["id"], nothing]).status_code == 404
    share(filed, "reader", {"permission": "read", "prefix": "2026/"})
    assert unpacked(chosen(filed, ids, "reader")).keys() == {"1.jpg", "x/2.jpg"}
    assert chosen(filed, [*ids, other["id"]], "reader").status_code == 404
    assert chosen(filed, []).status_code == chosen(filed, ["x"]).status_code == 422
    assert chosen(filed, [one["id"]] * 1001).status_code == 422
    assert filed.ask("nobody", "POST", f"/buckets/{filed.id}/archive", json={"files": ids})[0] == 401
