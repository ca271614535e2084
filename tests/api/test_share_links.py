"""Share links: who may make, see, change and revoke them, and what whoever has one gets at the pages."""

from __future__ import annotations

import io
import re
import socket
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.askers import new_person
from tests.api.files import Filed, people, share, shared_bucket
from tests.api.files import filed as filed
from tests.api.people import refusal
from tests.cli.commands import beside
from tests.servers import RunningServer

__all__ = ["filed", "people", "shared_bucket"]
WHO = ("nobody", "stranger", "reader", "owner", "auditor", "admin")
# What each gets of a link that the bucket's owner made.
TABLE: dict[str, tuple[int, ...]] = {
    "POST /buckets/{bucket_id}/links": (401, 404, 201, 201, 403, 201),
    "GET /buckets/{bucket_id}/links": (401, 404, 200, 200, 200, 200),
    "GET /links/{link_id}": (401, 404, 404, 200, 200, 200),
    "PUT /links/{link_id}": (401, 404, 404, 200, 403, 200),
    "DELETE /links/{link_id}": (401, 404, 404, 204, 403, 204),
}


def make(filed: Filed, by: str = "owner", **body: Any) -> dict[str, Any]:
    answer = filed.people[by].ask("POST", f"/buckets/{filed.id}/links", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def get(link: dict[str, Any], below: str = "", **more: Any) -> httpx.Response:
    """On a connection of its own, of whichever worker."""
    return httpx.request(more.pop("method", "GET"), f"{link['url']}{below}", timeout=60, **more)


def now_of(filed: Filed, link: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = filed.owner.ask("GET", f"/links/{link['id']}").json()
    return found


@pytest.mark.parametrize("route", TABLE)
def test_everybody_gets_of_links_what_the_table_says(shared_bucket: Filed, route: str) -> None:
    method, path = route.split()
    for who, expected in zip(WHO, TABLE[route], strict=True):
        body = {"kind": "folder", "prefix": "x"}
        link = make(shared_bucket, **body)
        given = body if method == "POST" else {"max_downloads": 3}
        target = path.format(bucket_id=shared_bucket.id, link_id=link["id"])
        more = {} if method in ("GET", "DELETE") else {"json": given}
        if who == "nobody":
            status = shared_bucket.api.request(method, target, **more).status_code
        else:
            status = shared_bucket.people[who].ask(method, target, **more).status_code
        assert status == expected, (who, route)


def test_a_file_is_shown_and_downloaded_with_ranges_and_conditions(filed: Filed, server: RunningServer) -> None:
    filed.put("a/<b>ä.txt", b"0123456789", ContentType="text/plain")
    link = make(filed, file_id=filed.find("a/<b>ä.txt")["id"])
    assert link["url"].startswith(f"{server.share}/")
    page = get(link)
    assert page.status_code == 200 and "&lt;b&gt;ä.txt" in page.text and "<b>" not in page.text
    assert "10 bytes" in page.text and "<iframe" in page.text and "<script" not in page.text
    for answer in (page, get(link, "/download")):
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    whole = get(link, "/download")
    assert whole.content == b"0123456789"
    assert whole.headers["Content-Disposition"].startswith("attachment;")
    assert "%C3%A4.txt" in whole.headers["Content-Disposition"]
    part = get(link, "/download", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    assert get(link, "/download", headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    assert get(link, "/download", headers={"Range": "bytes=20-"}).status_code == 416
    assert get(link, "/download", method="HEAD").headers["Content-Length"] == "10"
    assert get(link, "/view").headers["Content-Disposition"].startswith("inline;")
    assert now_of(filed, link)["downloads"] == 1  # all of them one visitor's
    assert "url" in link and now_of(filed, link)["url"] is None


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/pdf", "application/xhtml+xml"])
def test_what_could_act_is_never_shown(filed: Filed, kind: str) -> None:
    filed.put("x.png", b"<script>alert(1)</script>", ContentType=kind)
    link = make(filed, file_id=filed.find("x.png")["id"])
    page, seen = get(link), get(link, "/view")
    assert "/view" not in page.text
    assert seen.headers["Content-Disposition"].startswith("attachment;")
    assert "sandbox" in seen.headers["Content-Security-Policy"]


def test_a_link_follows_its_file_and_ends_with_it(filed: Filed) -> None:
    file = filed.put("old")
    link = make(filed, file_id=file["id"])
    assert filed.owner.ask("PUT", f"{filed.path}/{file['id']}", json={"file_path": "b/new.txt"}).status_code == 200
    assert "new.txt" in get(link).text
    filed.s3.delete_object(Bucket=filed.name, Key="b/new.txt")
    assert get(link).status_code == get(link, "/download").status_code == 404


def test_a_folder_is_listed_a_page_at_a_time_and_nothing_beside_it(filed: Filed) -> None:
    for key in ("docs/a.txt", "docs/sub/b.txt", "docs/../secret.txt", "docs/%2e%2e/x", "docs2/c", "secret.txt"):
        filed.put(key, key.encode())
    link = make(filed, kind="folder", prefix="docs")
    assert link["prefix"] == "docs/"
    page = get(link).text
    assert "a.txt" in page and "sub/" in page and "docs2" not in page
    assert "b.txt" in get(link, "?path=sub/").text
    assert get(link, "/download?path=a.txt").content == b"docs/a.txt"
    assert get(link, "/download?path=sub%2Fb.txt").content == b"docs/sub/b.txt"
    assert get(link, "/download?path=../secret.txt").content == b"docs/../secret.txt"  # a key of that name
    for path in ("/../secret.txt", "..%2F..%2Fsecret.txt", "%2e%2e/secret.txt%00", "a.txt%00", "", "%ff", "%ed%a0%80"):
        assert get(link, f"/download?path={path}").status_code == 404, path
    for query in ("path=..", "path=/secret", "path=%00/", "after=%00", "path=" + "x" * 2000 + "/"):
        assert get(link, f"?{query}").status_code == 404, query
    for query in ("path=../../", "after=zzzz", "after=../../&path=../"):
        assert "c</a>" not in get(link, f"?{query}").text
    for number in range(201):
        filed.s3.put_object(Bucket=filed.name, Key=f"many/{number:04}", Body=b"")
    many = make(filed, kind="folder", prefix="many/")
    first = get(many).text
    found = re.search(r'href="([^"]*after=[^"]*)"', first)
    assert found is not None and "many" not in found[1] and "0200" not in first
    rest = httpx.get(f"{many['url'].rpartition('/')[0]}{found[1].replace('&amp;', '&')}").text
    assert "0200</a>" in rest and "0199</a>" not in rest


def test_a_folder_comes_as_a_zip_which_is_one_download(filed: Filed) -> None:
    for key in ("docs/a.txt", "docs/sub/b.txt", "docs/sub/deep/c.txt", "docs2/d", "e"):
        filed.put(key, key.encode())
    link = make(filed, kind="folder", prefix="docs", max_downloads=1)
    page = get(link).text
    found = re.search(r'href="([^"]*/archive)"', page)
    assert found is not None and "/archive?path=sub%2F" in get(link, "?path=sub/").text
    answer = get(link, "/archive")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "a.txt": b"docs/a.txt",
            "sub/b.txt": b"docs/sub/b.txt",
            "sub/deep/c.txt": b"docs/sub/deep/c.txt",
        }
    assert answer.headers["Content-Disposition"] == 'attachment; filename="docs.zip"'
    below = get(link, "/archive?path=sub/")
    assert zipfile.ZipFile(io.BytesIO(below.content)).namelist() == ["b.txt", "deep/c.txt"]
    assert get(link, "/archive", method="HEAD").status_code == 200
    for wrong in ("sub", "../", "%00/", "/../"):
        answer = get(link, f"/archive?path={wrong}")
        assert answer.status_code == 404 or zipfile.ZipFile(io.BytesIO(answer.content)).namelist() == []
    assert now_of(filed, link)["downloads"] == 1
    assert get(link, "/archive", headers={"User-Agent": "other"}).status_code == 404
    assert get(make(filed, file_id=filed.find("e")["id"]), "/archive").status_code == 404


def test_what_is_no_good_link_any_more_is_all_alike(filed: Filed, server: RunningServer) -> None:
    file = filed.put("a.txt")
    soon = (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()
    dead = [make(filed, file_id=file["id"]) for _ in range(2)]
    dead.append(make(filed, file_id=file["id"], expires_at=soon, password="open sesame"))
    assert get(dead[0]).status_code == 200
    for link in dead[:2]:
        assert filed.owner.ask("DELETE", f"/links/{link['id']}").status_code == 204
    used = make(filed, file_id=file["id"], max_downloads=1)
    assert get(used, "/download", headers={"User-Agent": "one"}).content == b"hello"
    assert get(used, "/download", headers={"User-Agent": "one", "Range": "bytes=1-"}).status_code == 206
    threading.Event().wait(1.6)
    texts = set()
    for link in (*dead, used, {"url": f"{server.share}/{'A' * 43}"}, {"url": f"{server.share}/x"}):
        for below in ("", "/download", "/view", "/archive", "/upload", "/nothing"):
            answer = get(link, below, headers={"User-Agent": "other"})
            if below != "/upload":
                assert answer.status_code == 404, (link, below)
                texts.add(answer.text)
        assert get(link, method="POST", data={"password": "open sesame"}).status_code in (404, 405)
    assert len(texts) == 1
    assert filed.owner.ask("PUT", f"/links/{dead[0]['id']}", json={"password": None}).status_code == 409


def test_of_many_who_come_at_once_only_as_many_download_as_may(filed: Filed) -> None:
    link = make(filed, file_id=filed.put("a.txt")["id"], max_downloads=3)

    def download(number: int) -> int:
        return get(link, "/download", headers={"User-Agent": f"visitor {number}"}).status_code

    with ThreadPoolExecutor(12) as threads:
        assert sorted(threads.map(download, range(12))) == [200] * 3 + [404] * 9
        assert sorted(threads.map(download, range(12))) == [200] * 3 + [404] * 9  # the same three
    assert now_of(filed, link)["downloads"] == 3


def test_a_password_is_asked_for_and_remembered_for_this_link_alone(filed: Filed) -> None:
    file = filed.put("secret-name.txt")
    link, other = (make(filed, file_id=file["id"], password="open sesame") for _ in range(2))
    page = get(link)
    assert page.status_code == 200 and "secret-name" not in page.text and 'type="password"' in page.text
    assert get(link, "/download").status_code == get(link, "/view").status_code == 403
    assert get(link, method="POST", data={"password": "wrong"}).status_code == 403
    opened = get(link, method="POST", data={"password": "open sesame"})
    assert opened.status_code == 303 and opened.headers["Location"] == httpx.URL(link["url"]).path
    cookie = opened.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert f"Path={httpx.URL(link['url']).path}" in cookie
    given = {"Cookie": cookie.partition(";")[0]}
    assert get(link, "/download", headers=given).content == b"hello"
    assert get(other, "/download", headers=given).status_code == 403
    for wrong in ("s3gw_link=99999999999.00", "s3gw_link=x", "s3gw_link=", f"{given['Cookie']}0"):
        assert get(link, "/download", headers={"Cookie": wrong}).status_code == 403
    filed.owner.ask("PUT", f"/links/{link['id']}", json={"password": "another one"})
    assert get(link, "/download", headers=given).status_code == 403
    assert filed.owner.ask("GET", f"/links/{link['id']}").json()["has_password"] is True


def test_a_form_of_many_fields_has_no_password(filed: Filed) -> None:
    link = make(filed, file_id=filed.put("a")["id"], password="open sesame")
    fields = {f"field-{number}": "x" for number in range(10)} | {"password": "open sesame"}
    assert get(link, method="POST", data=fields).status_code == 404


def test_passwords_are_not_guessed(filed: Filed) -> None:
    link = make(filed, file_id=filed.put("a")["id"], password="open sesame")
    answers = [get(link, method="POST", data={"password": f"{number}"}).status_code for number in range(12)]
    assert answers == [403] * 10 + [429] * 2
    right = get(link, method="POST", data={"password": "open sesame"})
    assert right.status_code == 429 and int(right.headers["Retry-After"]) > 0


@pytest.mark.parametrize("ended", ["grant", "disabled", "deleted", "bucket"])
def test_a_link_ends_with_its_makers_right(filed: Filed, api: Any, ask: Any, ended: str) -> None:
    filed.people["maker"] = maker = new_person(api, ask, "maker")
    file = filed.put("a.txt")
    share(filed, "maker", {"permission": "write"})
    made = [make(filed, "maker", file_id=file["id"]), make(filed, "maker", kind="folder", prefix="")]
    made.append(make(filed, "maker", kind="drop", prefix="in"))
    assert [get(link).status_code for link in made] == [200] * 3
    if ended == "grant":
        assert filed.owner.ask("DELETE", f"/buckets/{filed.id}/access/{maker.id}").status_code == 204
    elif ended == "disabled":
        ask("user", "disable", maker.name)
    elif ended == "deleted":
        ask("user", "delete", maker.name)
        ask("user", "restore", maker.name)
    else:
        filed.s3.delete_object(Bucket=filed.name, Key="a.txt")
        filed.s3.delete_bucket(Bucket=filed.name)
    assert [get(link).status_code for link in made] == [404] * 3
    assert get(made[0], "/download").status_code == get(made[1], "/download?path=a.txt").status_code == 404
    form = {"file": ("x", b"x")}
    assert get(made[2], "/upload", method="POST", files=form).status_code == 404
    del filed.people["maker"]


def test_nobody_links_to_what_he_may_not_do_himself(shared_bucket: Filed) -> None:
    path = f"/buckets/{shared_bucket.id}/links"
    for who, prefix, status in (("reader", "in", 403), ("prefix-reader", "b/", 403), ("writer", "in", 201)):
        body = {"kind": "drop", "prefix": prefix}
        assert shared_bucket.people[who].ask("POST", path, json=body).status_code == status
    body = {"kind": "folder", "prefix": "b/"}
    assert shared_bucket.people["prefix-reader"].ask("POST", path, json=body).status_code == 403
    body["prefix"] = "a/"
    assert shared_bucket.people["prefix-reader"].ask("POST", path, json=body).status_code == 201


def test_a_file_that_one_may_not_see_is_no_other_to_link_to_than_one_that_is_not_there(shared_bucket: Filed) -> None:
    hidden, path = shared_bucket.put("hidden"), f"/buckets/{shared_bucket.id}/links"
    asks = shared_bucket.people["prefix-reader"].ask
    there, nowhere = (asks("POST", path, json={"file_id": id}) for id in (hidden["id"], str(uuid4())))
    assert refusal(there) == refusal(nowhere) == (404, "NOT_FOUND")
    assert there.json()["detail"] == nowhere.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "folder"},
        {"kind": "file", "prefix": "a"},
        {"kind": "drop", "prefix": "a", "max_downloads": 1},
        {"kind": "folder", "prefix": "a", "max_bytes": 1},
        {"kind": "folder", "prefix": "a", "password": "abc"},
        {"kind": "folder", "prefix": "a", "password": "a" * 257},
        {"kind": "folder", "prefix": "a\0"},
        {"kind": "folder", "prefix": "a", "max_downloads": 0},
        {"kind": "folder", "prefix": "a", "expires_at": "2020-01-01T00:00:00Z"},
    ],
)
def test_what_is_no_link_is_refused(shared_bucket: Filed, body: dict[str, Any]) -> None:
    answer = shared_bucket.owner.ask("POST", f"/buckets/{shared_bucket.id}/links", json=body)
    assert answer.status_code == 422, answer.text


def test_a_drop_box_takes_files_and_overwrites_lists_and_tells_nothing(filed: Filed) -> None:
    filed.put("in/a.txt", b"first")
    link = make(filed, kind="drop", prefix="in")
    assert "a.txt" not in get(link).text and get(link, "/download?path=a.txt").status_code == 404

    def send(number: int) -> httpx.Response:
        return get(link, "/upload", method="POST", files={"file": ("a.txt", str(number).encode(), "text/html")})

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(send, range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert all("“a.txt”" in answer.text and "(" not in answer.text for answer in answers)
    assert filed.listed() == [f"in/a ({number}).txt" for number in range(2, 6)] + ["in/a.txt"]
    got = {filed.s3.get_object(Bucket=filed.name, Key=key)["Body"].read() for key in filed.listed()}
    assert got == {b"first", b"0", b"1", b"2", b"3"}
    told = now_of(filed, link)
    assert (told["uploads"], told["uploaded_bytes"], told["downloads"]) == (4, 4, 0)
    assert filed.find("in/a (2).txt")["owner_id"] == filed.owner.id


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\<img src=x>.txt", "<img src=x>.txt"),
        ("..", "file"),
        ("a\u202etxt.exe", "atxt.exe"),
        ("x" * 300 + ".txt", "x" * 196 + ".txt"),
        ("ä" * 200, "ä" * 100),
    ],
)
def test_names_that_are_sent_lead_nowhere(filed: Filed, given: str, stored: str) -> None:
    link = make(filed, kind="drop", prefix="in")
    answer = get(link, "/upload", method="POST", files={"file": (given, b"x")})
    assert answer.status_code == 200 and "<img" not in answer.text
    assert filed.listed() == [f"in/{stored}"]


