"""Downloads at the JSON API: the bytes of S3's GetObject, by HTTP's rules, and nothing that acts in a browser."""

from __future__ import annotations

import os
from datetime import UTC
from email.utils import format_datetime
from typing import Any

import pytest

from tests.access.policies import document, statement
from tests.api.files import Filed, filed, people, shared_bucket  # noqa: F401  (fixtures)
from tests.api.people import refusal

OK = (200, "")
UNKNOWN, HIDDEN, FORBIDDEN = (401, "AUTHENTICATION_FAILED"), (404, "NOT_FOUND"), (403, "PERMISSION_DENIED")
WHO = {
    "stranger": HIDDEN,
    "reader": OK,
    "writer": OK,
    "manager": OK,
    "prefix-reader": HIDDEN,
    "owner": OK,
    "auditor": FORBIDDEN,
    "admin": OK,
}
LONG = os.urandom(3 * 1024 * 1024 + 17)


def url(filed: Filed, key: str, body: bytes = b"hello", **more: Any) -> str:  # noqa: F811
    return f"{filed.path}/{filed.put(key, body, **more)['id']}/download"


@pytest.mark.parametrize("who", WHO)
def test_who_may_read_downloads(shared_bucket: Filed, who: str) -> None:  # noqa: F811
    where = url(shared_bucket, "b/1")
    answer = shared_bucket.people[who].ask("GET", where)
    if WHO[who] == OK:
        assert (answer.status_code, answer.content) == (200, b"hello")
    else:
        assert refusal(answer) == WHO[who]


def test_nobody_who_is_unknown_learns_whether_there_is_a_file(shared_bucket: Filed) -> None:  # noqa: F811
    nothing = f"{shared_bucket.path}/00000000-0000-4000-8000-000000000000/download"
    for where in (url(shared_bucket, "b/1"), nothing):
        assert refusal(shared_bucket.api.get(where)) == UNKNOWN


def test_what_is_public_needs_no_token(filed: Filed) -> None:  # noqa: F811
    where = url(filed, "public/1")
    filed.s3.delete_public_access_block(Bucket=filed.name)
    allow = statement(Action="s3:GetObject", Resource=f"arn:aws:s3:::{filed.name}/public/*")
    filed.s3.put_bucket_policy(Bucket=filed.name, Policy=document(allow))
    assert filed.api.get(where).content == b"hello"
    assert refusal(filed.api.get(url(filed, "b"))) == UNKNOWN
    assert refusal(filed.api.get(where, headers={"Authorization": "Bearer x"})) == UNKNOWN


@pytest.mark.parametrize("content", [b"", b"hello", LONG], ids=["empty", "short", "long"])
def test_the_whole_file_comes_with_its_length(filed: Filed, content: bytes) -> None:  # noqa: F811
    where = url(filed, "a", content, ContentType="image/png", ContentEncoding="identity")
    answer = filed.owner.ask("GET", where)
    assert (answer.status_code, answer.content == content) == (200, True)
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["Content-Type"] == "image/png"
    head = filed.owner.ask("HEAD", where)
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", str(len(content)))
    assert head.headers["ETag"] == answer.headers["ETag"]


def test_a_range_comes_alone(filed: Filed) -> None:  # noqa: F811
    where = url(filed, "a", LONG)
    answer = filed.owner.ask("GET", where, headers={"Range": "bytes=100-1999999"})
    assert (answer.status_code, answer.content == LONG[100:2_000_000]) == (206, True)
    assert answer.headers["Content-Range"] == f"bytes 100-1999999/{len(LONG)}"
    beyond = filed.owner.ask("GET", where, headers={"Range": f"bytes={len(LONG)}-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{len(LONG)}")
    other = filed.owner.ask("GET", where, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (other.status_code, len(other.content)) == (200, len(LONG))


def test_conditions_hold_as_http_says(filed: Filed) -> None:  # noqa: F811
    where = url(filed, "a")
    of_s3 = filed.s3.head_object(Bucket=filed.name, Key="a")
    etag, modified = of_s3["ETag"], format_datetime(of_s3["LastModified"].astimezone(UTC), usegmt=True)
    for name, value, status in (
        ("If-None-Match", etag, 304),
        ("If-None-Match", '"other"', 200),
        ("If-Modified-Since", modified, 304),
        ("If-Match", etag, 200),
        ("If-Match", '"other"', 412),
        ("If-Unmodified-Since", "Mon, 01 Jan 2001 00:00:00 GMT", 412),
    ):
        answer = filed.owner.ask("GET", where, headers={name: value})
        assert answer.status_code == status, (name, value)
        if status == 304:
            assert (answer.content, answer.headers["ETag"]) == (b"", etag)


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("image/png", "inline"),
        ("Video/MP4; codecs=x", "inline"),
        ("text/plain; charset=utf-8", "inline"),
        ("text/html", "attachment"),
        ("image/svg+xml", "attachment"),
        ("application/pdf", "attachment"),
        ("application/xhtml+xml", "attachment"),
        ("text/plainish", "attachment"),
    ],
)
def test_only_what_cannot_act_is_shown(filed: Filed, kind: str, shown: str) -> None:  # noqa: F811
    where = url(filed, "a.bin", ContentType=kind, ContentDisposition="inline")
    headers = filed.owner.ask("GET", where).headers
    assert headers["Content-Disposition"] == f'{shown}; filename="a.bin"'
    assert (headers["X-Content-Type-Options"], headers["Content-Type"]) == ("nosniff", kind)
    assert "sandbox" in headers["Content-Security-Policy"].split("; ")
    saved = filed.owner.ask("GET", where, params={"attachment": "true"}).headers
    assert saved["Content-Disposition"] == 'attachment; filename="a.bin"'


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("a/é €.txt", "attachment; filename=\"_ _.txt\"; filename*=UTF-8''%C3%A9%20%E2%82%AC.txt"),
        ('a/"b\\.txt', "attachment; filename=\"_b_.txt\"; filename*=UTF-8''%22b%5C.txt"),
        (
            "a/x\r\nSet-Cookie: a",
            "attachment; filename=\"x__Set-Cookie: a\"; filename*=UTF-8''x%0D%0ASet-Cookie%3A%20a",
        ),
        ("a/", 'attachment; filename="a"'),
    ],
)
def test_a_file_is_saved_under_its_name(filed: Filed, key: str, told: str) -> None:  # noqa: F811
    answer = filed.owner.ask("GET", url(filed, key))
    assert answer.headers["Content-Disposition"] == told
    assert "Set-Cookie" not in answer.headers


def test_what_took_the_name_of_a_file_is_not_taken_for_it(filed: Filed) -> None:  # noqa: F811
    where = url(filed, "a")
    filed.s3.delete_object(Bucket=filed.name, Key="a")
    filed.put("a", b"another")
    assert refusal(filed.owner.ask("GET", where)) == HIDDEN
