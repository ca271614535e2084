"""One's own account, second factor and access keys in the console, and what nobody else can do with them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import httpx
import pyotp
import pytest

from tests.api.askers import PASSWORD, new_person
from tests.cli.commands import Ask
from tests.console.conftest import Browser

Open = Callable[[], Browser]
HOSTILE = '"><img src=x onerror=alert(1)>'
ACCOUNT, FACTOR, KEYS = "/console/account", "/console/account/second-factor", "/console/keys"


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, name
    return html.unescape(found[1])


@pytest.fixture
def mine(open_browser: Open, api: httpx.Client, ask: Ask) -> tuple[Browser, Any]:
    """A browser of somebody whom no other test knows."""
    somebody, browser = new_person(api, ask, "account"), open_browser()
    assert browser.log_in(somebody.name).status_code == 303
    return browser, somebody


def test_somebody_changes_his_name_and_address_and_password(mine: tuple[Browser, Any], open_browser: Open) -> None:
    browser, somebody = mine
    csrf, page = {"csrf": browser.csrf}, browser.get(ACCOUNT).text
    assert "not confirmed" in page and "this one" in page
    shown = {name: hidden(page, name) for name in ("etag", "old_name", "old_email")}
    form = {"action": "profile", "name": f"{somebody.name}-2", "email": "bad", **shown, **csrf}
    wrong = browser.post(ACCOUNT, form)
    assert wrong.status_code == 422 and 'value="bad"' in wrong.text and f'value="{somebody.name}-2"' in wrong.text
    cleared = browser.post(ACCOUNT, form | {"email": "", "name": somebody.name})
    assert cleared.status_code == 422 and "only an admin takes it away" in cleared.text
    form |= {"email": f"{somebody.name}@example.org", "password": PASSWORD}
    changed = browser.post(ACCOUNT, form)
    assert changed.headers["Location"] == f"{ACCOUNT}?done=address"
    assert browser.post(ACCOUNT, form | {"name": "another"}).status_code == 412  # it isn't as it was shown any more
    other = open_browser()
    other.log_in(f"{somebody.name}-2")
    new = {"action": "password", "password": "wrong", "new_password": "staple horse", "again": "staple horse", **csrf}
    assert "The password is wrong." in browser.post(ACCOUNT, new).text
    assert "differ" in browser.post(ACCOUNT, new | {"again": "x"}).text
    assert browser.post(ACCOUNT, new | {"password": PASSWORD}).headers["Location"] == f"{ACCOUNT}?done=password"
    assert browser.get(ACCOUNT).status_code == 200 and other.get(ACCOUNT).status_code == 303


def test_a_second_factor_is_set_up_and_switched_off_and_its_codes_are_shown_once(mine: tuple[Browser, Any]) -> None:
    browser, somebody = mine
    form = {"csrf": browser.csrf, "password": PASSWORD}
    made = browser.post(FACTOR, form | {"action": "enrol"}).text
    secret, uri = hidden(made, "secret"), hidden(made, "uri")
    assert made.count("<svg") == 1 and uri.startswith("otpauth://totp/")
    again = browser.post(FACTOR, form | {"action": "confirm", "totp": "000000", "secret": secret, "uri": uri})
    assert again.status_code == 422 and again.text.count("<svg") == 1 and "The code is wrong" in again.text
    confirmed = browser.post(FACTOR, form | {"action": "confirm", "totp": pyotp.TOTP(secret).now()}).text
    codes = re.findall("(?:[A-Z2-7]{4}-){3}[A-Z2-7]{4}", confirmed)
    assert len(codes) == 10 and codes[0] not in browser.get(FACTOR).text
    renewed = browser.post(FACTOR, form | {"action": "renew", "totp": codes[0]}).text
    assert len(re.findall("(?:[A-Z2-7]{4}-){3}[A-Z2-7]{4}", renewed)) == 10 and codes[1] not in renewed
    code = re.findall("(?:[A-Z2-7]{4}-){3}[A-Z2-7]{4}", renewed)[3]
    assert browser.post(FACTOR, form | {"action": "off", "totp": codes[1]}).status_code == 422
    assert browser.post(FACTOR, form | {"action": "off", "totp": code}).headers["Location"] == f"{FACTOR}?done=off"
    assert somebody.ask("GET", "/users/me/totp").json()["enabled"] is False


@pytest.mark.parametrize(("password", "words"), [("short", "at least 8"), ("password1", "that are guessed first")])
def test_why_a_password_is_not_taken_is_told_in_the_visitors_language(
    browser: Browser, password: str, words: str
) -> None:
    form = {"csrf": browser.csrf, "action": "password", "password": PASSWORD, "new_password": password}
    assert words in browser.post("/console/account", {**form, "again": password}).text
    german = browser.post("/console/account", {**form, "again": password}, **{"Accept-Language": "de"}).text
    assert ("mindestens 8 Zeichen" in german or "zuerst erraten" in german) and words not in german


def test_no_other_text_than_a_second_factor_is_drawn(browser: Browser) -> None:
    form = {"csrf": browser.csrf, "action": "confirm", "totp": "000000", "secret": HOSTILE}
    for uri in ("https://evil.example/", "otpauth://totp/" + "x" * 500):
        answer = browser.post(FACTOR, form | {"uri": uri})
        assert answer.status_code in (409, 422) and "<svg" not in answer.text and HOSTILE not in answer.text


def test_a_key_is_made_narrowed_switched_off_and_deleted(browser: Browser, person: Any) -> None:
    csrf = {"csrf": browser.csrf}
    new = {"action": "make", "description": HOSTILE, "may": "read", "bucket": "pics", "prefix": "a*/", **csrf}
    made = browser.post(KEYS, new | {"until": "2199-01-01"}).text
    found = re.search(r'id="key-id">(\w+)<', made)
    secret = re.search(r'id="secret">([^<]+)<', made)
    assert found is not None and secret is not None and HOSTILE not in made
    page = browser.get(f"{KEYS}/{found[1]}").text
    assert secret[1] not in page and HOSTILE not in page and secret[1] not in browser.get(KEYS).text
    key = person.ask("GET", f"/keys/{found[1]}").json()
    assert key["expires_at"] == "2199-01-01T23:59:59Z" and key["description"] == HOSTILE
    (policy,) = key["policies"]
    assert "arn:aws:s3:::pics/a${*}/*" in policy["document"]["Statement"][2]["Resource"]
    shown = {"etag": hidden(page, "etag"), **csrf}
    assert browser.post(f"{KEYS}/{found[1]}", {"action": "off", **shown}).status_code == 303
    assert browser.post(f"{KEYS}/{found[1]}", {"action": "on", **shown}).status_code == 412
    shown["etag"] = "*"
    assert browser.post(f"{KEYS}/{found[1]}", {"action": "scope", "may": "all", **shown}).status_code == 303
    after = person.ask("GET", f"/keys/{found[1]}").json()
    assert (after["is_active"], after["policies"], after["expires_at"]) == (False, [], key["expires_at"])
    wrong = browser.post(f"{KEYS}/{found[1]}", {"action": "scope", "may": "policy", "policy": f"{{{HOSTILE}", **shown})
    assert wrong.status_code == 422 and HOSTILE not in wrong.text and "line 1" in wrong.text
    assert browser.post(f"{KEYS}/{found[1]}", {"action": "delete", **shown}).headers["Location"].endswith("=deleted")
    assert browser.get(f"{KEYS}/{found[1]}").status_code == 404


def test_nobody_looks_after_what_is_anothers(browser: Browser, friend: Any) -> None:
    csrf = {"csrf": browser.csrf, "etag": "*"}
    key = friend.ask("POST", "/keys", json={}).json()["access_key_id"]
    assert browser.get(f"{KEYS}/{key}").status_code == 404
    for action in ("off", "delete", "save", "scope"):
        assert browser.post(f"{KEYS}/{key}", {"action": action, "may": "all", **csrf}).status_code == 404
    (session,) = friend.ask("GET", f"/users/{friend.id}/sessions").json()["items"][:1]
    assert browser.post(ACCOUNT, {"action": "end", "session": session["id"], **csrf}).status_code == 404
    assert friend.ask("GET", f"/keys/{key}").json()["is_active"]


def test_what_is_sent_to_these_pages_needs_the_text_of_the_session(browser: Browser, person: Any) -> None:
    before = person.ask("GET", "/keys").json()["total"]
    for path, form in {
        ACCOUNT: {"action": "profile", "name": "forged"},
        FACTOR: {"action": "enrol", "password": PASSWORD},
        KEYS: {"action": "make"},
        f"{KEYS}/none": {"action": "delete"},
    }.items():
        assert browser.post(path, form).status_code == 403
        assert browser.post(path, form | {"csrf": browser.csrf}, Origin="http://evil.example").status_code == 403
        assert browser.post(path, {"csrf": browser.csrf, "action": "none"}).status_code == 422
    assert person.ask("GET", "/keys").json()["total"] == before
