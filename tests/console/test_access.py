"""Who may do what in a bucket, in the console: grants, the policy in words, and what is set beside them."""

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

Open = Callable[[], Browser]
_numbers = itertools.count()


class Place(NamedTuple):
    """A bucket, and the browser of whose it is."""

    browser: Browser
    owner: Person
    name: str
    id: str
    csrf: str

    def page(self, rest: str = "", **query: str) -> httpx.Response:
        return self.browser.get(f"/console/buckets/{self.id}/access{rest}", params=query)

    def send(self, rest: str = "", **fields: Any) -> httpx.Response:
        return self.browser.post(f"/console/buckets/{self.id}/access{rest}", {"csrf": self.csrf, "etag": "*", **fields})

    def told(self, rest: str) -> Any:
        return self.owner.ask("GET", f"/buckets/{self.id}/{rest}").json()

    def policy(self, **more: Any) -> str:
        arn = f"arn:aws:s3:::{self.name}/*"
        statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": arn, **more}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def place(browser: Browser, person: Person) -> Place:
    """As a new bucket is on AWS."""
    name = f"access-{next(_numbers)}-{person.id[:13]}"
    made = person.ask("POST", "/buckets", json={"name": name}).json()
    place = Place(browser, person, name, made["id"], browser.csrf)
    place.send("/settings", action="ownership", object_ownership="BucketOwnerEnforced")
    return place


def done(answer: httpx.Response) -> bool:
    return answer.status_code == 303 and "?done=" in answer.headers["Location"]


def test_something_is_granted_changed_explained_and_taken_back(place: Place, friend: Person) -> None:
    path = f"{HOSTILE}/"
    assert done(place.send(action="give", who=friend.name, permission="read", on="prefix", path=path))
    again = place.send(action="give", who=friend.name, permission="read", on="prefix", path=path)
    assert again.status_code == 409 and friend.name in again.text and HOSTILE not in again.text
    page = place.page().text
    assert friend.name in page and html.escape(path).replace("&#x27;", "&#39;") in page.replace("&#34;", "&quot;")
    assert HOSTILE not in page
    which = {"grantee": hidden(page, "grantee"), "grant": hidden(page, "grant")}
    assert done(place.send(action="change", permission="write", **which))
    (grant,) = place.told("access")["items"]
    assert (grant["permission"], grant["resource_id"]) == ("write", path)
    asked = {"user": friend.name, "does": "s3:PutObject", "key": f"{path}x"}
    assert ">yes<" in place.page(**asked).text
    assert ">no<" in place.page(**asked | {"key": "elsewhere"}).text
    assert done(place.send(action="revoke", **which))
    assert ">no<" in place.page(**asked).text and place.told("access")["total"] == 0


@pytest.mark.soak
def test_what_is_wrong_with_a_grant_or_a_question_is_told_on_the_page(place: Place) -> None:
    for wrong in ({"who": ""}, {"who": HOSTILE}, {"who": "x", "on": "file"}, {"who": "x", "until": HOSTILE}):
        answer = place.send(**{"action": "give", "permission": "read", "on": "bucket", **wrong})
        assert answer.status_code in (404, 422) and 'id="fault"' in answer.text and HOSTILE not in answer.text
    odd = place.page(user=HOSTILE, does="s3:GetObjects", key=HOSTILE)
    assert odd.status_code == 200 and "s3:GetObject" in odd.text and HOSTILE not in odd.text


