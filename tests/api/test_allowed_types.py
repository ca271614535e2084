"""Buckets that take some types of files only, told by what is in them."""

from __future__ import annotations

import base64
import io
import zipfile
from typing import Any

import httpx
import pytest

from s3gw.operations.allowed_types import kinds_of
from tests.api.files import Filed, new_bucket, people
from tests.api.files import filed as filed
from tests.api.people import refusal
from tests.api.test_jobs import ended

__all__ = ["filed", "people"]
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(9000)
HTML = b"<!DOCTYPE html><html><body>" + b"x" * 9000
REFUSED = (415, "UNSUPPORTED_MEDIA_TYPE")
_TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


@pytest.fixture
def images(filed: Filed) -> Filed:
    answer = filed.owner.ask("PUT", f"/buckets/{filed.id}", json={"allowed_types": ["image/*", "application/pdf"]})
    assert answer.json()["allowed_types"] == ["image/*", "application/pdf"]
    return filed


def begin(filed: Filed, size: int | None, kind: str = "", concat: str = "") -> str:
    described = f"path {base64.b64encode(b'x').decode()},overwrite {base64.b64encode(b'true').decode()}"
    if kind:
        described += f",filetype {base64.b64encode(kind.encode()).decode()}"
    headers = {**_TUS, "Upload-Metadata": described, "Upload-Length": str(size)}
    if concat:
        headers["Upload-Concat"] = concat
    answer = filed.owner.ask("POST", f"/buckets/{filed.id}/uploads", headers=headers)
    assert answer.status_code == 201, answer.text
    return f"/buckets/{filed.id}/uploads/{answer.headers['Location'].rpartition('/')[2]}"


def append(filed: Filed, path: str, offset: int, body: bytes) -> httpx.Response:
    return filed.owner.ask("PATCH", path, headers={**_TUS, "Upload-Offset": str(offset)}, content=body)


@pytest.mark.parametrize(
    ("content", "said", "status"),
    [
        (PNG, "", 201),
        (PNG, "image/png", 201),
        (PNG, "image/jpeg; q=1", 201),
        (PNG, "text/html", 415),
        (HTML, "image/png", 415),
        (HTML, "", 415),
        (b"%PDF-1.4", "application/pdf", 201),
        (b"hello", "image/png", 415),
        (b"", "image/png", 415),
        (b"PK\x03\x04" + bytes(50), "image/png", 415),
    ],
)
def test_what_is_in_a_file_counts_and_what_it_is_said_to_be(
    images: Filed, content: bytes, said: str, status: int
) -> None:
    headers = {"Content-Type": said} if said else {}
    raw = images.upload("raw.png", content, headers=headers)
    parts: Any = ("form.png", content, said) if said else ("form.png", content)
    of_form = images.owner.ask("POST", images.path, files={"file": parts})
    both = [("files", ("a.png", PNG)), ("files", parts)]
    several = images.owner.ask("POST", images.path, files=both, params={"overwrite": "true"})
    assert (raw.status_code, several.status_code) == (status, status), raw.text
    if said or status == 415:  # httpx says something by the name
        assert of_form.status_code == status
    assert (len(images.listed()) > 0) == (status == 201)


def test_an_upload_that_resumes_is_refused_as_soon_as_it_is_known(images: Filed) -> None:
    path = begin(images, len(HTML) + 100_000, "image/png")
    assert refusal(append(images, path, 0, HTML)) == REFUSED
    slow = begin(images, len(HTML))
    assert append(images, slow, 0, HTML[:20]).status_code == 204
    assert append(images, slow, 20, HTML[20:100]).status_code == 204
    assert refusal(append(images, slow, 100, HTML[100:])) == REFUSED
    assert images.listed() == []
    good = begin(images, len(PNG))
    assert append(images, good, 0, PNG[:10]).status_code == 204
    assert append(images, good, 10, PNG[10:]).status_code == 204
    assert images.find("x")["mime_type"] == "image/png"


