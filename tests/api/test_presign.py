"""Presigned URLs of the API: each does what it was signed for and nothing else, and ends with the session."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.askers import PASSWORD
from tests.api.files import Filed, filed, people, shared_bucket  # noqa: F401  (fixtures)
from tests.api.people import refusal, register
from tests.api.test_upload import FORBIDDEN, HIDDEN, WHO
from tests.cli.commands import Ask
from tests.gateways import of_one_server
from tests.servers import RunningServer

OK = (200, "")


def presign(filed: Filed, server: RunningServer, by: Any = None, **asked: Any) -> httpx.Response:  # noqa: F811
    body = {"operation": "put", "path": "a", "endpoint": server.s3, **asked}
    headers = filed.owner.headers if by is None else by
    return filed.api.post(f"/buckets/{filed.id}/presign", json=body, headers=headers)


def signed(filed: Filed, server: RunningServer, **asked: Any) -> dict[str, Any]:  # noqa: F811
    answer = presign(filed, server, **asked)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def send(request: dict[str, Any], **more: Any) -> httpx.Response:
    return httpx.request(request["method"], request["url"], headers=request["headers"], timeout=60, **more)


@pytest.mark.parametrize("who", WHO)
def test_who_may_write_has_a_url_signed(shared_bucket: Filed, who: str, server: RunningServer) -> None:  # noqa: F811
    body = {"operation": "put", "path": "b/x", "endpoint": server.s3}
    expected = OK if WHO[who][0] == 201 else WHO[who]
    assert shared_bucket.ask(who, "POST", f"/buckets/{shared_bucket.id}/presign", json=body) == expected


def test_a_url_puts_the_file_that_it_was_signed_for(filed: Filed, server: RunningServer) -> None:  # noqa: F811
    path = "ü b/*?$x+%20"
    told = signed(filed, server, path=path, mime_type="image/jpeg")
    assert send(told["request"], content=b"hello").status_code == 200
    assert (filed.find(path)["file_size"], filed.find(path)["mime_type"]) == (5, "image/jpeg")
    got = signed(filed, server, operation="get", path=path)
    assert send(got["request"]).content == b"hello"
    for request in (told["request"], got["request"]):
        for method in {"GET", "PUT", "DELETE"} - {request["method"]}:
            assert send({**request, "method": method}).status_code == 403
        other = {**request, "url": request["url"].replace("%2A", "other").replace("*", "other")}
        assert send(other).status_code == 403
    assert filed.listed() == [path]


def test_the_key_that_signed_may_do_nothing_else(filed: Filed, server: RunningServer, ask: Ask) -> None:  # noqa: F811
    """What is in the policy is what was asked for, though the name looks like a pattern."""
    from s3gw.access.parse import parse_identity_policy
    from s3gw.accounts.presigned import Narrowed

    text = Narrowed(("s3:PutObject",), "bucket", "a*${aws:username}?").policy()
    assert "a${*}${$}{aws:username}${?}" in text
    parse_identity_policy(text)


def test_a_multipart_upload_goes_by_urls_alone(filed: Filed, server: RunningServer) -> None:  # noqa: F811
    told = signed(filed, server, operation="multipart", parts=2)
    bodies = [b"x" * (5 << 20), b"end"]
    tags = [send(part, content=body).headers["ETag"] for part, body in zip(told["parts"], bodies, strict=True)]
    listed = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>" for number, tag in enumerate(tags, 1)
    )
    document = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>"
    assert send(told["complete"], content=document.encode()).status_code == 200
    assert filed.find("a")["file_size"] == (5 << 20) + 3
    other = signed(filed, server, operation="multipart", parts=1)
    assert send(other["abort"]).status_code == 204
    assert filed.s3.list_multipart_uploads(Bucket=filed.name).get("Uploads", []) == []


def logged_in(filed: Filed) -> tuple[dict[str, str], str]:  # noqa: F811
    """Another session of the owner's: its header and its refresh token."""
    tokens = filed.api.post("/users/login", json={"username": filed.owner.name, "password": PASSWORD}).json()
    return {"Authorization": f"Bearer {tokens['access_token']}"}, tokens["refresh_token"]