def test_a_policy_is_said_in_words_and_saved_and_deleted(place: Place, friend: Person) -> None:
    hostile = place.policy(
        Sid=HOSTILE,
        Principal={"AWS": f"arn:aws:iam:::user/{friend.name}"},
        Condition={"StringLike": {"aws:Referer": [HOSTILE]}},
    )
    words = place.browser.post(
        f"/console/buckets/{place.id}/access/policy/check", {"policy": hostile, "csrf": place.csrf}
    ).text
    assert "the user" in words and friend.name in words and "read files" in words and HOSTILE not in words
    assert "<html" not in words
    assert done(place.send("/policy", action="save", policy=hostile))
    page = place.page("/policy")
    assert HOSTILE not in page.text and "What it says" in page.text and place.told("policy")["text"] == hostile
    german = place.browser.get(str(page.url), headers={"Accept-Language": "de"}).text
    assert "der Benutzer" in german and "Dateien lesen" in german
    stale = place.send("/policy", action="save", policy=hostile, etag='"x"')
    assert stale.status_code == 412 and "changed meanwhile" in stale.text
    for wrong in ("{", HOSTILE, '{"Statement": []}', place.policy(Action=HOSTILE)):
        refused = place.send("/policy", action="save", policy=wrong)
        assert refused.status_code == 422 and "would be refused" in refused.text and HOSTILE not in refused.text
    assert done(place.send("/policy", action="delete"))
    assert place.told("policy")["policy"] is None


def test_what_becomes_public_is_asked_about_once_more(place: Place) -> None:
    public = place.policy()
    asked = place.send("/policy", action="save", policy=public)
    assert asked.status_code == 200 and 'name="confirmed"' in asked.text and "Public:" in asked.text
    assert place.told("policy")["policy"] is None
    place.send("/settings", action="block")
    assert done(place.send("/policy", action="save", policy=public, confirmed="yes"))
    assert "public" in place.page("/settings").text and place.told("policy")["is_public"] is True
    place.send("/settings", action="block", block_public_policy="on")
    refused = place.send("/policy", action="save", policy=public, confirmed="yes")
    assert refused.status_code == 409 and "would be public" in refused.text


def test_who_would_lock_himself_out_over_plain_http_is_warned_before(place: Place) -> None:
    begun = place.page("/policy", begin="tls").text
    assert "the owner of the bucket too" in begun and "You have come without TLS just now." in begun
    only_tls = place.policy(Effect="Deny", Action="s3:GetObject", Condition={"Bool": {"aws:SecureTransport": "false"}})
    asked = place.send("/policy", action="save", policy=only_tls)
    assert asked.status_code == 200 and "lock yourself out" in asked.text and 'name="confirmed"' in asked.text
    assert place.told("policy")["policy"] is None
    harmless = place.policy(Effect="Deny", Condition={"Bool": {"aws:SecureTransport": "true"}})
    assert done(place.send("/policy", action="save", policy=harmless))
    assert done(place.send("/policy", action="save", policy=only_tls, confirmed="yes"))


def test_settings_are_shown_in_words_and_set(place: Place) -> None:
    before = place.page("/settings").text
    assert "ACLs are disabled" in before and "(the owner)" in before
    assert done(place.send("/settings", action="ownership", object_ownership="ObjectWriter"))
    assert done(place.send("/settings", action="block"))
    assert done(place.send("/settings", action="acl", canned="public-read"))
    after = place.page("/settings").text
    assert "everybody, without a login too: list the files" in re.sub(r"\s+", " ", after)
    rules = {"rule": ["1", "2", "x"], "origins-1": "https://a.example\nhttps://b.example", "methods-1": ["GET", "PUT"]}
    assert done(place.send("/settings", action="cors", **rules, **{"age-1": "60", "headers-1": HOSTILE}))
    (rule,) = place.told("cors")["rules"]
    assert rule["allowed_origins"] == ["https://a.example", "https://b.example"] and rule["max_age_seconds"] == 60
    assert HOSTILE not in place.page("/settings").text
    assert place.send("/settings", action="cors", **rules, **{"age-1": "x"}).status_code == 422
    assert done(place.send("/settings", action="cors"))
    assert done(place.send("/settings", action="quota", gib="1,5", objects="")) and place.told("cors") == {"rules": []}
    assert done(place.send("/settings", action="versioning", versioning="enabled"))
    assert done(place.send("/settings", action="trash", days="2"))
    bucket = place.owner.ask("GET", f"/buckets/{place.id}").json()
    assert (bucket["storage_quota"], bucket["versioning"], bucket["trash_seconds"]) == (1610612736, "enabled", 172800)