def test_uploads_that_are_joined_are_looked_at_too(images: Filed) -> None:
    for content, status in ((PNG, 201), (HTML, 415)):
        parts = [begin(images, len(content) // 2, concat="partial") for _ in range(2)]
        half = len(content) // 2
        for path, piece in zip(parts, (content[:half], content[half : 2 * half]), strict=True):
            assert append(images, path, 0, piece).status_code == 204
        final = "final;" + " ".join(f"/api/v1{path}" for path in parts)
        described = f"path {base64.b64encode(str(status).encode()).decode()}"
        headers = {"Tus-Resumable": "1.0.0", "Upload-Concat": final, "Upload-Metadata": described}
        answer = images.owner.ask("POST", f"/buckets/{images.id}/uploads", headers=headers)
        assert answer.status_code == status, answer.text
    assert images.listed() == ["201"]


def test_archives_and_drop_boxes_take_no_others(images: Filed) -> None:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("a.png", PNG)
        archive.writestr("b.png", HTML)
    answer = images.owner.ask("POST", f"/buckets/{images.id}/unpack", content=body.getvalue())
    assert refusal(answer) == REFUSED
    link = images.owner.ask("POST", f"/buckets/{images.id}/links", json={"kind": "drop", "prefix": "in"}).json()
    for content, status in ((HTML, 415), (PNG, 200)):
        form = {"file": ("a.png", content, "image/png")}
        assert httpx.post(f"{link['url']}/upload", files=form).status_code == status
    assert images.listed() == ["in/a.png"]


@pytest.mark.parametrize("action", ["copy", "move"])
def test_a_batch_brings_no_others_from_another_bucket(images: Filed, action: str) -> None:
    name = f"{images.name}-from"
    source = images._replace(id=new_bucket(images.owner, name, images.s3), name=name)
    for key, content in (("a", HTML), ("b", b"hello"), ("c", PNG)):
        source.put(key, content, ContentType="image/png")
    source.put("d", PNG, ContentType="text/html")
    order = {"action": action, "query": {"prefix": ""}, "destination": {"bucket_id": images.id, "prefix": ""}}
    job = ended(images.owner, images.owner.ask("POST", f"/buckets/{source.id}/batch", json=order).json()["id"])
    failed = {(each["file_path"], each["error_code"]) for each in job["result"]["failures"]}
    assert failed == {(key, REFUSED[1]) for key in ("a", "b", "d")}
    assert images.listed() == ["c"]
    assert source.listed() == (["a", "b", "d"] if action == "move" else ["a", "b", "c", "d"])


def test_a_file_is_not_said_to_be_another_afterwards(images: Filed) -> None:
    path = f"{images.path}/{images.upload('a', PNG).json()['id']}"
    assert images.owner.ask("PUT", path, json={"mime_type": "image/jpeg"}).status_code == 200
    assert refusal(images.owner.ask("PUT", path, json={"mime_type": "text/html"})) == REFUSED


def test_what_is_set_is_told_changed_and_taken_back(filed: Filed) -> None:
    path = f"/buckets/{filed.id}"
    assert filed.owner.ask("GET", path).json()["allowed_types"] == []
    for wrong in (["image"], ["*/*"], ["Image/png"], ["image/p*"], ["a/b;c"], ["image/*"] * 101, "image/*"):
        assert filed.owner.ask("PUT", path, json={"allowed_types": wrong}).status_code == 422, wrong
    before = filed.owner.ask("PUT", path, json={"allowed_types": ["text/csv"]})
    assert filed.upload("a", b"a,b\n", headers={"Content-Type": "text/csv"}).status_code == 201
    assert filed.upload("b", b"a,b\n").status_code == 415
    taken = filed.owner.ask("PUT", path, json={"allowed_types": []}, headers={"If-Match": before.headers["ETag"]})
    assert taken.json()["allowed_types"] == []
    assert filed.upload("b", HTML).status_code == 201
    made = filed.owner.ask("POST", "/buckets", json={"name": f"{filed.name}-new", "allowed_types": ["image/*"]}).json()
    assert made["allowed_types"] == ["image/*"]


@pytest.mark.parametrize(
    ("said", "first", "kinds"),
    [
        ("application/json", b"{}", ("application/json",)),
        ("text/html", b"hello", ("text/plain", "text/html")),
        ("image/svg+xml", b"<?xml version='1.0'?><svg/>", ("image/svg+xml",)),
        ("application/epub+zip", b"PK\x03\x04", ("application/epub+zip",)),
        ("application/vnd.oasis.opendocument.text", b"PK\x03\x04", ("application/vnd.oasis.opendocument.text",)),
        ("binary/octet-stream", PNG, ("image/png",)),
        ("image/png", PNG, ("image/png", "image/png")),
    ],
)
def test_what_bytes_do_not_tell_apart_is_as_it_is_said(said: str, first: bytes, kinds: tuple[str, ...]) -> None:
    assert kinds_of(said, first) == kinds
