"""Policies of users and groups on their pages: written, said in words, refused, changed by two, and taken away."""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
import pytest

from tests.api.askers import Person, new_person
from tests.cli.commands import Ask
from tests.console.conftest import Browser
from tests.console.test_account import HOSTILE, hidden
from tests.console.test_admin import admin as admin
from tests.console.test_admin import admins as admins

Open = Callable[[], Browser]
_numbers = itertools.count()


class Held(NamedTuple):
    """Of a user in another's account, or of a group: the pages that an admin sees."""

    browser: Browser
    admin: Person
    page: str
    in_api: str

    def send(self, query: str = "", **fields: str) -> httpx.Response:
        return self.browser.post(f"{self.page}/policy{query}", {"csrf": self.browser.csrf, **fields})

    def told(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.admin.ask("GET", f"{self.in_api}/policies").json()["items"]
        return items


@pytest.fixture(params=["user", "group"])
def held(request: pytest.FixtureRequest, admins: Browser, admin: Person, ask: Ask) -> Held:
    name = f"held-{next(_numbers)}-{admin.name}"
    if request.param == "user":
        path = f"users/{ask('user', 'create', name, '--account', admin.name)['id']}"
    else:
        path = f"groups/{admin.ask('POST', '/groups', json={'name': name}).json()['id']}"
    return Held(admins, admin, f"/console/admin/{path}", f"/{path}")


def policy(**more: Any) -> str:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::pictures/*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_policy_is_written_said_in_words_changed_and_deleted(held: Held) -> None:
    assert "There is none" in held.browser.get(held.page).text
    hostile = policy(Condition={"StringLike": {"aws:Referer": [HOSTILE]}})
    words = held.browser.post("/console/admin/policies/check", {"policy": hostile, "csrf": held.browser.csrf}).text
    assert "read files" in words and HOSTILE not in words and "<html" not in words
    saved = held.send(action="save", name=" reads ", policy=hostile)
    assert saved.status_code == 303 and saved.headers["Location"].endswith("/policy?name=reads&done=saved")
    page = held.browser.get(saved.headers["Location"]).text
    assert "The policy is saved." in page and "What it says" in page and HOSTILE not in page
    assert [(one["name"], one["text"]) for one in held.told()] == [("reads", hostile)]
    german = held.browser.get(held.page, headers={"Accept-Language": "de"}).text
    assert "Dateien lesen" in german and "Die Richtlinie ändern" in german and HOSTILE not in german
    assert held.send("?name=reads", action="save", policy=policy(), etag=hidden(page, "etag")).status_code == 303
    assert held.send("?name=reads", action="delete", etag="*").headers["Location"] == held.page
    assert held.told() == []


def test_what_another_has_changed_meanwhile_is_not_set_back(held: Held) -> None:
    assert held.send(action="save", name="reads", policy=policy()).status_code == 303
    etag = hidden(held.browser.get(f"{held.page}/policy?name=reads").text, "etag")
    other = policy(Resource="arn:aws:s3:::other/*")
    held.admin.ask("PUT", f"{held.in_api}/policies/reads", json={"policy": other})
    for action in ("save", "delete"):
        stale = held.send("?name=reads", action=action, policy=policy(Effect="Deny"), etag=etag)
        assert stale.status_code == 412 and "changed meanwhile" in stale.text
    taken = held.send(action="save", name="reads", policy=policy(Effect="Deny"))
    assert taken.status_code == 412 and "Deny" in taken.text
    assert [one["text"] for one in held.told()] == [other]
    held.admin.ask("DELETE", f"{held.in_api}/policies/reads")
    gone = held.send("?name=reads", action="save", policy=policy(Effect="Deny"), etag=etag)
    assert gone.status_code == 412 and html.escape('"Deny"', quote=True).replace("&quot;", "&#34;") in gone.text
    assert held.browser.get(f"{held.page}/policy?name=reads").status_code == 404


def test_what_is_wrong_is_told_on_the_page_beside_what_was_written(held: Held) -> None:
    for wrong in ("{", HOSTILE, '{"Statement": []}', policy(Principal="*"), policy(Action=HOSTILE)):
        refused = held.send(action="save", name="wrong", policy=wrong)
        assert refused.status_code == 422 and "would be refused" in refused.text and HOSTILE not in refused.text
        assert hidden(refused.text, "name") == "wrong"
    named = held.send(action="save", name=HOSTILE, policy=policy())
    assert named.status_code in (404, 422) and 'id="fault"' in named.text and HOSTILE not in named.text
    assert held.told() == []


@pytest.mark.parametrize("beginning", ["read", "write", "keep", "all"])
def test_what_one_may_begin_with_has_no_fault(held: Held, beginning: str) -> None:
    page = held.browser.get(f"{held.page}/policy?begin={beginning}").text
    found = re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)
    assert found is not None and "What it would say" in page
    text = html.unescape(found[1])
    checked = held.admin.ask("POST", "/policies/check", json={"policy": text}).json()
    assert (checked["is_valid"], checked["findings"]) == (True, []), text
    assert held.send(action="save", name=beginning, policy=text).status_code == 303


def test_an_auditor_sees_what_he_can_not_change(held: Held, open_browser: Open, api: httpx.Client, ask: Ask) -> None:
    assert held.send(action="save", name="reads", policy=policy()).status_code == 303
    auditor = open_browser()
    auditor.log_in(new_person(api, ask, "console-policy-auditor", role="auditor").name)
    page = auditor.get(f"{held.page}/policy?name=reads").text
    assert "arn:aws:s3:::pictures/*" in page and "<textarea" not in page
    assert "Show the policy" in auditor.get(held.page).text
    sent = {"csrf": auditor.csrf, "action": "delete"}
    assert auditor.post(f"{held.page}/policy?name=reads", sent).status_code == 403
    assert len(held.told()) == 1


def test_who_has_an_account_of_his_own_is_told_that_no_policy_would_count(admins: Browser, person: Person) -> None:
    words = "no policy would count"
    for place in ("", "/policy"):
        page = admins.get(f"/console/admin/users/{person.id}{place}")
        assert page.status_code == 200 and words in page.text and "<textarea" not in page.text
