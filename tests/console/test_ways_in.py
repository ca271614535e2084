"""Ways into the console beside a password, and what links of messages lead to: each once, and for nobody else."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from s3gw.console import oidc
from tests.api.askers import PASSWORD, new_person
from tests.api.mail_folder import message_to, token_of
from tests.api.oidc_issuer import CLIENT, SECRET, RunningIssuer, query_of, running_issuer
from tests.cli.commands import Ask
from tests.console.conftest import Browser
from tests.servers import RunningServer, running_server

Open = Callable[[], Browser]
HOSTILE = '"><script>alert(1)</script>'
_numbers = itertools.count()


def path_in(text: str) -> str:
    """Of the link in a message."""
    (path,) = re.findall(r"(?:^|\s)\S*?(/console/\S+)", text)
    return str(path)


def test_a_forgotten_password_is_set_once_by_the_page_of_its_link(
    open_browser: Open, api: httpx.Client, ask: Ask, server: RunningServer
) -> None:
    somebody, browser = new_person(api, ask, "forgetful"), open_browser()
    address = f"{somebody.name}@example.com"
    told = browser.post("/console/forgotten", {"email": address})
    assert told.status_code == 200 and address in told.text
    nobody = browser.post("/console/forgotten", {"email": f"x-{address}"})
    assert nobody.text.replace(f"x-{address}", address).split("<main")[1] == told.text.split("<main")[1]
    link = path_in(message_to(server, address, "Set a new password"))
    token = link.partition("token=")[2]
    assert browser.get(link).status_code == 200 == browser.get(link).status_code
    form = {"token": token, "new_password": "staple horse battery", "again": "staple horse battery"}
    assert browser.post("/console/reset", form | {"again": "x"}).status_code == 422
    assert browser.post("/console/reset", form, Origin="http://evil.example").status_code == 403
    assert browser.post("/console/reset", form).headers["Location"] == "/console/login?done=reset"
    again = browser.post("/console/reset", form | {"new_password": PASSWORD, "again": PASSWORD})
    assert again.status_code == 422 and "This link is good no more" in again.text
    assert open_browser().log_in(somebody.name, "staple horse battery").status_code == 303
    assert token not in server.log.read_text()


def test_an_address_is_confirmed_by_a_button_and_not_by_opening_its_link(
    open_browser: Open, api: httpx.Client, ask: Ask, server: RunningServer
) -> None:
    somebody, browser = new_person(api, ask, "confirmed"), open_browser()
    link = path_in(message_to(server, f"{somebody.name}@example.com", "Confirm your address"))
    browser.get(link)
    assert somebody.ask("GET", "/users/me").json()["email_verified"] is False
    form = {"token": link.partition("token=")[2]}
    assert browser.post("/console/verify", form).headers["Location"] == "/console/login?done=verified"
    assert somebody.ask("GET", "/users/me").json()["email_verified"] is True
    assert browser.post("/console/verify", form).status_code == 422


def test_nothing_that_a_link_says_is_reflected_as_it_is(open_browser: Open) -> None:
    browser = open_browser()
    for path, name in (("reset", "token"), ("verify", "token"), ("register", "invitation"), ("login", "next")):
        for answer in (
            browser.get(f"/console/{path}", params={name: HOSTILE, "done": HOSTILE}),
            browser.post(f"/console/{path}", {name: HOSTILE, "username": HOSTILE, "email": HOSTILE, "password": "x"}),
        ):
            assert answer.status_code in (200, 401, 422, 403) and HOSTILE not in answer.text


def test_somebody_registers_and_sees_what_was_wrong_with_it(open_browser: Open, server: RunningServer) -> None:
    browser, name = open_browser(), f"newcomer-{next(_numbers)}-{server.facts['admin'][-5:]}"
    form = {"username": name, "email": f"{name}@example.com", "password": "password", "again": "password"}
    weak = browser.post("/console/register", form)
    assert weak.status_code == 422 and f'value="{name}"' in weak.text and 'value="password"' not in weak.text
    form |= {"password": PASSWORD, "again": PASSWORD}
    assert browser.post("/console/register", form | {"again": "x"}).status_code == 422
    assert browser.post("/console/register", form).headers["Location"] == "/console/login?done=registered"
    assert browser.post("/console/register", form).status_code == 409
    assert browser.log_in(name).status_code == 303


def test_where_no_issuer_is_set_nobody_is_sent_to_one(open_browser: Open) -> None:
    browser = open_browser()
    assert "/console/login/oidc" not in browser.get("/console/login").text
    assert browser.get("/console/login/oidc").status_code == 404
    assert browser.get("/console/login/oidc/callback?state=x&code=y").status_code == 404


class Site(NamedTuple):
    server: RunningServer
    issuer: RunningIssuer

    def person(self) -> str:
        subject = f"subject-{next(_numbers)}"
        self.issuer.know(subject, email=f"{subject}@example.com", preferred_username=subject, email_verified=True)
        return subject

    def go(self, browser: Browser, subject: str, **query: str) -> dict[str, str]:
        """To the issuer, who lets him in: gives the query with which he comes back."""
        begun = browser.get("/console/login/oidc", params=query)
        assert begun.status_code == 303, begun.text
        return self.issuer.agree(begun.headers["Location"], subject)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Where one registers by invitation."""
    with running_issuer() as issuer:
        settings = {
            "S3GW_OIDC_ISSUER": issuer.url,
            "S3GW_OIDC_CLIENT_ID": CLIENT,
            "S3GW_OIDC_CLIENT_SECRET": SECRET,
            "S3GW_PUBLIC_URL": "http://files.example.com",
            "S3GW_REGISTRATION": "invite",
        }
        data = Path(tmp_path_factory.mktemp("ways-in")) / "data"
        with running_server(data, "--workers", "1", **settings) as server:
            yield Site(server, issuer)


