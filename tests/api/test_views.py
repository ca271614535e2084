"""Files as they are shown in a frame: for who may read them, as one version, and as nothing that could act."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from s3gw.auth.preview_tokens import VIEW_LIFETIME
from s3gw.content.open_content import OpenContent
from s3gw.previews import markdown
from s3gw.previews.kinds import KINDS, extra_of
from s3gw.previews.limits import REASONS
from s3gw.previews.recipes import MOST_PAGES
from s3gw.share import shown
from s3gw.share.frame_words import TABLES
from s3gw.share.heads import LARGEST_HEAD
from s3gw.share.visit import Gone
from tests.api.files import Filed, filed, people, shared_bucket  # noqa: F401  (fixtures)
from tests.api.people import refusal
from tests.previews.odd_files import SVG, odd
from tests.servers import RunningServer

OK = (200, "")
_SOAK = pytest.mark.soak
UNKNOWN, HIDDEN, INVALID = (401, "AUTHENTICATION_FAILED"), (404, "NOT_FOUND"), (422, "VALIDATION_ERROR")
WHO = {"nobody": UNKNOWN, "stranger": HIDDEN, "reader": OK, "auditor": (403, "PERMISSION_DENIED"), "admin": OK}


def url_of(filed: Filed, file: dict[str, Any], **body: Any) -> str:  # noqa: F811
    made = filed.owner.ask("POST", f"{filed.path}/{file['id']}/view-url", json=body)
    assert made.status_code == 200, made.text
    return str(made.json()["url"])


def looked_at(filed: Filed, key: str, body: bytes, **more: Any) -> httpx.Response:  # noqa: F811
    answer = httpx.get(url_of(filed, filed.put(key, body, **more)), timeout=60)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize("who", WHO)
def test_a_url_is_for_who_may_read_the_file(shared_bucket: Filed, who: str) -> None:  # noqa: F811
    file = shared_bucket.put("shown")
    assert shared_bucket.ask(who, "POST", f"{shared_bucket.path}/{file['id']}/view-url", json={}) == WHO[who]


@pytest.mark.parametrize(
    ("key", "kind", "body"),
    [
        pytest.param("a.html", "text/html", b"<script>alert(1)</script>", marks=_SOAK),
        ("a.svg", "image/svg+xml", SVG),
        ("<img src=x onerror=alert(1)>.txt", "text/plain", b"<img src=x onerror=alert(1)>"),
        ("a.csv", "text/csv", b"a,<script>alert(1)</script>\n=1+1|cmd,</table><script>\n"),
        pytest.param("a.json", "application/json", b'{"a": "</pre><script>alert(1)</script>"}', marks=_SOAK),
        pytest.param(
            "a.parquet", "application/vnd.apache.parquet", b"PAR1<script>alert(1)</script>", marks=pytest.mark.soak
        ),
        ("a.pdf", "application/pdf", b"%PDF-1.7 <script>alert(1)</script>"),
    ],
)
def test_nothing_that_is_shown_can_act(filed: Filed, key: str, kind: str, body: bytes) -> None:  # noqa: F811
    answer = looked_at(filed, key, body, ContentType=kind)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and policy.endswith("; sandbox") and "script-src" not in policy
    assert f"img-src 'self' {answer.url.copy_with(raw_path=b'')};" in policy  # which WebKit doesn't take 'self' for
    assert f"frame-ancestors http://{filed.api.base_url.netloc.decode()};" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8" and "Set-Cookie" not in answer.headers
    assert all(mark not in answer.text for mark in ("<script", "<img", "<svg", 'href="javascript'))


def test_markdown_is_shown_and_can_not_act(filed: Filed) -> None:  # noqa: F811
    body = b"# Head\n\n[a](javascript:alert(1)) <script>alert(1)</script> ![p](http://evil.example/p.png) [b](https://b.org)"
    answer = looked_at(filed, "a.md", body, ContentType="text/plain")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.endswith("; sandbox allow-popups allow-popups-to-escape-sandbox") and "script-src" not in policy
    assert "<h1>Head</h1>" in answer.text and 'rel="noopener noreferrer nofollow"' in answer.text
    assert all(mark not in answer.text for mark in ("<script", "<img", "evil.example", 'href="javascript'))


def test_of_a_long_markdown_the_first_64_kib_are_shown(filed: Filed) -> None:  # noqa: F811
    lines = markdown.LARGEST // 1024
    for count in (lines, lines + 1):
        body = b"first\n\n" + b"x" * 1015 + b"\n" + (b"x" * 1023 + b"\n") * (count - 2) + b"x" * 1018 + b" last\n"
        shown = looked_at(filed, "long.md", body, ContentType="text/plain").text
        assert "<p>first</p>" in shown
        assert ("last" in shown, "Only the beginning" in shown) == (count == lines, count > lines)


def test_a_frame_speaks_the_language_of_who_looks(filed: Filed) -> None:  # noqa: F811
    url = url_of(filed, filed.put("a.csv", b"a,b\n" + b"1,2\n" * 200, ContentType="text/csv"))
    german = httpx.get(url, headers={"Accept-Language": "de-AT,en;q=0.5"})
    assert '<html lang="de">' in german.text and "Die ersten 100 Zeilen." in german.text
    assert german.headers["Vary"] == "Accept-Language"
    far = httpx.get(url, headers={"Accept-Language": "fr," * 66 + "d,de"})  # beyond what is looked at
    assert '<html lang="en">' in far.text
    other = httpx.get(url, headers={"Accept-Language": "fr"}).text
    assert '<html lang="en">' in other and "The first 100 rows." in other


def test_why_there_is_no_preview_is_told_in_each_language(filed: Filed) -> None:  # noqa: F811
    missing = {
        f"This server makes no previews of such files: it has no s3gw[{extra_of(kind)}]." for kind in KINDS.values()
    }
    for table in TABLES.values():
        assert missing | set(REASONS.values()) <= table.keys()
    page = looked_at(filed, "a.pdf", odd("pages.pdf"), ContentType="application/pdf")
    german = httpx.get(f"{page.url}&number=3", timeout=60, headers={"Accept-Language": "de"})
    assert "Eine solche Seite hat sie nicht." in german.text


def test_pictures_and_pages_and_tables_are_shown(filed: Filed) -> None:  # noqa: F811
    page = looked_at(filed, "a.jpg", odd("rgb.jpg"), ContentType="image/jpeg")
    assert "/shown/content?token=" in page.text
    content = httpx.get(str(page.url).replace("/shown?", "/shown/content?"), headers={"Range": "bytes=0-2"})
    assert (content.status_code, content.content) == (206, b"\xff\xd8\xff")
    assert content.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "sandbox" in content.headers["Content-Security-Policy"]
    page = looked_at(filed, "a.pdf", odd("pages.pdf"), ContentType="application/pdf")
    assert "Page 1" in page.text and "number=2" in page.text
    picture = httpx.get(f"{page.url}&number=2".replace("/shown?", "/shown/page?"), timeout=60)
    assert picture.headers["Content-Type"] == "image/webp" and picture.content.startswith(b"RIFF")
    assert "It has no such page." in httpx.get(f"{page.url}&number=3", timeout=60).text
    page = looked_at(filed, "a.parquet", odd("table.parquet"))
    assert "id (int64)" in page.text and "<td>&lt;b&gt;</td>" in page.text


@pytest.mark.soak
def test_a_page_and_a_table_are_told_to_programs(filed: Filed) -> None:  # noqa: F811
    files = [filed.put("a.pdf", odd("pages.pdf")), filed.put("a.parquet", odd("table.parquet"))]
    paths = [f"{filed.path}/{file['id']}" for file in files]
    for path in (f"{paths[0]}/page?number=2", f"{paths[1]}/table"):
        while (answer := filed.owner.ask("GET", path)).status_code == 202:
            pass
        assert answer.status_code == 200, answer.text
    assert answer.json()["rows"] == [["1", "<b>"], ["2", None]]
    assert filed.ask("owner", "GET", f"{paths[1]}/page") == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert filed.ask("owner", "GET", f"{paths[0]}/table") == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_document_has_50_pages_at_most(filed: Filed) -> None:  # noqa: F811
    file = filed.put("a.pdf", odd("pages.pdf"), ContentType="application/pdf")
    over = MOST_PAGES + 1
    answer = filed.owner.ask("GET", f"{filed.path}/{file['id']}/page", params={"number": over})
    assert refusal(answer) == INVALID
    assert httpx.get(f"{url_of(filed, file)}&number={over}").status_code == 404


def test_of_a_long_text_the_beginning_is_shown(filed: Filed) -> None:  # noqa: F811
    page = looked_at(filed, "a.txt", b"x" * LARGEST_HEAD + b"END", ContentType="text/plain")
    assert "Only the beginning is shown." in page.text and "END" not in page.text


def test_what_is_shown_is_that_version(filed: Filed) -> None:  # noqa: F811
    file = filed.put("a.txt", b"first", ContentType="text/plain")
    url = url_of(filed, file)
    assert "first" in httpx.get(url).text
    filed.put("a.txt", b"second", ContentType="text/plain")
    answer = httpx.get(url)
    assert answer.status_code == 404 and "second" not in answer.text


def test_a_token_is_for_this_alone(filed: Filed, server: RunningServer) -> None:  # noqa: F811
    """Neither is one of pictures a view, nor the other way around; an access token is neither."""
    file = filed.put("a.png", odd("palette.png"), ContentType="image/png")
    view = url_of(filed, file)
    picture = filed.owner.ask("POST", f"{filed.path}/{file['id']}/preview-url", json={}).json()["url"]
    token, other = (urlsplit(url).query.removeprefix("token=") for url in (view, picture))
    assert httpx.get(f"{server.admin}/api/v1/preview", params={"token": token}).status_code == 401
    access = filed.owner.ask("GET", "/users/me").request.headers["Authorization"].removeprefix("Bearer ")
    for wrong in (other, access, "", token[:-4] + "AAAA", token + "A" * shown._LONGEST):
        for place in ("", "/content", "/page"):
            assert httpx.get(f"{server.share}/shown{place}", params={"token": wrong}).status_code == 401
    assert VIEW_LIFETIME == 1800


def test_it_ends_with_the_session(filed: Filed, api: httpx.Client) -> None:  # noqa: F811
    from tests.api.people import PASSWORD

    file = filed.put("a.txt", b"text", ContentType="text/plain")
    login = api.post("/users/login", json={"username": filed.owner.name, "password": PASSWORD}).json()
    bearer = {"Authorization": f"Bearer {login['access_token']}"}
    url = api.post(f"{filed.path}/{file['id']}/view-url", json={}, headers=bearer).json()["url"]
    assert httpx.get(url).status_code == 200
    api.post("/users/logout", json={"refresh_token": login["refresh_token"]}, headers=bearer)
    assert httpx.get(url).status_code == 401


@pytest.mark.anyio
async def test_so_much_is_read_as_a_whole_at_most() -> None:
    assert await shown._whole(OpenContent(whole=b"x"), shown._LARGEST) == b"x"
    with pytest.raises(Gone):
        await shown._whole(OpenContent(whole=b"x"), shown._LARGEST + 1)