def test_a_bucket_is_deleted_by_who_types_its_name_and_with_all_in_it_only_if_that_is_said(place: Place) -> None:
    place.owner.ask("POST", f"/buckets/{place.id}/files", params={"path": "a"}, content=b"x")
    name = place.owner.ask("GET", f"/buckets/{place.id}").json()["name"]
    assert place.send("/settings", action="delete", name="another").status_code == 422
    kept = place.send("/settings", action="delete", name=name)
    assert kept.status_code == 409 and "The bucket isn&#39;t empty." in kept.text
    gone = place.send("/settings", action="delete", name=name, all="on")
    assert gone.headers["Location"] == "/console/buckets"
    jobs = place.owner.ask("GET", "/jobs").json()["items"]
    assert [job["kind"] for job in jobs if job["kind"] == "delete_bucket"] == ["delete_bucket"]


PAGES = {"": "give", "/policy": "save", "/settings": "acl"}


def test_who_may_not_sees_and_changes_nothing(place: Place, open_browser: Open, friend: Person) -> None:
    stranger = open_browser()
    stranger.log_in(friend.name)
    other = place._replace(browser=stranger, csrf=stranger.csrf)
    for rest, action in PAGES.items():
        assert other.page(rest).status_code == 404
        assert other.send(rest, action=action, who=friend.name, on="bucket", policy="{}").status_code == 404
    place.owner.ask("POST", f"/buckets/{place.id}/share", json={"user_id": friend.id, "permission": "read"})
    assert [other.page(rest).status_code for rest in PAGES] == [403, 403, 200]
    assert "of-acl" not in other.page("/settings").text
    assert other.send("/settings", action="quota", gib="1", objects="").status_code == 403
    assert other.send(action="give", who=friend.name, permission="admin", on="bucket").status_code == 403
    assert stranger.get(f"/console/buckets/{place.id}/access/people?who=a").text.strip() == ""


def test_nothing_of_a_bucket_is_set_without_the_text_of_the_session(place: Place) -> None:
    for rest, action in PAGES.items():
        assert place._replace(csrf="").send(rest, action=action).status_code == 403
        path = f"/console/buckets/{place.id}/access{rest}"
        assert place.browser.post(path, {"csrf": place.csrf}, Origin="null").status_code == 403
    assert place._replace(csrf="x").send("/policy/check", policy="{}").status_code == 403


@pytest.mark.soak
def test_an_admin_finds_people_by_a_part_of_their_name(
    open_browser: Open, api: httpx.Client, ask: Ask, place: Place, friend: Person
) -> None:
    admin, browser = new_person(api, ask, "finder", role="admin"), open_browser()
    browser.log_in(admin.name)
    found = browser.get(f"/console/buckets/{place.id}/access/people", params={"who": friend.name[4:]}).text
    assert f'<option value="{friend.name}">' in found
    assert browser.get(f"/console/buckets/{place.id}/access/people?who={'x' * 300}").status_code == 422


@pytest.mark.soak
def test_no_page_of_access_is_framed_cached_or_runs_what_is_within_it(place: Place) -> None:
    paths = ["", "/policy", "/policy?begin=public", "/settings", "/people?who=a"]
    places = [f"/console/buckets/{place.id}/access{path}" for path in paths]
    places += ["/console/account", "/console/account/second-factor", "/console/keys", "/console/forgotten"]
    for path in [*places, "/console/register", "/console/reset?token=x", "/console/verify?token=x"]:
        answer = place.browser.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert answer.status_code == 200 and "frame-ancestors 'none'" in policy and "unsafe" not in policy, path
        assert answer.headers["X-Frame-Options"] == "DENY" and answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "same-origin" and "eyJ" not in answer.text
        assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", answer.text), path