@pytest.fixture
def at_site(site: Site) -> Iterator[Callable[[], Browser]]:
    opened: list[Browser] = []

    def open_one() -> Browser:
        opened.append(Browser(site.server.admin))
        return opened[-1]

    yield open_one
    for one in opened:
        one.http.close()


def invited(site: Site) -> str:
    made: dict[str, Any] = site.server.command("invite", "create")
    return str(made["invitation"])


def came_back(browser: Browser, query: dict[str, str]) -> httpx.Response:
    return browser.get("/console/login/oidc/callback", params=query)


@pytest.mark.soak
def test_an_invitation_makes_one_account(site: Site, at_site: Open) -> None:
    browser, invitation = at_site(), invited(site)
    assert "needs an invitation" in browser.get("/console/register").text
    page = browser.get("/console/register", params={"invitation": invitation}).text
    assert 'name="username"' in page and invitation in page
    form = {"username": "guest-1", "email": "guest-1@example.com", "password": PASSWORD, "again": PASSWORD}
    assert browser.post("/console/register", form).status_code == 403
    form["invitation"] = invitation
    assert browser.post("/console/register", form).status_code == 303
    other = form | {"username": "guest-2", "email": "guest-2@example.com"}
    assert browser.post("/console/register", other).status_code == 403
    assert at_site().log_in("guest-2").status_code == 401


@pytest.mark.soak
def test_a_login_at_the_issuer_is_one_of_the_console(site: Site, at_site: Open) -> None:
    browser, subject = at_site(), site.person()
    assert "/console/login/oidc?next=" in browser.get("/console/login").text
    refused = came_back(browser, site.go(browser, subject))
    assert refused.status_code == 403 and browser.cookie == ""
    begun = browser.get("/console/login/oidc", params={"invitation": invited(site), "next": "/console/keys"})
    asked = query_of(begun.headers["Location"])
    assert asked["redirect_uri"] == "http://files.example.com/console/login/oidc/callback"
    kept = begun.headers["Set-Cookie"]
    for attribute in ("HttpOnly", "Max-Age=600", "Path=/console/login/oidc", "SameSite=lax"):
        assert attribute in kept
    assert asked["state"] not in kept and asked["nonce"] not in kept
    entered = came_back(browser, site.issuer.agree(begun.headers["Location"], subject))
    assert entered.status_code == 200 and 'content="0; url=/console/keys"' in entered.text
    assert "eyJ" not in entered.text and browser.get("/console/account").text.count(f'value="{subject}"') >= 1


@pytest.mark.soak
def test_coming_back_from_the_issuer_works_once_and_in_the_browser_that_went(site: Site, at_site: Open) -> None:
    browser, other, subject = at_site(), at_site(), site.person()
    kept = site.go(browser, subject, invitation=invited(site))
    cookie = {"Cookie": f"s3gw_console_oidc={browser.http.cookies['s3gw_console_oidc']}"}
    assert came_back(other, kept).status_code == 401 and other.cookie == ""
    assert came_back(browser, kept).status_code == 200
    assert "s3gw_console_oidc" not in browser.http.cookies
    replayed = httpx.get(f"{browser.origin}/console/login/oidc/callback", params=kept, headers=cookie)
    assert replayed.status_code == 401 and "s3gw_console=" not in replayed.headers.get("Set-Cookie", "")
    # Of two logins that were begun, the state of one isn't that of the other's cookie.
    first = site.go(other, subject)
    site.go(other, subject)
    assert came_back(other, first).status_code == 401 and other.cookie == ""
    # What was begun for the API isn't finished here.
    begun = httpx.get(f"{other.origin}/api/v1/users/oidc/login")
    returned = site.issuer.agree(begun.headers["Location"], subject)
    assert came_back(other, returned).status_code == 401 and other.cookie == ""


def test_of_what_the_issuer_sends_back_4096_characters_are_passed_on(site: Site, at_site: Open) -> None:
    """The API would tell of a longer one that it is none, and the login that it has failed."""
    browser = at_site()
    long = "x" * (oidc._LONGEST + 1)
    asked = httpx.get(f"{browser.origin}/api/v1/users/oidc/callback", params={"code": long, "state": "x"})
    assert asked.status_code == 422
    assert came_back(browser, {"code": long, "state": "x"}).status_code == 401


@pytest.mark.soak
@pytest.mark.parametrize("place", ["//evil.example/", "https://evil.example", "/console/\r\nX: y", HOSTILE])
def test_a_login_at_the_issuer_leads_to_no_other_host(site: Site, at_site: Open, place: str) -> None:
    browser, subject = at_site(), site.person()
    entered = came_back(browser, site.go(browser, subject, next=place, invitation=invited(site)))
    assert entered.status_code == 200 and 'content="0; url=/console/buckets"' in entered.text
    told = browser.get("/console/login/oidc/callback", params={"state": "x", "error": HOSTILE, "iss": HOSTILE})
    assert told.status_code == 401 and HOSTILE not in told.text


@pytest.mark.soak
def test_links_lead_to_pages_of_ones_own_where_a_setting_says_so(tmp_path: Path) -> None:
    settings = {"S3GW_LINKS_URL": "https://app.example.com/", "S3GW_PUBLIC_URL": "https://files.example.com"}
    with running_server(tmp_path / "data", "--workers", "1", **settings) as server:
        server.command("invite", "create", "--email", "guest@example.com")
        text = message_to(server, "guest@example.com", "You are invited")
        assert f"https://app.example.com/register?invitation={token_of(text)}" in text
