"""What a bucket tells whom, in the console: rules are shown in words, added, changed and removed."""

from __future__ import annotations

import html
from typing import Any

import pytest

from tests.console.conftest import Browser
from tests.console.test_account import HOSTILE
from tests.console.test_files import Folder, folder  # noqa: F401  (fixture)


def etag(folder: Folder) -> str:  # noqa: F811
    answer = folder.person.ask("GET", f"/buckets/{folder.id}/notifications")
    return str(answer.headers["ETag"])


def send(folder: Folder, action: str, **fields: Any) -> Any:  # noqa: F811
    given = {"csrf": folder.csrf, "action": action, "etag": etag(folder), **fields}
    return folder.browser.post(f"{folder.where}/events", given)


def told(folder: Folder) -> list[dict[str, Any]]:  # noqa: F811
    rules: list[dict[str, Any]] = folder.person.ask("GET", f"/buckets/{folder.id}/notifications").json()["rules"]
    return rules


@pytest.fixture
def target(folder: Folder) -> dict[str, Any]:  # noqa: F811
    """That is told nothing: it is switched off."""
    made = folder.person.ask("POST", "/event-targets", json={"name": folder.name, "url": "https://example.com/"})
    path = f"/event-targets/{made.json()['id']}"
    changed: dict[str, Any] = folder.person.ask("PUT", path, json={"is_enabled": False}).json()
    return changed


def test_rules_are_added_shown_in_words_changed_and_removed(folder: Folder, target: dict[str, Any]) -> None:  # noqa: F811
    events = ["s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectAcl:Put"]
    added = send(folder, "add", target=folder.name, events=events, prefix=HOSTILE, suffix=".jpg")
    assert added.status_code == 303 and added.headers["Location"].endswith("/events?done=saved")
    (rule,) = told(folder)
    assert (rule["target"], rule["events"]) == (target["arn"], ["s3:ObjectCreated:*", "s3:ObjectAcl:Put"])
    page = folder.browser.get(f"{folder.where}/events").text
    assert "a file is written, in any way; the ACL of a file changes" in page and "switched off" in page
    assert html.escape(HOSTILE).replace("&#x27;", "&#39;") in page.replace("&#34;", "&quot;") and HOSTILE not in page
    send(folder, "add", target=target["arn"], events="s3:ObjectRemoved:*")
    changed = send(folder, "change", rule=rule["id"], target=target["arn"], events="s3:ObjectTagging:*")
    assert changed.status_code == 303
    assert [(one["events"], one["prefix"]) for one in told(folder)] == [
        (["s3:ObjectTagging:*"], ""),
        (["s3:ObjectRemoved:*"], ""),
    ]
    send(folder, "remove", rule=rule["id"])
    assert [one["events"] for one in told(folder)] == [["s3:ObjectRemoved:*"]]


def test_a_rule_that_can_not_be_is_told_with_what_was_entered(folder: Folder, target: dict[str, Any]) -> None:  # noqa: F811
    for wrong in ({"target": "none"}, {"events": []}, {"target": ""}, {"events": "s3:None"}):
        given = {"target": folder.name, "events": ["s3:ObjectRemoved:*"], "prefix": "entered/"} | wrong
        answer = send(folder, "add", **given)
        assert answer.status_code == 422 and 'id="fault"' in answer.text and 'value="entered/"' in answer.text
    send(folder, "add", target=folder.name, events="s3:ObjectRemoved:*")
    stale = send(folder, "remove", rule=told(folder)[0]["id"], etag='"x"')
    assert stale.status_code == 412 and "changed meanwhile" in stale.text and len(told(folder)) == 1


@pytest.mark.soak
def test_who_may_not_set_events_sees_none(open_browser: Any, folder: Folder, friend: Any) -> None:  # noqa: F811
    other: Browser = open_browser()
    other.log_in(friend.name)
    assert other.get(f"{folder.where}/events").status_code == 404
    folder.person.ask("POST", f"/buckets/{folder.id}/share", json={"user_id": friend.id, "permission": "write"})
    assert other.get(f"{folder.where}/events").status_code == 403
    given = {"csrf": other.csrf, "action": "add", "target": "x", "events": "s3:ObjectRemoved:*"}
    assert other.post(f"{folder.where}/events", given).status_code == 403
    assert folder.browser.post(f"{folder.where}/events", {"action": "remove"}).status_code == 403