def test_a_drop_box_is_full_when_it_is_and_never_a_byte_later(filed: Filed) -> None:
    link = make(filed, kind="drop", prefix="in", max_bytes=10)

    def send(number: int) -> int:
        form = {"file": (f"{number}", b"1234")}
        return get(link, "/upload", method="POST", files=form).status_code

    with ThreadPoolExecutor(6) as threads:
        statuses = list(threads.map(send, range(6)))
    assert statuses.count(200) == 2 and set(statuses) <= {200, 404, 413}
    assert get(link, "/upload", method="POST", files={"file": ("x", b"123")}).status_code == 413
    assert len(filed.listed()) == 2
    filed.owner.ask("PUT", f"/buckets/{filed.id}", json={"storage_quota": 8})
    other = make(filed, kind="drop", prefix="in")
    assert get(other, "/upload", method="POST", files={"file": ("x", b"1")}).status_code == 413


def test_no_log_line_has_a_token_and_no_header_changes_the_url(filed: Filed, server: RunningServer) -> None:
    headers = {"Host": "evil.example.com", "X-Forwarded-Host": "evil.example.com"}
    body = {"kind": "folder", "prefix": ""}
    made = filed.owner.ask("POST", f"/buckets/{filed.id}/links", json=body, headers=headers).json()
    assert made["url"].startswith(server.share)
    token = made["url"].rpartition("/")[2]
    filed.put("a.txt")
    for below in ("", "/download?path=a.txt", "/nothing", "/download?path=", "x", f"/{token}", "/%00"):
        get(made, below, headers={"Referer": "https://x.example.com"})
    get(made, "/upload", method="POST", files={"file": ("x", b"x")})
    get(made, method="PUT", content=b"x")
    httpx.get(f"{server.share}/%{ord(token[0]):02x}{token[1:]}")
    threading.Event().wait(0.5)
    log = server.log.read_text()
    assert token not in log and token[1:] not in log
    assert f"path=/{made['id']}/download" in log and "operation=share_download" in log


