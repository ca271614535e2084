"""Uploads to the JSON API, raw and as forms: what is stored is what S3 reads, and what is refused leaves nothing."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from s3gw.operations.file_type import FIRST, TEXT, UNKNOWN, type_of
from tests.access.policies import document, statement
from tests.api.files import Filed, filed, people, shared_bucket  # noqa: F401  (fixtures)
from tests.api.people import refusal
from tests.servers import RunningServer

CREATED = (201, "")
UNKNOWN_CALLER, HIDDEN, FORBIDDEN = (401, "AUTHENTICATION_FAILED"), (404, "NOT_FOUND"), (403, "PERMISSION_DENIED")
WHO = {
    "nobody": UNKNOWN_CALLER,
    "stranger": HIDDEN,
    "reader": FORBIDDEN,
    "writer": CREATED,
    "manager": CREATED,
    "prefix-reader": FORBIDDEN,  # he sees the bucket
    "owner": CREATED,
    "auditor": FORBIDDEN,
    "admin": CREATED,
}
LONG = os.urandom(3 * 1024 * 1024 + 17)  # more than a body of JSON may have, and several pieces
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(20)


def form(filed: Filed, content: bytes = b"hello", name: str = "a.txt", **fields: str) -> httpx.Response:  # noqa: F811
    return filed.owner.ask("POST", filed.path, data=fields, files={"file": (name, content)})


def stored(filed: Filed, key: str) -> bytes:  # noqa: F811
    body: bytes = filed.s3.get_object(Bucket=filed.name, Key=key)["Body"].read()
    return body


@pytest.mark.parametrize("who", WHO)
def test_who_may_write_uploads(shared_bucket: Filed, who: str) -> None:  # noqa: F811
    query = {"path": f"b/of-{who}"}
    assert shared_bucket.ask(who, "POST", shared_bucket.path, params=query, content=b"x") == WHO[who]
    assert (f"b/of-{who}" in shared_bucket.listed()) == (WHO[who] == CREATED)


@pytest.mark.parametrize("content", [b"", b"hello", LONG], ids=["empty", "short", "long"])
def test_what_is_uploaded_raw_is_an_object_of_s3(filed: Filed, content: bytes) -> None:  # noqa: F811
    answer = filed.upload("2026/a.bin", content, headers={"Content-Type": "image/jpeg"})
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert (found["file_path"], found["filename"], found["file_size"]) == ("2026/a.bin", "a.bin", len(content))
    assert (found["checksum"], found["mime_type"]) == (hashlib.sha256(content).hexdigest(), "image/jpeg")
    assert stored(filed, "2026/a.bin") == content
    assert filed.s3.head_object(Bucket=filed.name, Key="2026/a.bin")["ContentType"] == "image/jpeg"
    assert filed.find("2026/a.bin") == found


def test_a_body_of_unknown_length_is_taken(filed: Filed) -> None:  # noqa: F811
    pieces = (LONG[start : start + 65536] for start in range(0, len(LONG), 65536))
    assert filed.upload("a", pieces).status_code == 201
    assert stored(filed, "a") == LONG


@pytest.mark.parametrize("content", [b"", b"hello", LONG], ids=["empty", "short", "long"])
def test_the_file_of_a_form_is_an_object_of_s3(filed: Filed, content: bytes) -> None:  # noqa: F811
    more = {"tags": json.dumps({"project": "a b"}), "metadata": json.dumps({"camera": "x100é"})}
    answer = form(filed, content, path="2026/a.bin", checksum=hashlib.sha256(content).hexdigest(), **more)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert (found["file_path"], found["file_size"]) == ("2026/a.bin", len(content))
    assert (found["tags"], found["metadata"]) == ({"project": "a b"}, {"camera": "x100é"})
    assert found["checksum"] == hashlib.sha256(content).hexdigest()
    assert stored(filed, "2026/a.bin") == content


def test_without_a_path_the_file_of_a_form_is_called_as_it_was(filed: Filed) -> None:  # noqa: F811
    assert form(filed, name="C:\\photos\\é.jpg").json()["file_path"] == "é.jpg"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image/png"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "application/pdf"),
        (b"PK\x03\x04" + bytes(40), "application/zip"),
        (b"<!DOCTYPE html><html></html>", "text/html"),
        ("grüße".encode() * 4000, TEXT),
        (("é" * FIRST).encode()[1:], UNKNOWN),
        (b"x" + ("é" * FIRST).encode(), TEXT),
        (b"\x01\x02\x03\x04", UNKNOWN),
        (b"", UNKNOWN),
    ],
)
def test_a_file_is_of_the_kind_that_its_first_bytes_tell(content: bytes, kind: str) -> None:
    assert type_of(content[:FIRST]) == kind


WITHOUT_TYPE = ({}, {"Content-Type": "application/octet-stream"}, {"Content-Type": "application/x-www-form-urlencoded"})


@pytest.mark.parametrize("headers", WITHOUT_TYPE)
def test_without_a_type_it_is_told_by_the_content_and_not_by_the_name(filed: Filed, headers: Any) -> None:  # noqa: F811
    assert filed.upload("a.txt", PNG + LONG, headers=headers).json()["mime_type"] == "image/png"
    assert stored(filed, "a.txt") == PNG + LONG
    assert form(filed, PNG, "b.bin").json()["mime_type"] == "image/png"


@pytest.mark.parametrize("name", ["file", "files"])
def test_a_field_behind_the_file_is_refused_and_nothing_stored(filed: Filed, name: str) -> None:  # noqa: F811
    late = {name: ("a.txt", b"hello"), "path": (None, "2026/a.txt")}
    assert refusal(filed.owner.ask("POST", filed.path, files=late)) == (422, "VALIDATION_ERROR")
    assert filed.listed() == []
    early = dict(reversed(late.items()))
    assert filed.owner.ask("POST", filed.path, files=early).status_code == 201
    assert filed.listed() == ["2026/a.txt"]


def test_a_file_that_is_there_is_overwritten_only_where_that_is_said(filed: Filed) -> None:  # noqa: F811
    first = filed.upload("a", b"one").json()
    for answer in (filed.upload("a", b"two"), form(filed, b"two", path="a"), form(filed, path="a", overwrite="false")):
        assert refusal(answer) == (409, "FILE_ALREADY_EXISTS")
    assert stored(filed, "a") == b"one"
    second = filed.upload("a", b"two", params={"overwrite": "true"})
    assert (second.status_code, second.json()["id"]) == (201, first["id"])
    assert form(filed, b"three", path="a", overwrite="true").status_code == 201
    assert stored(filed, "a") == b"three"


def test_a_file_whose_etag_is_known_is_overwritten(filed: Filed) -> None:  # noqa: F811
    first = filed.upload("a", b"one").headers["ETag"]
    second = filed.upload("a", b"two", headers={"If-Match": first})
    assert second.status_code == 201
    assert refusal(filed.upload("a", b"three", headers={"If-Match": first})) == (412, "PRECONDITION_FAILED")
    of_s3 = filed.s3.head_object(Bucket=filed.name, Key="a")["ETag"]
    assert filed.upload("a", b"three", headers={"If-Match": of_s3}).status_code == 201
    assert refusal(filed.upload("b", b"three", headers={"If-Match": of_s3})) == (404, "NOT_FOUND")


def test_of_uploads_to_one_name_at_once_one_is_stored(filed: Filed) -> None:  # noqa: F811
    def upload(number: int) -> int:
        return httpx.post(
            f"{str(filed.api.base_url).rstrip('/')}{filed.path}",
            params={"path": "a"},
            content=str(number).encode(),
            headers=filed.owner.headers,
            timeout=60,
        ).status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = sorted(threads.map(upload, range(8)))
    assert statuses == [201] + [409] * 7


@pytest.mark.parametrize("content", [b"hello", LONG], ids=["short", "long"])
def test_what_has_another_checksum_is_not_stored(filed: Filed, content: bytes) -> None:  # noqa: F811
    wrong = hashlib.sha256(b"other").hexdigest()
    assert refusal(filed.upload("a", content, params={"checksum": wrong})) == (422, "VALIDATION_ERROR")
    assert refusal(form(filed, content, path="a", checksum=wrong)) == (422, "VALIDATION_ERROR")
    md5 = {"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}
    assert refusal(filed.upload("a", content, headers=md5)) == (422, "VALIDATION_ERROR")
    assert filed.listed() == []
    right = {"checksum": hashlib.sha256(content).hexdigest().upper()}
    assert filed.upload("a", content, params=right).status_code == 201


@pytest.mark.parametrize(
    "fields",
    [
        {"path": ""},
        {"path": "x" * 1025},
        {"overwrite": "yes"},
        {"checksum": "x"},
        {"tags": "[]"},
        {"tags": "{"},
        {"tags": '{"a": 1}'},
        {"metadata": "null"},
        {"metadata": '{"a b": "c"}'},
        {"metadata": '{"a": "\\ud800"}'},
        {"owner_id": "x"},
    ],
)
def test_a_field_that_is_none_is_refused_by_its_name(filed: Filed, fields: dict[str, str]) -> None:  # noqa: F811
    answer = filed.owner.ask("POST", filed.path, data={"path": "a", **fields}, files={"file": ("", b"x")})
    assert refusal(answer) == (422, "VALIDATION_ERROR")
    assert answer.json()["errors"][0]["field"] == next(iter(fields))
    assert filed.listed() == []


def test_a_form_has_one_file(filed: Filed) -> None:  # noqa: F811
    none = filed.owner.ask("POST", filed.path, files={"other": ("", b"x")})
    two = filed.owner.ask("POST", filed.path, files=[("file", ("a", b"x")), ("file", ("b", b"y"))])
    for answer in (none, two):
        assert refusal(answer) == (422, "VALIDATION_ERROR")
    boundary = {"Content-Type": "multipart/form-data; boundary=x"}
    broken = filed.owner.ask("POST", filed.path, content=b"--x\r\nnothing", headers=boundary)
    assert refusal(broken) == (422, "VALIDATION_ERROR")
    assert filed.listed() == []


def test_raw_bytes_need_a_path(filed: Filed) -> None:  # noqa: F811
    for query in ({}, {"path": ""}, {"path": "x" * 1025}, {"path": "é" * 600}, {"path": "\0"}):
        answer = filed.owner.ask("POST", filed.path, params=query, content=b"x")
        assert refusal(answer) == (422, "VALIDATION_ERROR"), query
    assert filed.listed() == []


def test_what_a_policy_denies_is_not_stored(filed: Filed) -> None:  # noqa: F811
    deny = statement("Deny", Action="s3:PutObject", Resource=f"arn:aws:s3:::{filed.name}/no/*")
    filed.s3.put_bucket_policy(Bucket=filed.name, Policy=document(deny))
    assert refusal(filed.upload("no/a", LONG)) == FORBIDDEN
    assert refusal(form(filed, LONG, path="no/a")) == FORBIDDEN
    assert filed.listed() == []


def test_an_upload_that_breaks_off_leaves_nothing(filed: Filed, server: RunningServer) -> None:  # noqa: F811
    where = f"{filed.path}?path=a"
    token = filed.owner.headers["Authorization"]
    head = (
        f"POST /api/v1{where} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: {len(LONG)}\r\n\r\n"
    ).encode()
    address = urlsplit(server.admin)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=60) as peer:
        peer.sendall(head + LONG[: 1 << 20])
    assert filed.listed() == []
    assert filed.upload("a", LONG).status_code == 201


def test_the_log_tells_how_much_was_uploaded(filed: Filed, server: RunningServer) -> None:  # noqa: F811
    answer = filed.upload("a", LONG)
    request_id = answer.headers["X-Request-Id"]
    for _ in range(100):
        line = next((line for line in server.log.read_text().splitlines() if request_id in line), "")
        if line:
            break
        time.sleep(0.05)
    assert "upload_file" in line
    assert str(len(LONG)) in line
