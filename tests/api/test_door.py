"""What every request of the API passes: ids, headers, CORS, limits of how much is asked, and the log."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from s3gw.accounts.windows import MOST_SUBJECTS, Windows
from s3gw.api import rate_limit
from s3gw.api.route import LARGEST_BODY
from tests.api.documented import HELD
from tests.api.people import PASSWORD, Person, refusal, register
from tests.console.conftest import Browser
from tests.gateways import client_of
from tests.servers import RunningServer, running_server

ORIGIN, RATE = "https://app.example.com", 25
_addresses = (f"198.51.{high}.{low}" for high, low in itertools.product(range(100), range(1, 255)))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """With one worker, whose counts are those of all, behind a proxy that tells each test's address."""
    settings = {
        "S3GW_API_RATE_LIMIT": f"{RATE}/minute",
        "S3GW_API_CORS_ORIGINS": ORIGIN,
        "S3GW_TRUSTED_PROXIES": "127.0.0.0/8",
        "S3GW_REGISTRATION": "open",
        "S3GW_LOG_FORMAT": "json",
    }
    with running_server(tmp_path_factory.mktemp("door") / "data", "--workers", "1", **settings) as running:
        yield running


@pytest.fixture
def api(server: RunningServer) -> Iterator[httpx.Client]:
    """From an address of its own."""
    with client_from(server, next(_addresses)) as client:
        yield client


def client_from(server: RunningServer, address: str, scheme: str = "http") -> httpx.Client:
    headers = {"X-Forwarded-For": address, "X-Forwarded-Proto": scheme}
    return httpx.Client(base_url=f"{server.admin}/api/v1", headers=headers, timeout=60, event_hooks=HELD)


def line_of(server: RunningServer, answer: httpx.Response) -> dict[str, Any]:
    request_id = answer.headers["X-Request-Id"]
    for _ in range(200):
        for line in server.log.read_text().splitlines():
            if request_id in line and json.loads(line)["logger"] == "s3gw.access":
                found: dict[str, Any] = json.loads(line)
                return found
        time.sleep(0.05)
    raise AssertionError(f"no line of {request_id}")