def test_who_goes_while_he_fills_a_drop_box_is_no_fault_of_ours(filed: Filed, server: RunningServer) -> None:
    link, seen = make(filed, kind="drop", prefix="in"), len(server.log.read_text())
    url = httpx.URL(link["url"])
    head = f"POST {url.path}/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
    head += "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    part = '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nbytes'
    with socket.create_connection((url.host, url.port or 80), timeout=30) as peer:
        peer.sendall((head + part).encode())
    until, lines = time.monotonic() + 30, [""]
    while "operation=share_upload" not in lines[0] and time.monotonic() < until:
        told = server.log.read_text()[seen:]
        lines = [line for line in told.splitlines() if f"path=/{link['id']}/upload" in line] or [""]
    assert "status=499 error=-" in lines[0]
    assert "Traceback" not in told and filed.listed() == []


def test_what_a_link_was_used_for_is_in_the_audit_log(filed: Filed) -> None:
    filed.put("in/a.txt")
    link, drop = make(filed, kind="folder", prefix="in"), make(filed, kind="drop", prefix="in")
    get(link, "/download?path=a.txt")
    get(drop, "/upload", method="POST", files={"file": ("b.txt", b"12")})
    lines = filed.people["admin"].ask("GET", "/audit", params={"per_page": 10}).json()["items"]
    found = {line["action"]: line for line in lines if line["resource"] in (link["id"], drop["id"])}
    assert found["link.download"]["after"] == {"key": "in/a.txt", "downloads": 1}
    assert found["link.upload"]["after"] == {"key": "in/b.txt", "size": 2}
    assert {found[action]["door"] for action in ("link.download", "link.upload")} == {"share"}
    assert link["url"].rpartition("/")[2] not in str(lines)


