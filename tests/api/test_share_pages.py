"""The pages of share links behind a proxy, with few requests allowed, and in a browser."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateways import client_of
from tests.servers import RunningServer, running_server

PASSWORD = "an admin's long password"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    data = tmp_path_factory.mktemp("share") / "data"
    settings = {"S3GW_SHARE_URL": "https://share.example.com/s", "S3GW_TRUSTED_PROXIES": "127.0.0.1/32"}
    limits = {"S3GW_API_RATE_LIMIT": "40/minute", "S3GW_MAX_ARCHIVE_FILES": "3"}
    limits |= {"S3GW_MAX_UNPACK_SIZE": "1000", "S3GW_MAX_UNPACK_JOB_SIZE": "1100"}
    limits |= {"S3GW_ROOT_PASSWORD": PASSWORD, "S3GW_BUCKETS": "pictures"}
    with running_server(data, "--workers", "1", **settings, **limits) as running:
        yield running


@pytest.fixture(scope="module")
def link(alone: RunningServer) -> dict[str, Any]:
    client_of(alone).put_object(Bucket="pictures", Key="in/a.txt", Body=b"hello", ContentType="text/plain")
    with httpx.Client(base_url=f"{alone.admin}/api/v1", timeout=60) as api:
        token = api.post("/users/login", json={"username": "admin", "password": PASSWORD}).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        bucket = api.get("/buckets/by-name/pictures", headers=headers).json()["id"]
        body = {"kind": "folder", "prefix": "in", "password": "open sesame"}
        made: dict[str, Any] = api.post(f"/buckets/{bucket}/links", json=body, headers=headers).json()
        return made


@pytest.mark.soak
def test_behind_a_proxy_links_have_its_address_and_cookies_its_path(alone: RunningServer, link: dict[str, Any]) -> None:
    assert link["url"].startswith("https://share.example.com/s/")
    token = link["url"].rpartition("/")[2]
    seen = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
    opened = httpx.post(f"{alone.share}/{token}", data={"password": "open sesame"}, headers=seen)
    assert opened.headers["Location"] == f"/s/{token}"
    cookie = opened.headers["Set-Cookie"]
    assert f"Path=/s/{token}" in cookie and "Secure" in cookie
    page = httpx.get(f"{alone.share}/{token}", headers={**seen, "Cookie": cookie.partition(";")[0]})
    assert f'href="/s/{token}/download?path=a.txt"' in page.text and 'href="/s/style.css"' in page.text
    assert page.headers["Strict-Transport-Security"]


@pytest.mark.soak
def test_an_address_that_tries_tokens_is_told_to_wait(alone: RunningServer, link: dict[str, Any]) -> None:
    seen = {"X-Forwarded-For": "192.0.2.2"}
    answers = [httpx.get(f"{alone.share}/{number:043}", headers=seen) for number in range(41)]
    assert [answer.status_code for answer in answers] == [404] * 40 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert httpx.get(f"{alone.share}/{'x' * 43}", headers={"X-Forwarded-For": "192.0.2.3"}).status_code == 404


def test_a_zip_has_so_many_files_at_most(alone: RunningServer) -> None:
    s3, seen = client_of(alone), {"X-Forwarded-For": "192.0.2.4"}
    with httpx.Client(base_url=f"{alone.admin}/api/v1", timeout=60, headers=seen) as api:
        token = api.post("/users/login", json={"username": "admin", "password": PASSWORD}).json()["access_token"]
        api.headers["Authorization"] = f"Bearer {token}"
        bucket = api.get("/buckets/by-name/pictures").json()["id"]
        made = api.post(f"/buckets/{bucket}/links", json={"kind": "folder", "prefix": "many"}).json()
        page = f"{alone.share}/{made['url'].rpartition('/')[2]}/archive"
        for number, status in ((1, 200), (2, 200), (3, 200), (4, 413)):
            s3.put_object(Bucket="pictures", Key=f"many/{number}", Body=b"hello")
            answer = api.get(f"/buckets/{bucket}/archive", params={"prefix": "many/"})
            shared = httpx.get(page, headers=seen)
            assert (answer.status_code, shared.status_code) == (status, status)
        assert answer.json()["error_code"] == "TOO_LARGE" and "Too many files" in shared.text


def test_an_archive_that_is_unpacked_has_so_many_bytes_at_most(alone: RunningServer) -> None:
    with httpx.Client(base_url=f"{alone.admin}/api/v1", timeout=60, headers={"X-Forwarded-For": "192.0.2.5"}) as api:
        token = api.post("/users/login", json={"username": "admin", "password": PASSWORD}).json()["access_token"]
        api.headers["Authorization"] = f"Bearer {token}"
        path = f"/buckets/{api.get('/buckets/by-name/pictures').json()['id']}/unpack"
        sizes = ((1000, 0, 201), (1001, 0, 422), (1, 897, 201), (1, 898, 202), (1, 997, 202), (1, 998, 413))
        for size, comment, status in sizes:
            body = io.BytesIO()
            with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("a", b"x" * size)
                archive.comment = b"x" * comment
            content = body.getvalue()
            assert (len(content) > 1000, len(content) > 1100) == (status in (202, 413), status == 413)
            answer = api.post(path, params={"path": "unpacked", "overwrite": "true"}, content=content)
            assert answer.status_code == status, answer.text


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no Chromium")
def test_a_browser_shows_the_page_with_its_style_and_runs_nothing(alone: RunningServer, tmp_path: Path) -> None:
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom"]
    done = subprocess.run([*command, f"{alone.share}/{'y' * 43}"], capture_output=True, text=True, timeout=60)
    assert "There is no such link" in done.stdout
    assert "Content Security Policy" not in done.stderr