ANSWERS = {
    "found": ("GET", "/health", {}, 200, "-", "health"),
    "unknown path": ("GET", "/nowhere", {}, 404, "NOT_FOUND", "-"),
    "another method": ("PATCH", "/users/me", {}, 405, "METHOD_NOT_ALLOWED", None),
    "no token": ("GET", "/users/me", {}, 401, "AUTHENTICATION_FAILED", "me"),
    "no JSON": ("POST", "/users/register", {"content": b"{"}, 422, "VALIDATION_ERROR", "register"),
    "too long": ("POST", "/users/register", {"content": bytes(LARGEST_BODY + 1)}, 413, "TOO_LARGE", "register"),
    "too deep": ("POST", "/users/register", {"content": b"[" * 70}, 422, "VALIDATION_ERROR", "register"),
    "deeper": ("POST", "/users/login", {"content": b"[" * 100_000}, 422, "VALIDATION_ERROR", "log_in"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_answer_and_its_line_in_the_log_have_one_id(server: RunningServer, api: httpx.Client, kind: str) -> None:
    method, path, options, status, code, operation = ANSWERS[kind]
    headers = {"Content-Type": "application/json", "User-Agent": "test"}
    answer = api.request(method, path, headers=headers, params={"token": "5ec7e7"}, **options)
    assert answer.status_code == status, answer.text
    if code != "-":
        assert (answer.json()["error_code"], answer.json()["request_id"]) == (code, answer.headers["X-Request-Id"])
    line = line_of(server, answer)
    assert (line["status"], line["error"], line["method"], line["agent"]) == (status, code, method, "test")
    assert (line["client"], line["user"]) == (api.headers["X-Forwarded-For"], "anonymous")
    assert line["bytes"] == len(answer.content)
    assert operation in (None, line["operation"])
    assert "5ec7e7" not in json.dumps(line)


def test_a_line_tells_who_asked_and_how_much_came(server: RunningServer, api: httpx.Client) -> None:
    person = register(api)
    line = line_of(server, person.http.post("/keys", json={"description": "laptop"}))
    assert (line["user"], line["operation"], line["bytes_in"]) == (person.name, "create_key", 24)


def test_a_body_of_unknown_length_is_bounded_too(api: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        yield from (b" " * 65_536 for _ in range(LARGEST_BODY // 65_536 + 1))

    answer = api.post("/users/register", content=pieces(), headers={"Content-Type": "application/json"})
    assert refusal(answer) == (413, "TOO_LARGE")


@pytest.mark.parametrize("path", ["health", "users/me", "nowhere", "../../docs", "../../openapi.json", "../../"])
def test_every_answer_says_what_a_browser_may_do_with_it(server: RunningServer, path: str) -> None:
    for scheme in ("http", "https"):
        with client_from(server, next(_addresses), scheme) as api:
            headers = api.get(f"{server.admin}/api/v1/{path}").headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert ("Strict-Transport-Security" in headers) == (scheme == "https")


def test_a_page_of_an_origin_that_may_asks_and_reads(api: httpx.Client) -> None:
    asks = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT"}
    asks["Access-Control-Request-Headers"] = "authorization, content-type, if-match, idempotency-key"
    preflight = api.options("/users/me", headers=asks)
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)
    assert "PUT" in preflight.headers["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Credentials" not in preflight.headers
    answer = api.get("/users/me", headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (401, ORIGIN)
    assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
    assert "Origin" in answer.headers["Vary"]


def test_a_page_of_any_other_origin_may_not(api: httpx.Client) -> None:
    asks = {"Origin": "https://evil.example.com", "Access-Control-Request-Method": "PUT"}
    assert api.options("/users/me", headers=asks).status_code == 400
    for method in ("GET", "OPTIONS"):
        assert "Access-Control-Allow-Origin" not in api.request(method, "/users/me", headers=asks).headers


def use_up(api: httpx.Client, person: Person | None = None) -> list[httpx.Response]:
    asker = api if person is None else person.http
    return [asker.get("/users/me") for _ in range(RATE + 1)]


def test_who_asks_too_often_is_told_when_he_may_again(server: RunningServer, api: httpx.Client) -> None:
    answers = use_up(api)
    assert [answer.status_code for answer in answers] == [401] * RATE + [429]
    left = [int(answer.headers["RateLimit-Remaining"]) for answer in answers]
    assert left == [*range(RATE - 1, -1, -1), 0]
    refused = answers[-1]
    assert refusal(refused) == (429, "RATE_LIMITED")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit-Reset"] == refused.headers["Retry-After"]
    assert (refused.headers["RateLimit-Limit"], refused.headers["RateLimit-Policy"]) == (str(RATE), f"{RATE};w=60")
    assert refused.headers["X-Content-Type-Options"] == "nosniff"
    assert line_of(server, refused)["error"] == "RATE_LIMITED"
    assert (
        "RateLimit-Limit" in api.get("/users/me", headers={"Origin": ORIGIN}).headers["Access-Control-Expose-Headers"]
    )
    with client_from(server, next(_addresses)) as other:
        assert other.get("/users/me").status_code == 401


def test_a_user_has_a_limit_of_his_own_wherever_he_asks_from(server: RunningServer, api: httpx.Client) -> None:
    person = register(api)
    others = [register(api) for _ in range(2)]
    answers = use_up(api, person)
    assert answers[-1].status_code == 429
    with client_from(server, next(_addresses)) as elsewhere:
        assert elsewhere.get("/users/me", headers=person.bearer).status_code == 429
        assert elsewhere.get("/users/me", headers={"Authorization": "Bearer x"}).status_code == 401
    assert others[0].http.get("/users/me").status_code == 200


def test_an_ended_session_uses_up_nothing_of_its_user_s(server: RunningServer) -> None:
    """Whoever has a copy of its token could lock the user out."""
    with client_from(server, next(_addresses)) as api:
        person = register(api)
        again = Person(api, person.name)
        assert api.post("/users/logout", json={"refresh_token": person.tokens["refresh_token"]}).status_code == 204
    with client_from(server, next(_addresses)) as elsewhere:
        answers = [elsewhere.get("/users/me", headers=person.bearer).status_code for _ in range(RATE + 1)]
        assert answers == [401] * RATE + [429]
        assert elsewhere.get("/users/me", headers=again.bearer).status_code == 200


def test_addresses_of_one_ipv6_network_are_one(server: RunningServer) -> None:
    for number in range(RATE + 1):
        with client_from(server, f"2001:db8:1:1::{number:x}") as api:
            status = api.get("/users/me").status_code
    assert status == 429
    with client_from(server, "2001:db8:1:2::1") as api:
        assert api.get("/users/me").status_code == 401


def test_the_windows_of_20000_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = Windows()
    for number in range(MOST_SUBJECTS + 5):
        windows.incr(f"address:{number}", 60)
    assert (windows.get("address:4"), windows.get("address:5")) == (0, 1)
    assert windows.incr("address:5", 60) == 2
    assert windows.reset() == MOST_SUBJECTS


def test_a_window_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    windows, at = Windows(), time.monotonic()
    assert [windows.incr("one", 60), windows.incr("one", 60)] == [1, 2]
    monkeypatch.setattr(rate_limit.time, "monotonic", lambda: at + 61)  # type: ignore[attr-defined]
    assert windows.get("one") == 0
    assert windows.incr("one", 60) == 1


def test_health_tells_of_database_and_disk_and_nothing_else(server: RunningServer, api: httpx.Client) -> None:
    answer = api.get("/health")
    told = answer.json()
    assert told.pop("version")
    assert told == {"status": "ok"} | dict.fromkeys(
        ("database", "reading", "writing", "scanning", "node", "clock"), "ok"
    )
    blobs = Path(server.facts["data"]) / "blobs"
    away = blobs.with_name("away")
    blobs.rename(away)
    try:
        failed = api.get("/health")
    finally:
        away.rename(blobs)
    assert (failed.status_code, failed.json()["status"], failed.json()["reading"]) == (503, "failed", "failed")
    assert str(blobs) not in failed.text


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/users", "GET, POST"),
        ("/keys/AKIAIOSFODNN7EXAMPLE", "DELETE, GET, PUT"),
        ("/health", "GET, HEAD"),
    ],
)
def test_a_method_that_a_path_doesn_t_have_is_told_all_that_it_has(api: httpx.Client, path: str, methods: str) -> None:
    answer = api.request("PATCH", path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, methods)


@pytest.mark.parametrize("path", ["/api/v1/health", "/docs", "/redoc", "/openapi.json", "/docs/assets/swagger.js"])
def test_what_monitors_ask_is_asked_by_HEAD_too(server: RunningServer, api: httpx.Client, path: str) -> None:
    url = f"{server.admin}{path}"
    answer, whole = api.head(url), api.get(url)
    assert (answer.status_code, answer.content) == (200, b"")
    for name in ("Content-Type", "Content-Length"):
        assert answer.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    "path", ["/api/v1/health/", "/api/v1/users/", "/docs/", "/redoc/", "/openapi.json/", "/healthz/"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_slash_at_the_end_is_another_path_and_leads_nowhere(
    server: RunningServer, api: httpx.Client, path: str, method: str
) -> None:
    answer = api.request(method, f"{server.admin}{path}", headers={"Host": "elsewhere.example"}, follow_redirects=False)
    assert (answer.status_code, "Location" in answer.headers) == (404, False)
    if method != "HEAD":
        assert answer.json()["error_code"] == "NOT_FOUND"


@pytest.mark.parametrize("path", ["/keys/a%0Ab", "/keys/%0A", "/%0A", "/users/%0D%0A/sessions"])
def test_a_line_break_in_a_path_is_answered_as_any_other(api: httpx.Client, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code in (401, 404)
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("path", "headers", "told"),
    [
        ("/users/me", {"X-Long": "x" * 40_000}, (422, "VALIDATION_ERROR")),
        (f"/audit?resource={'x' * 40_000}", {}, (422, "VALIDATION_ERROR")),
    ],
)
def test_what_is_no_request_is_refused_in_json_too(
    api: httpx.Client, path: str, headers: dict[str, str], told: tuple[int, str]
) -> None:
    answer = api.get(path, headers=headers)
    assert refusal(answer) == told
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_policy_about_tls_sees_how_the_request_came_to_whatever_route(
    server: RunningServer, api: httpx.Client
) -> None:
    owner = register(api)
    bucket = owner.http.post("/buckets", json={"name": f"tls-{owner.id[:8]}"}).json()
    of_bucket = [f"arn:aws:s3:::{bucket['name']}", f"arn:aws:s3:::{bucket['name']}/*"]
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": of_bucket}
    deny |= {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    client_of(server).put_bucket_policy(Bucket=bucket["name"], Policy=document)
    path, link = f"/buckets/{bucket['id']}", {"kind": "folder", "prefix": ""}
    with client_from(server, next(_addresses), "https") as secure:
        for client, statuses in ((api, [403] * 4), (secure, [200, 202, 201, 202])):
            asked = [
                client.get(f"{path}/storage", headers=owner.bearer),
                client.post(f"{path}/storage/measure", headers=owner.bearer),
                client.post(f"{path}/links", headers=owner.bearer, json=link),
                client.delete(path, params={"force": True}, headers=owner.bearer),
            ]
            assert [answer.status_code for answer in asked] == statuses
        job_id, deadline = asked[-1].json()["id"], time.monotonic() + 60
        while (job := secure.get(f"/jobs/{job_id}", headers=owner.bearer).json())["state"] in ("queued", "running"):
            assert time.monotonic() < deadline
            time.sleep(0.3)  # a user may ask only so often here
    assert (job["state"], job["error"]) == ("done", None)


def test_a_page_of_the_console_counts_as_one_however_much_it_asks(server: RunningServer) -> None:
    with client_from(server, next(_addresses)) as api:
        person = register(api)
        for number in range(3):
            person.http.post("/buckets", json={"name": f"{person.name}-{number}"}, headers=person.bearer)
    browser = Browser(server.admin)
    browser.http.headers["X-Forwarded-For"] = next(_addresses)
    assert browser.log_in(person.name).status_code == 303
    pages = [browser.get("/console/buckets").status_code for _ in range(RATE)]
    browser.http.close()
    assert pages[:15] == [200] * 15 and pages[-1] == 429  # each has asked for the list, and for three buckets


def test_a_page_tells_the_id_that_the_log_has_of_what_it_has_asked(server: RunningServer) -> None:
    browser = Browser(server.admin)
    browser.http.headers["X-Forwarded-For"] = next(_addresses)
    answer = browser.log_in("nobody-at-all")
    browser.http.close()
    request_id = answer.headers["X-Request-Id"]
    assert answer.status_code == 401 and request_id in answer.text
    line_of(server, answer)
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if request_id in line]
    assert {line["path"] for line in lines} == {"/console/login", "/api/v1/users/login"}


def test_cookies_of_the_console_are_this_hosts_alone_over_tls(server: RunningServer) -> None:
    with client_from(server, next(_addresses), "https") as api:
        person = register(api)
        origin = {"Origin": server.admin.replace("http:", "https:")}
        sent = {
            "login": {"username": person.name, "password": PASSWORD},
            "theme": {"theme": "dark"},
        }
        for path, fields in sent.items():
            made = api.post(f"{server.admin}/console/{path}", data=fields, headers=origin).headers["Set-Cookie"]
            assert made.startswith("__Host-s3gw_") and "Domain" not in made, made
            assert {"Path=/", "Secure", "HttpOnly", "SameSite=strict"} <= set(made.split("; "))
            name, _, value = made.partition(";")[0].partition("=")
            page = api.get(f"{server.admin}/console/login", headers={"Cookie": f"{name}={value}"})
            assert page.status_code == 303 if path == "login" else 'data-theme="dark"' in page.text
