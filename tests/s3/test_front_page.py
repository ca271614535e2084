"""What a browser is shown, and that nobody else is."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from tests.raw_requests import Answer, send
from tests.servers import RunningServer

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def ask(server: RunningServer, path: str, accept: str, **others: Any) -> Answer:
    return send(server, "GET", path, **{"key": None, "Accept": accept, **others})


def test_a_browser_is_told_what_this_is_and_where_to_go_on(server: RunningServer) -> None:
    status, body, headers = ask(server, "/", CHROME)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    text = body.decode()
    assert "s3gw, an object store" in text and f"--endpoint-url {server.s3} " in text
    assert "/readyz" in text and "s3gw config" in text
    assert headers["Vary"] == "accept" and "default-src 'none'" in headers["Content-Security-Policy"]


def test_what_a_stranger_sends_as_host_is_no_html(server: RunningServer) -> None:
    body = ask(server, "/", CHROME, Host="<script>alert(1)</script>").body
    assert b"&lt;script&gt;" in body and b"<script>" not in body


@pytest.mark.parametrize("accept", ["*/*", "", "application/xml", "application/json, text/html", "image/png"])
def test_programs_without_credentials_get_the_error_of_s3(server: RunningServer, accept: str) -> None:
    status, body, headers = ask(server, "/", accept)
    assert (status, headers["Content-Type"]) == (403, "application/xml")
    assert ElementTree.fromstring(body).findtext("Code") == "AccessDenied"


def test_who_signs_gets_s3_whatever_it_accepts(server: RunningServer) -> None:
    status, body, _ = send(server, "GET", "/", Accept=CHROME)
    assert status == 200 and b"<ListAllMyBucketsResult" in body


@pytest.mark.parametrize(
    "path", ["/?X-Amz-Signature=0", "/bucket", "/bucket/key.html", "/favicon.ico/key", "/favicon.ico?Signature=0"]
)
def test_other_addresses_are_s3_for_browsers_too(server: RunningServer, path: str) -> None:
    status, _, headers = ask(server, path, CHROME)
    assert status in (400, 403, 404) and headers["Content-Type"] == "application/xml"


@pytest.mark.parametrize("path", ["/?utm=1", "/favicon.ico?v=2"])
def test_a_query_of_the_web_changes_nothing(server: RunningServer, path: str) -> None:
    assert ask(server, path, CHROME).status == 200
    assert send(server, "HEAD", path, key=None, Accept=CHROME)[:2] == (200, b"")


def test_the_icon_that_browsers_fetch_is_no_bucket(server: RunningServer) -> None:
    status, body, headers = ask(server, "/favicon.ico", "image/avif,image/webp,*/*;q=0.8")
    assert (status, headers["Content-Type"]) == (200, "image/svg+xml") and body.startswith(b"<svg")
    status, body, _ = send(server, "PUT", "/favicon.ico")
    assert status == 400 and b"InvalidBucketName" in body


def test_the_icons_path_of_a_virtual_host_is_a_key(server: RunningServer) -> None:
    status, _, headers = ask(server, "/favicon.ico", "*/*", Host="pictures.s3.localhost")
    assert status in (403, 404) and headers["Content-Type"] == "application/xml"