def test_links_are_listed_by_their_makers_and_all_by_the_buckets_owner(
    shared_bucket: Filed, server: RunningServer
) -> None:
    mine = make(shared_bucket, "reader", kind="folder", prefix="mine")
    path = f"/buckets/{shared_bucket.id}/links"
    of_reader = shared_bucket.people["reader"].ask("GET", path).json()["items"]
    assert mine["id"] in [link["id"] for link in of_reader]
    assert {link["created_by"] for link in of_reader} == {shared_bucket.people["reader"].id}
    assert mine["id"] in [link["id"] for link in shared_bucket.owner.ask("GET", path).json()["items"]]
    ask = beside(server)
    assert mine["id"] in [link["id"] for link in ask("link", "list")]
    assert ask("link", "revoke", mine["id"])["revoked_at"] is not None
    assert get(mine).status_code == 404
    assert shared_bucket.people["reader"].ask("GET", f"/links/{mine['id']}").json()["revoked_at"] is not None


def test_the_listener_serves_nothing_else(server: RunningServer) -> None:
    for path in ("/", "/api/v1/health", "/healthz", "/docs", "/link", "/link/download", "/unknown", "/bucket/key"):
        assert httpx.get(f"{server.share}{path}").status_code == 404, path
    assert httpx.get(f"{server.share}/style.css").headers["Content-Type"].startswith("text/css")
    assert "Disallow: /" in httpx.get(f"{server.share}/robots.txt").text