def test_a_url_ends_with_the_session_that_had_it_signed(filed: Filed, server: RunningServer) -> None:  # noqa: F811
    headers, refresh_token = logged_in(filed)
    told, lasting = presign(filed, server, headers).json(), signed(filed, server)
    assert send(told["request"], content=b"1").status_code == 200
    filed.api.post("/users/logout", json={"refresh_token": refresh_token})
    assert send(told["request"], content=b"2").status_code == 403
    assert send(lasting["request"], content=b"3").status_code == 200


@pytest.mark.parametrize("command", [("user", "disable"), ("user", "delete")])
def test_a_url_ends_with_its_user(api: httpx.Client, ask: Ask, server: RunningServer, command: tuple[str, str]) -> None:
    person = register(api)
    made = person.http.post("/buckets", json={"name": f"presigned-{person.id[:13]}"}).json()
    body = {"operation": "put", "path": "a", "endpoint": server.s3}
    told = person.http.post(f"/buckets/{made['id']}/presign", json=body).json()
    assert send(told["request"], content=b"1").status_code == 200
    ask(*command, person.name)
    assert send(told["request"], content=b"2").status_code == 403


def test_a_url_is_refused_when_its_user_may_not_any_more(shared_bucket: Filed, server: RunningServer) -> None:  # noqa: F811
    writer, bucket = shared_bucket.people["writer"], shared_bucket
    told = presign(bucket, server, writer.headers, path="b/later").json()
    where = f"/buckets/{bucket.id}/access/{writer.id}"
    assert bucket.owner.ask("PUT", where, json={"permission": "read"}).status_code == 200
    try:
        assert send(told["request"], content=b"1").status_code == 403
    finally:
        bucket.owner.ask("PUT", where, json={"permission": "write"})


def test_no_list_shows_a_hidden_key(filed: Filed, server: RunningServer, ask: Ask) -> None:  # noqa: F811
    before = filed.owner.ask("GET", "/keys").json()
    told = signed(filed, server)
    credential = dict(pair.split("=", 1) for pair in urlsplit(told["request"]["url"]).query.split("&"))
    key_id = credential["X-Amz-Credential"].partition("%2F")[0]
    assert filed.owner.ask("GET", "/keys").json() == before
    for method, body in (("GET", None), ("PUT", {"policy": None}), ("DELETE", None)):
        assert filed.owner.status(method, f"/keys/{key_id}", json=body) == HIDDEN
    assert key_id not in str(ask("key", "list"))


def test_signing_a_url_is_told_by_the_audit_log(filed: Filed, server: RunningServer) -> None:  # noqa: F811
    answer = presign(filed, server)
    lines = filed.people["admin"].ask("GET", "/audit", params={"per_page": 100}).json()["items"]
    (line,) = [line for line in lines if line["request_id"] == answer.headers["X-Request-Id"]]
    assert (line["action"], line["resource"]) == ("object.presign", f"{filed.name}/a")


@pytest.mark.parametrize(
    "asked",
    [
        {"expires_in": 12 * 3600 + 1},
        {"expires_in": 0},
        {"operation": "delete"},
        {"parts": 1},
        {"operation": "multipart"},
        {"operation": "multipart", "parts": 1001},
        {"endpoint": "ftp://x"},
        pytest.param({"endpoint": None}, marks=of_one_server("S3 has its usual port there, so the address is known")),
        {"path": ""},
        {"mime_type": "a\nb"},
    ],
)
def test_what_cannot_be_signed_is_refused(filed: Filed, server: RunningServer, asked: dict[str, Any]) -> None:  # noqa: F811
    assert refusal(presign(filed, server, **asked)) == (422, "VALIDATION_ERROR")


def test_a_file_that_is_not_there_has_no_url_to_get_it(filed: Filed, server: RunningServer) -> None:  # noqa: F811
    assert refusal(presign(filed, server, operation="get")) == (404, "NOT_FOUND")
    assert FORBIDDEN[0] == 403
