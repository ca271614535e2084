"""In and out of the console, and what another web page, or a stolen text, can't do with it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pyotp
import pytest

from s3gw.console.forms import _LARGEST, _MOST_FIELDS
from s3gw.console.session import _LONGEST
from tests.api.askers import PASSWORD, new_person
from tests.cli.commands import Ask
from tests.console.conftest import Browser
from tests.servers import RunningServer

Open = Callable[[], Browser]


def test_who_logs_in_sees_his_buckets_and_who_logs_out_sees_none(open_browser: Open, person: Any) -> None:
    browser = open_browser()
    first = browser.get("/console/buckets?name=x")
    assert first.headers["Location"] == "/console/login?next=%2Fconsole%2Fbuckets%3Fname%3Dx"
    entered = browser.log_in(person.name, next="/console/connect")
    assert (entered.status_code, entered.headers["Location"]) == (303, "/console/connect")
    assert browser.get("/console/buckets").status_code == 200
    cookie = browser.cookie
    left = browser.post("/console/logout", {"csrf": browser.csrf})
    assert left.headers["Location"] == "/console/login" and browser.cookie == ""
    again = browser.get("/console/buckets", headers={"Cookie": f"s3gw_console={cookie}"})
    assert again.status_code == 303


def test_the_cookie_is_for_no_script_and_no_other_site_and_renewed_at_login(open_browser: Open, person: Any) -> None:
    browser = open_browser()
    made = browser.log_in(person.name).headers["Set-Cookie"]
    assert "HttpOnly" in made and "SameSite=strict" in made and "Path=/" in made and "Secure" not in made
    before = browser.cookie
    browser.log_in(person.name)
    assert browser.cookie != before
    old = httpx.get(f"{browser.origin}/console/buckets", headers={"Cookie": f"s3gw_console={before}"})
    assert old.status_code == 303


def test_a_cookie_that_somebody_else_has_chosen_is_not_made_a_login(open_browser: Open, person: Any) -> None:
    browser = open_browser()
    browser.http.cookies.set("s3gw_console", "chosen", domain="127.0.0.1", path="/")
    answer = browser.log_in(person.name)
    assert "s3gw_console=chosen" not in answer.headers["Set-Cookie"]
    chosen = httpx.get(f"{browser.origin}/console/buckets", headers={"Cookie": "s3gw_console=chosen"})
    assert chosen.status_code == 303


def test_a_wrong_password_is_told_in_words_and_after_ten_one_has_to_wait(
    open_browser: Open, api: httpx.Client, ask: Ask
) -> None:
    browser, victim = open_browser(), new_person(api, ask, "guessed").name
    # Who has logged in from an address has limits of his own there: guesses come as the name of nobody's do.
    guesses = [browser.log_in(f"{victim}-none", "wrong") for _ in range(11)]
    assert [answer.status_code for answer in guesses] == [401] * 10 + [429]
    assert "Name or password is wrong." in guesses[0].text and "Wait a moment" in guesses[-1].text
    assert int(guesses[-1].headers["Retry-After"]) > 0 and "Set-Cookie" not in guesses[-1].headers


def test_a_second_factor_is_asked_for(open_browser: Open, api: httpx.Client, ask: Ask) -> None:
    somebody = new_person(api, ask, "factor")
    secret = somebody.ask("POST", "/users/me/totp", json={"password": PASSWORD}).json()["secret"]
    codes = pyotp.TOTP(secret)
    somebody.ask("POST", "/users/me/totp/confirm", json={"totp": codes.now()})
    browser = open_browser()
    asked = browser.log_in(somebody.name)
    assert asked.status_code == 401 and 'name="totp"' in asked.text and browser.cookie == ""
    assert browser.log_in(somebody.name, totp="000000").status_code == 401
    assert browser.log_in(somebody.name, totp=codes.at(time.time() + 30)).status_code == 303


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "S3"])
def test_nothing_is_done_that_another_page_sends(browser: Browser, server: RunningServer, origin: str | None) -> None:
    """An object's HTML at the S3 door is of the same site, so the cookie comes with what it sends."""
    csrf, name = browser.csrf, "made-by-another-page"
    headers = {} if origin is None else {"Origin": server.s3 if origin == "S3" else origin}
    for path in ("/console/buckets", "/console/logout", "/console/login", "/console/theme"):
        answer = browser.http.post(path, data={"csrf": csrf, "name": name}, headers=headers)
        assert answer.status_code == 403 and "Set-Cookie" not in answer.headers
    assert name not in browser.get("/console/buckets").text


@pytest.mark.parametrize("given", ["", "0" * 64, "ANOTHER"])
def test_nothing_is_done_without_the_text_of_the_session(
    browser: Browser, open_browser: Open, person: Any, given: str
) -> None:
    other = open_browser()
    other.log_in(person.name)
    csrf = other.csrf if given == "ANOTHER" else given
    answer = browser.post("/console/buckets", {"csrf": csrf, "name": "made-without"})
    assert answer.status_code == 403 and "made-without" not in browser.get("/console/buckets").text
    assert browser.post("/console/logout", {"csrf": csrf}).status_code == 403


