"""Archives that are unpacked into files: all of them or none, whatever whoever made them wrote into them."""

from __future__ import annotations

import hashlib
import os
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from s3gw.config import Settings
from tests.access.policies import document, statement
from tests.api.files import Filed, people, share
from tests.api.files import filed as filed
from tests.api.people import refusal
from tests.gateways import of_one_folder
from tests.made_archives import tar_of, zip_of
from tests.servers import RunningServer

__all__ = ["filed", "people"]
LONG = os.urandom(600_000)
MOST = Settings.model_fields["max_unpack_files"].default
INVALID = (422, "VALIDATION_ERROR")


def unpack(filed: Filed, body: bytes, who: str = "owner", **params: str) -> httpx.Response:
    return filed.people[who].ask("POST", f"/buckets/{filed.id}/unpack", params=params, content=body)


def blobs(server: RunningServer) -> set[Path]:
    return set((Path(server.facts["data"]) / "blobs").glob("??/*-*"))


def changed(body: bytes, at: int, form: str, value: int) -> bytes:
    """A number of the first line of a zip's directory is another."""
    start = body.index(b"PK\x01\x02") + at
    return body[:start] + struct.pack(form, value) + body[start + struct.calcsize(form) :]


FILES = {"a.txt": b"hello", "ä/b.bin": LONG, "ä/empty": b"", "p/": b"", "p/./c.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"}
ARCHIVES = {
    "zip": zip_of(FILES),
    "stored": zip_of(FILES, zipfile.ZIP_STORED),
    "tar": tar_of({name: content for name, content in FILES.items() if name != "p/"} | {"./z": b"z" * 2000}),
    "tar.gz": tar_of({f"./{name}": content for name, content in FILES.items() if name != "p/"}, "w:gz"),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_its_files_are_below_the_folder(filed: Filed, kind: str) -> None:
    answer = unpack(filed, ARCHIVES[kind], path="in/x")
    assert answer.status_code == 201, answer.text
    expected = {f"in/x/{name.replace('./', '')}": content for name, content in FILES.items() if name != "p/"}
    if kind == "tar":
        expected["in/x/z"] = b"z" * 2000
    items = {item["file_path"]: item for item in answer.json()["items"]}
    assert items.keys() == expected.keys() == set(filed.listed())
    for key, content in expected.items():
        assert filed.s3.get_object(Bucket=filed.name, Key=key)["Body"].read() == content
        assert items[key]["checksum"] == hashlib.sha256(content).hexdigest()
    assert items["in/x/p/c.png"]["mime_type"] == "image/png"
    assert items["in/x/a.txt"]["mime_type"].startswith("text/plain")


def test_a_folder_with_nothing_before_it_and_a_long_name_in_it(filed: Filed) -> None:
    name = "ö" * 90 + "/" + "x" * 150
    for body in (zip_of({name: b"1"}), tar_of({name: b"2"})):
        assert unpack(filed, body, overwrite="true").status_code == 201
    assert filed.listed() == [name]


ONE_BYTE = zip_of({"a": LONG, "b": b"1"})
BAD: dict[str, bytes] = {
    "nothing": b"",
    "no archive": LONG,
    "a cut zip": zip_of({"a": LONG})[:-30],
    "a cut tar": tar_of({"a": b"1", "b": LONG})[:200_000],
    "a cut tar.gz": tar_of({"a": b"1", "b": LONG}, "w:gz")[:200_000],
    "no file": zip_of({"a/": b""}),
    "no file in a tar": tar_of({}),
    "up": zip_of({"a": b"1", "../b": b"2"}),
    "up in a tar": tar_of({"a": b"1", "x/../../b": b"2"}),
    "root": tar_of({"a": b"1", "/etc/b": b"2"}),
    "a backslash": zip_of({"a": b"1", "..\\b": b"2"}),
    "a drive": zip_of({"a": b"1", "C:b": b"2"}),
    "a control character": tar_of({"a": b"1", "b\n": b"2"}),
    "no text": tar_of({"a": b"1", "b\udcff": b"2"}),
    "twice": tar_of({"a": b"1", "./a": b"2"}),
    "a symbolic link": tar_of({"a": LONG, "b": b""}, type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "a hard link": tar_of({"a": LONG, "b": b""}, type=tarfile.LNKTYPE, linkname="a"),
    "a device": tar_of({"a": LONG, "b": b""}, type=tarfile.CHRTYPE),
    "a pipe": tar_of({"a": LONG, "b": b""}, type=tarfile.FIFOTYPE),
    "a link in a zip": changed(zip_of({"b": b"/etc"}), 38, "<I", 0o120777 << 16),
    "an encrypted entry": changed(ONE_BYTE, 8, "<H", 1),
    "another method": changed(ONE_BYTE, 10, "<H", zipfile.ZIP_LZMA),
    "another CRC": changed(ONE_BYTE, 16, "<I", 1),
    "longer than it says": changed(ONE_BYTE, 24, "<I", len(LONG) - 1),
    "shorter than it says": changed(ONE_BYTE, 24, "<I", len(LONG) + 1),
    "overlapping": ONE_BYTE[: ONE_BYTE.rindex(b"PK\x01\x02")]
    + ONE_BYTE[ONE_BYTE.rindex(b"PK\x01\x02") :].replace(
        struct.pack("<I", ONE_BYTE.rindex(b"PK\x03\x04")), struct.pack("<I", 0)
    ),
    "too many": zip_of({f"{number}": b"" for number in range(MOST + 1)}),
    "too many in a tar": tar_of({f"{number}": b"" for number in range(MOST + 1)}, "w:gz"),
    "a bomb": zip_of({"a": bytes(20_000_000)}),
    "a bomb of many": zip_of({f"{number}": bytes(400_000) for number in range(50)}),
    "a bomb in a tar": tar_of({"a": bytes(20_000_000)}, "w:gz"),
    "a header of megabytes": tar_of({"a": b"1", "b": b"2"}, "w:gz", pax_headers={"comment": "1" * 2_000_000}),
    "an end in the middle": tar_of({"a": b"1"})[:1024] + b"x" * 512 + tar_of({"b": b"1"}),
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
@of_one_folder
def test_one_that_is_not_as_it_should_be_leaves_nothing(filed: Filed, server: RunningServer, body: bytes) -> None:
    before = blobs(server)
    answer = unpack(filed, body)
    assert refusal(answer) == INVALID, answer.text
    assert answer.json()["detail"].startswith("the archive can't be unpacked: ")
    assert filed.listed() == [] and blobs(server) == before


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"a": LONG, "taken": b"2"}, (409, "FILE_ALREADY_EXISTS")),
        ({"a": LONG, "denied": b"2"}, (403, "PERMISSION_DENIED")),
        ({"a": LONG, "b": LONG[1:], "c": LONG[2:], "d": LONG[3:]}, (413, "QUOTA_EXCEEDED")),
        ({"a": LONG, "x" * 1025: b"1"}, INVALID),
    ],
    ids=["taken", "denied", "quota", "too long a name"],
)
@of_one_folder
def test_where_one_file_is_refused_none_is_stored(
    filed: Filed, server: RunningServer, files: dict[str, bytes], told: tuple[int, str]
) -> None:
    filed.put("taken")
    deny = statement("Deny", Action="s3:PutObject", Resource=f"arn:aws:s3:::{filed.name}/denied")
    filed.s3.put_bucket_policy(Bucket=filed.name, Policy=document(deny))
    filed.owner.ask("PUT", f"/buckets/{filed.id}", json={"storage_quota": 2_000_000})
    before = blobs(server)
    for body in (zip_of(files), tar_of(files)):
        assert refusal(unpack(filed, body)) == told
    assert filed.listed() == ["taken"] and blobs(server) == before


