"""Logging in at a real OpenID Connect issuer, over HTTP, on both databases and two workers."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from s3gw.auth.oidc import Client, Issuer, IssuerUnavailable
from tests.api.documented import HELD
from tests.api.oidc_issuer import CLIENT, SECRET, RunningIssuer, query_of, running_issuer
from tests.api.people import PASSWORD, refusal
from tests.postgresql import Server
from tests.servers import RunningServer, running_server

_numbers = itertools.count()
_addresses = itertools.count(2)


class AsIfByTls(httpx.HTTPTransport):
    """The server is told that people reach it by https, so its cookie is for that alone."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        cookie = answer.headers.get("Set-Cookie")
        if cookie is not None:
            answer.headers["Set-Cookie"] = cookie.replace("; Secure", "")
        return answer


class Site(NamedTuple):
    server: RunningServer
    issuer: RunningIssuer

    def browser(self) -> httpx.Client:
        """From an address of its own: failures of others don't count for it."""
        transport = AsIfByTls(local_address=f"127.0.1.{next(_addresses)}")
        return httpx.Client(base_url=f"{self.server.admin}/api/v1", transport=transport, timeout=60, event_hooks=HELD)

    def person(self, **claims: Any) -> str:
        subject = f"subject-{next(_numbers)}"
        self.issuer.know(subject, **({"email": f"{subject}@example.com", "preferred_username": subject} | claims))
        return subject

    def return_of(self, browser: httpx.Client, subject: str, **asked: str) -> dict[str, str]:
        """The query with which somebody comes back from the issuer; `asked`: what was changed on the way there."""
        begun = browser.get("/users/oidc/login")
        assert begun.status_code == 302, begun.text
        url = httpx.URL(begun.headers["Location"]).copy_merge_params(asked)
        return self.issuer.agree(str(url), subject)

    def login(self, subject: str, **asked: str) -> httpx.Response:
        with self.browser() as browser:
            return browser.get("/users/oidc/callback", params=self.return_of(browser, subject, **asked))

    def me(self, answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code == 200, answer.text
        with self.browser() as browser:
            bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            found: dict[str, Any] = browser.get("/users/me", headers=bearer).json()
            return found


@pytest.fixture(scope="module")
def issuer() -> Iterator[RunningIssuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(
    request: pytest.FixtureRequest, issuer: RunningIssuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    settings = {
        "S3GW_OIDC_ISSUER": issuer.url,
        "S3GW_OIDC_CLIENT_ID": CLIENT,
        "S3GW_OIDC_CLIENT_SECRET": SECRET,
        "S3GW_PUBLIC_URL": "https://files.example.com",
    }
    if request.param == "postgresql":
        postgresql: Server = request.getfixturevalue("postgresql")
        settings["S3GW_DATABASE_URL"] = postgresql.url(postgresql.create_database())
    with running_server(tmp_path_factory.mktemp("oidc") / "data", **settings) as server:
        yield Site(server, issuer)


@pytest.fixture(autouse=True)
def _truth(issuer: RunningIssuer) -> Iterator[None]:
    yield
    issuer.lie()


def test_a_login_sends_to_the_issuer_and_what_it_needs_is_in_a_cookie(site: Site) -> None:
    with httpx.Client(base_url=f"{site.server.admin}/api/v1", timeout=60, event_hooks=HELD) as browser:
        begun = browser.get("/users/oidc/login")
        asked = query_of(begun.headers["Location"])
    assert begun.headers["Location"].startswith(site.issuer.url)
    assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", CLIENT, "S256")
    assert asked["redirect_uri"] == "https://files.example.com/api/v1/users/oidc/callback"
    assert asked["scope"] == "openid email profile"
    cookie = begun.headers["Set-Cookie"]
    for attribute in ("HttpOnly", "Max-Age=600", "Path=/api/v1/users/oidc", "SameSite=lax", "Secure"):
        assert attribute in cookie
    assert asked["state"] not in cookie and asked["nonce"] not in cookie


def test_who_is_not_known_becomes_a_user_and_is_the_same_one_the_next_time(site: Site) -> None:
    subject = site.person(email_verified=True)
    me = site.me(site.login(subject))
    assert (me["username"], me["email"], me["role"]) == (subject, f"{subject}@example.com", "user")
    site.issuer.know(subject, email="other@example.com", preferred_username="other")
    assert site.me(site.login(subject)) == me
    line = site.server.command("audit", "list", "--action", "user.oidc.link")[0]
    assert (line["actor"], line["after"]) == (subject, {"issuer": site.issuer.url, "subject": subject})


@pytest.mark.parametrize("written", [str, str.upper])
def test_a_name_that_is_taken_gets_an_end(site: Site, written: Callable[[str], str]) -> None:
    first = site.person(preferred_username=f"twice-{next(_numbers)}")
    name = site.me(site.login(first))["username"]
    second = site.me(site.login(site.person(preferred_username=written(name))))["username"]
    assert second.startswith(f"{written(name)}-") and len(second) == len(name) + 9


def test_a_name_that_looks_like_an_id_gets_an_end(site: Site) -> None:
    name = str(uuid.uuid4())
    assert site.me(site.login(site.person(preferred_username=name)))["username"].startswith(f"{name}-")


def test_an_account_is_found_by_an_address_that_both_have_confirmed_and_by_no_other(site: Site) -> None:
    with site.browser() as browser:
        for number, (ours, theirs) in enumerate([(True, True), (True, False), (False, True), (False, False)]):
            name = f"local-{next(_numbers)}"
            body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
            assert browser.post("/users/register", json=body).status_code == 201
            if ours:
                confirm(site, browser, f"{name}@example.com")
            answer = site.login(site.person(email=f"{name}@example.com", email_verified=theirs))
            if number == 0:
                assert site.me(answer)["username"] == name
            else:
                assert refusal(answer) == (409, "CONFLICT")


def confirm(site: Site, browser: httpx.Client, address: str) -> None:
    from tests.api.test_links import message_to, token_of

    token = token_of(message_to(site.server, address, "Confirm your address"))
    assert browser.post("/users/verify-email", json={"token": token}).status_code == 204


def test_a_session_of_such_a_login_is_refreshed_and_ended_like_any_other(site: Site) -> None:
    tokens = site.login(site.person()).json()
    with site.browser() as browser:
        renewed = browser.post("/users/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert renewed.status_code == 200
        last = {"refresh_token": renewed.json()["refresh_token"]}
        assert browser.post("/users/logout", json=last).status_code == 204
        bearer = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
        assert browser.get("/users/me", headers=bearer).status_code == 401


@pytest.mark.parametrize(
    "lies",
    [
        {"claims": {"nonce": "another"}},
        {"claims": {"aud": "another"}},
        {"claims": {"aud": ["another", CLIENT]}},
        {"claims": {"aud": [CLIENT, "another"], "azp": "another"}},
        {"claims": {"iss": "https://another.example.com"}},
        {"claims": {"exp": 1}},
        {"claims": {"exp": None}},
        {"claims": {"sub": ""}},
        {"claims": {"sub": "nobody\0"}},
        {"claims": {"at_hash": "another"}},
        {"alg": "none"},
        {"alg": "HS256"},
        {"key": "other"},
        {"key": "other", "kid": "unknown"},
    ],
    ids=str,
)
def test_an_id_token_that_is_not_for_this_login_lets_nobody_in(site: Site, lies: dict[str, Any]) -> None:
    subject = site.person()
    site.issuer.lie(**lies)
    assert refusal(site.login(subject)) == (401, "AUTHENTICATION_FAILED")
    site.issuer.lie(claims={"checked": "that the signature of such a token is right"})
    assert site.login(subject).status_code == 200


def test_a_nonce_that_was_changed_on_the_way_is_refused(site: Site) -> None:
    assert refusal(site.login(site.person(), nonce="changed")) == (401, "AUTHENTICATION_FAILED")


def test_a_code_that_another_client_was_given_is_refused(site: Site) -> None:
    assert refusal(site.login(site.person(), client_id="another")) == (401, "AUTHENTICATION_FAILED")


def test_a_code_is_of_no_use_without_the_browser_that_began(site: Site) -> None:
    """No cookie, another's cookie, another state: whoever has stolen the code, or would slip his own to somebody."""
    path, subject = "/users/oidc/callback", site.person()
    with site.browser() as browser, site.browser() as other:
        back = site.return_of(browser, subject)
        assert refusal(other.get(path, params=back)) == (401, "AUTHENTICATION_FAILED")
        others = site.return_of(other, subject)
        assert refusal(other.get(path, params=back)) == (401, "AUTHENTICATION_FAILED")
        for changed in ({"state": "x"}, {"state": others["state"]}, {"state": ""}, {"iss": "https://another"}):
            assert refusal(browser.get(path, params=back | changed)) == (401, "AUTHENTICATION_FAILED")
        assert refusal(browser.get(path, params=back | {"code": others["code"]})) == (401, "AUTHENTICATION_FAILED")
        denied = {"state": back["state"], "error": "access_denied"}
        assert refusal(browser.get(path, params=denied)) == (401, "AUTHENTICATION_FAILED")
        assert browser.get(path, params=back).status_code == 200


def test_a_login_is_finished_once(site: Site) -> None:
    """Another code with the same state, PKCE challenge and nonce, as an issuer could be made to give, isn't either."""
    with site.browser() as browser:
        begun = browser.get("/users/oidc/login")
        cookies, subject = dict(begun.cookies), site.person()
        backs = [site.issuer.agree(begun.headers["Location"], subject) for _ in range(4)]

        def finish(back: dict[str, str]) -> int:
            with site.browser() as again:
                return again.get("/users/oidc/callback", params=back, headers=cookie_of(cookies)).status_code

        with ThreadPoolExecutor(4) as threads:
            assert sorted(threads.map(finish, backs)) == [200, 401, 401, 401]
        assert finish(backs[0]) == 401


def cookie_of(cookies: dict[str, str]) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}


def test_who_is_disabled_is_not_let_in(site: Site) -> None:
    subject = site.person()
    name = site.me(site.login(subject))["username"]
    site.server.command("user", "disable", name)
    assert refusal(answer := site.login(subject)) == (401, "AUTHENTICATION_FAILED")
    newest = site.server.command("audit", "list", "--action", "login.oidc")[0]
    assert (newest["outcome"], newest["request_id"]) == ("failed", answer.headers["X-Request-Id"])
    site.server.command("user", "enable", name)
    assert site.login(subject).status_code == 200


def test_where_registration_is_not_open_an_invitation_is_needed(site: Site) -> None:
    """As for whoever came through a proxy."""
    subject, forwarded = site.person(), {"X-Forwarded-For": "192.0.2.1"}
    with site.browser() as browser:
        back = site.return_of(browser, subject)
        answer = browser.get("/users/oidc/callback", params=back, headers=forwarded)
        assert refusal(answer) == (403, "REGISTRATION_CLOSED")
        newest = site.server.command("audit", "list", "--action", "login.oidc")[0]
        assert newest["request_id"] == answer.headers["X-Request-Id"]
        site.server.command(
            "user", "create", name := f"admin-{next(_numbers)}", "--role", "admin", "--password", PASSWORD
        )
        tokens = browser.post("/users/login", json={"username": name, "password": PASSWORD}).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        token = browser.post("/invitations", json={}, headers=bearer).json()["invitation"]
        begun = browser.get("/users/oidc/login", params={"invitation": token})
        back = site.issuer.agree(begun.headers["Location"], subject)
        assert browser.get("/users/oidc/callback", params=back, headers=forwarded).status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/large", "/nowhere"])
async def test_an_issuer_that_answers_otherwise_is_not_waited_for(issuer: RunningIssuer, path: str) -> None:
    asked, started = (
        Issuer(Client(f"{issuer.url}{path}", CLIENT, SECRET, ("openid",), "https://here")),
        time.monotonic(),
    )
    for _ in range(2):
        with pytest.raises(IssuerUnavailable, match="more than 262144 bytes" if path == "/large" else "answer"):
            await asked.begin()
    assert time.monotonic() - started < 30


def test_an_issuer_in_plain_http_elsewhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from s3gw.config import ConfigurationError, load_settings

    monkeypatch.chdir(tmp_path)
    known = {"oidc_client_id": "us", "public_url": "https://here"}
    assert load_settings(oidc_issuer="https://issuer.example.com", **known).oidc_scopes == [
        "openid",
        "email",
        "profile",
    ]
    for changes in ({"oidc_issuer": "http://issuer.example.com"}, {"public_url": None}, {"oidc_client_id": None}):
        with pytest.raises(ConfigurationError, match="S3GW_OIDC_ISSUER"):
            load_settings(**({"oidc_issuer": "https://issuer.example.com"} | known | changes))