@pytest.mark.parametrize("how", ["session", "password", "disabled"])
def test_what_ends_sessions_of_the_api_ends_that_of_the_console(
    open_browser: Open, api: httpx.Client, ask: Ask, how: str
) -> None:
    somebody, browser = new_person(api, ask, f"ended-{how}"), open_browser()
    browser.log_in(somebody.name)
    assert browser.get("/console/buckets").status_code == 200
    if how == "session":
        (mine,) = [one for one in somebody.ask("GET", f"/users/{somebody.id}/sessions").json()["items"]
                   if not one["is_current"]]  # fmt: skip
        assert somebody.status("DELETE", f"/users/{somebody.id}/sessions/{mine['id']}")[0] == 204
    elif how == "password":
        body = {"current_password": PASSWORD, "new_password": f"{PASSWORD} indeed"}
        assert somebody.status("POST", f"/users/{somebody.id}/change-password", json=body)[0] == 204
    else:
        ask("user", "disable", somebody.name)
    assert browser.get("/console/buckets").status_code == 303


@pytest.mark.parametrize("path", ["/console/login", "/console/buckets", "/console/none", "/console/connect"])
def test_no_page_is_framed_or_runs_what_is_within_it(browser: Browser, open_browser: Open, path: str) -> None:
    answer = (open_browser() if path == "/console/login" else browser).get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY" and answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", answer.text)


@pytest.mark.parametrize("place", ["//evil.example/", "https://evil.example/", "/\\evil.example", "/console/\r\nX: y"])
def test_a_login_leads_to_no_other_host(open_browser: Open, person: Any, place: str) -> None:
    browser = open_browser()
    assert browser.log_in(person.name, next=place).headers["Location"] == "/console/buckets"


def test_what_is_not_there_is_told_in_words_with_the_id_of_the_request(browser: Browser) -> None:
    answer = browser.get("/console/none", headers={"Accept-Language": "de-AT,en;q=0.5"})
    assert answer.status_code == 404 and "Hier ist nichts" in answer.text and '<html lang="de"' in answer.text
    assert f"<code>{answer.headers['X-Request-Id']}</code>" in answer.text


def test_who_is_refused_something_gets_back_to_the_page_that_he_came_from(browser: Browser) -> None:
    came_from = {"Referer": f"{browser.origin}/console/buckets/none?prefix=a%2F"}
    refused = browser.post(
        "/console/buckets/none", {"csrf": browser.csrf, "action": "delete", "file": ["x"] * 101}, **came_from
    )
    assert refused.status_code == 422 and 'href="/console/buckets/none?prefix=a%2F"' in refused.text
    assert 'action="/console/logout"' in refused.text
    for other in (
        "http://evil.example/console/x",
        f"{browser.origin}.evil.example/console/x",
        f"{browser.origin}//evil.example",
    ):
        assert "evil" not in browser.get("/console/none", headers={"Referer": other}).text


def test_a_name_that_no_bucket_may_have_is_told_beside_the_field(browser: Browser) -> None:
    refused = browser.post("/console/buckets", {"csrf": browser.csrf, "name": "No Bucket"})
    assert refused.status_code == 422 and "A bucket&#39;s name has 3 to 63 of a-z" in refused.text
    assert 'name="name" value="No Bucket"' in refused.text and refused.headers["X-Request-Id"] in refused.text


def test_the_console_has_neither_token_nor_refresh_token(browser: Browser, server: RunningServer, person: Any) -> None:
    for path in ("/console/buckets", "/console/connect"):
        assert "eyJ" not in browser.get(path).text
    assert len(browser.cookie) == 43 and browser.cookie not in server.log.read_text()


def test_s3_and_share_links_know_nothing_of_the_cookie(browser: Browser, server: RunningServer) -> None:
    headers = {"Cookie": f"s3gw_console={browser.cookie}"}
    assert httpx.get(server.s3, headers=headers).status_code == 403
    assert httpx.get(f"{server.admin}/api/v1/users/me", headers=headers).status_code == 401
    assert httpx.get(f"{server.share}/{'x' * 43}", headers=headers).status_code == 404
    assert browser.cookie not in server.log.read_text()


def test_a_token_in_a_header_is_nobody_to_the_console(server: RunningServer, person: Any) -> None:
    assert httpx.get(f"{server.admin}/console/buckets", headers=person.headers).status_code == 303


def test_a_form_has_so_many_fields_and_bytes_at_most(browser: Browser) -> None:
    csrf = {"csrf": browser.csrf}
    many = {f"f{number}": "" for number in range(_MOST_FIELDS)}
    assert browser.post("/console/buckets", {"name": "x", **many, **csrf}).status_code == 422
    assert browser.post("/console/buckets", {"name": "x" * _LARGEST, **csrf}).status_code == 413
    assert browser.post("/console/buckets", {"name": "x", **csrf}).status_code == 422  # by the API: too short


def test_a_cookie_that_is_too_long_is_none(browser: Browser) -> None:
    cookie = browser.cookie + "x" * (_LONGEST - 43 + 1)
    assert httpx.get(f"{browser.origin}/console/buckets", headers={"Cookie": f"s3gw_console={cookie}"}).is_redirect
