"""Forms with several files: all of them are stored, or none, and nothing is left of those that aren't."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from s3gw.api.upload import MOST_FILES
from tests.access.policies import document, statement
from tests.api.files import Filed, people, share
from tests.api.files import filed as filed
from tests.api.people import refusal
from tests.gateways import of_one_folder
from tests.servers import RunningServer

__all__ = ["filed", "people"]
LONG = os.urandom(1024 * 1024 + 17)
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(20)
Parts = list[tuple[str, bytes]]


def send(filed: Filed, parts: Parts, who: str = "owner", **fields: Any) -> httpx.Response:
    files = [("files", (name, content)) for name, content in parts]
    return filed.people[who].ask("POST", filed.path, data=fields, files=files)


def blobs(server: RunningServer) -> set[Path]:
    return set((Path(server.facts["data"]) / "blobs").glob("??/*-*"))


def nothing_is_left(server: RunningServer, before: set[Path]) -> bool:
    """What was being written when a client left is removed when that is seen; others' bytes may go meanwhile."""
    ends_at = time.monotonic() + 10
    while not (found := blobs(server) <= before) and time.monotonic() < ends_at:
        time.sleep(0.02)
    return found


def test_several_files_are_stored_under_their_names(filed: Filed) -> None:
    parts = [("a.txt", b"hello"), ("x/ä.bin", LONG), ("empty", b""), ("p.png", PNG)]
    answer = send(filed, parts, path="2026/", tags='{"project": "x"}')
    assert answer.status_code == 201, answer.text
    items = answer.json()["items"]
    assert [item["file_path"] for item in items] == ["2026/a.txt", "2026/ä.bin", "2026/empty", "2026/p.png"]
    assert [item["checksum"] for item in items] == [hashlib.sha256(content).hexdigest() for _, content in parts]
    assert items[3]["mime_type"] == "image/png" and items[0]["tags"] == {"project": "x"}
    for item, (_, content) in zip(items, parts, strict=True):
        assert filed.s3.get_object(Bucket=filed.name, Key=item["file_path"])["Body"].read() == content
        assert filed.find(item["file_path"]) == item


def test_each_has_its_own_path_and_checksum_in_their_order(filed: Filed) -> None:
    checksums = [hashlib.sha256(content).hexdigest() for content in (b"1", LONG)]
    answer = send(filed, [("x", b"1"), ("x", LONG)], path=["b/1", "a/2"], checksum=checksums)
    assert [item["file_path"] for item in answer.json()["items"]] == ["b/1", "a/2"]
    assert send(filed, [("only", b"1")]).json()["items"][0]["file_path"] == "only"


@pytest.mark.parametrize(
    ("parts", "fields", "told"),
    [
        ([("a", b"1"), ("a", b"2")], {}, (422, "VALIDATION_ERROR")),
        ([("a", b"1"), ("", b"2")], {}, (422, "VALIDATION_ERROR")),
        ([("a", b"1"), ("b", b"2")], {"path": "one"}, (422, "VALIDATION_ERROR")),
        ([("a", b"1"), ("b", b"2")], {"path": ["1", "2", "3"]}, (422, "VALIDATION_ERROR")),
        ([("a", LONG), ("b", b"2")], {"checksum": ["0" * 64] * 2}, (422, "VALIDATION_ERROR")),
        ([("a", LONG), ("b", LONG[1:]), ("taken", b"2")], {}, (409, "FILE_ALREADY_EXISTS")),
        ([("a", LONG), ("denied", LONG[1:]), ("b", b"2")], {}, (403, "PERMISSION_DENIED")),
        ([("a", LONG), ("b", b"x" * 1_500_000)], {}, (413, "QUOTA_EXCEEDED")),
        ([(f"{number}", b"") for number in range(MOST_FILES + 1)], {}, (422, "VALIDATION_ERROR")),
    ],
    ids=["twice", "nameless", "one path", "too many paths", "checksum", "taken", "denied", "quota", "too many"],
)
@of_one_folder
def test_where_one_is_refused_none_is_stored(
    filed: Filed, server: RunningServer, parts: Parts, fields: dict[str, Any], told: tuple[int, str]
) -> None:
    filed.put("taken")
    deny = statement("Deny", Action="s3:PutObject", Resource=f"arn:aws:s3:::{filed.name}/denied")
    filed.s3.put_bucket_policy(Bucket=filed.name, Policy=document(deny))
    filed.owner.ask("PUT", f"/buckets/{filed.id}", json={"storage_quota": 2_000_000})
    before = blobs(server)
    assert refusal(send(filed, parts, **fields)) == told
    assert filed.listed() == ["taken"] and nothing_is_left(server, before)
    usage = filed.owner.ask("GET", f"/buckets/{filed.id}/storage").json()
    assert usage["objects"] == 1


def test_the_most_files_of_a_form_are_stored(filed: Filed) -> None:
    parts = [(f"{number:03}", b"x" * number) for number in range(MOST_FILES)]
    answer = send(filed, parts)
    assert answer.status_code == 201 and len(filed.listed()) == MOST_FILES
    assert refusal(send(filed, [*parts[1:], ("new", b"")])) == (409, "FILE_ALREADY_EXISTS")
    assert send(filed, parts, overwrite="true").status_code == 201


@of_one_folder
def test_a_form_that_breaks_off_stores_nothing(filed: Filed, server: RunningServer) -> None:
    head = '--b\r\nContent-Disposition: form-data; name="files"; filename="{}"\r\n\r\n'
    whole = head.format("a").encode() + LONG + b"\r\n" + head.format("b").encode() + LONG
    before = blobs(server)

    def broken() -> Iterator[bytes]:
        yield whole
        raise ValueError

    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    with pytest.raises(ValueError, match=r"^$"):
        filed.owner.ask("POST", filed.path, content=broken(), headers=kind)
    for body in (whole, whole + b"\r\n--b", whole + b"\r\n--c--\r\n"):
        assert filed.owner.ask("POST", filed.path, content=body, headers=kind).status_code == 422
    assert filed.listed() == [] and nothing_is_left(server, before)


def test_one_and_several_do_not_mix(filed: Filed) -> None:
    for names in (("file", "files"), ("files", "file"), ("file", "file")):
        parts = [(name, (name, b"x")) for name in names]
        assert filed.owner.ask("POST", filed.path, files=parts).status_code == 422, names
    assert filed.listed() == []


def test_several_are_for_who_may_put_each(filed: Filed) -> None:
    share(filed, "writer", {"permission": "write", "prefix": "a/"})
    assert send(filed, [("1", b"1"), ("2", b"2")], "writer", path="a/").status_code == 201
    assert send(filed, [("1", b"1"), ("2", b"2")], "writer", path=["a/3", "b/1"]).status_code in (403, 404)
    assert refusal(send(filed, [("1", b"1")], "stranger")) == (404, "NOT_FOUND")
    assert filed.listed() == ["a/1", "a/2"]