def test_the_most_files_are_unpacked(filed: Filed) -> None:
    files = {f"{number:03}": b"x" for number in range(MOST)}
    assert unpack(filed, zip_of(files)).status_code == 201
    assert len(filed.listed()) == MOST
    assert unpack(filed, tar_of(files, "w:gz"), overwrite="true").status_code == 201


def test_one_that_breaks_off_leaves_nothing(filed: Filed) -> None:
    def broken() -> Iterator[bytes]:
        yield ARCHIVES["zip"][:400_000]
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        filed.owner.ask("POST", f"/buckets/{filed.id}/unpack", content=broken())
    assert filed.listed() == []


def test_it_is_for_who_may_put_each_file(filed: Filed) -> None:
    share(filed, "writer", {"permission": "write", "prefix": "a/"})
    body = zip_of({"1": b"1", "x/2": b"2"})
    assert unpack(filed, body, "writer", path="a").status_code == 201
    assert refusal(unpack(filed, body, "writer", path="b"))[0] in (403, 404)
    assert refusal(unpack(filed, body, "stranger")) == (404, "NOT_FOUND")
    assert refusal(unpack(filed, body, "auditor")) == (403, "PERMISSION_DENIED")
    assert filed.ask("nobody", "POST", f"/buckets/{filed.id}/unpack", content=body) == (401, "AUTHENTICATION_FAILED")
    assert filed.listed() == ["a/1", "a/x/2"]
