"""The screens for admins and auditors: each shows its thing and does it, and who may not is told so by the API."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.api.askers import PASSWORD, Person, new_person
from tests.cli.commands import Ask
from tests.console.conftest import Browser
from tests.servers import RunningServer

Open = Callable[[], Browser]
ADMIN = "/console/admin"
SCREENS = {
    "": "Overview",
    "/users": "New user",
    "/groups": "Make a group",
    "/invitations": "Invite somebody",
    "/quotas": "Quotas of buckets",
    "/jobs": "Stop updating",
    "/schedules": "Run now",
    "/scrub": "What was found bad",
    "/scans": "Virus scanning",
    "/targets": "New target",
    "/audit": "Export what is filtered",
    "/nodes": "worker",
    "/settings": "S3GW_REGION",
}
_FOR_ADMINS_ALONE = ("/invitations", "/schedules", "/settings")
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="session")
def admin(api: httpx.Client, ask: Ask) -> Person:
    return new_person(api, ask, "console-admin", role="admin")


@pytest.fixture
def admins(open_browser: Open, admin: Person) -> Browser:
    """Logged in."""
    one = open_browser()
    assert one.log_in(admin.name).status_code == 303
    return one


@pytest.mark.parametrize("path", ["/console/buckets", f"{ADMIN}/quotas"])
def test_a_list_of_buckets_asks_the_api_once_however_many_there_are(
    path: str, admins: Browser, admin: Person, server: RunningServer
) -> None:
    """The calls of a page have its id in the log."""
    for number in range(3):
        name = f"listed-at-once-{number}-{path.rpartition('/')[2]}"
        assert admin.ask("POST", "/buckets", json={"name": name}).status_code == 201
    page = admins.get(f"{path}?name=listed-at-once")
    assert page.text.count("listed-at-once-") >= 3 and "0 B" in page.text
    wanted = f"request_id={page.headers['x-request-id']}"
    deadline = time.monotonic() + 10
    while f"path={path} " not in (told := _lines_with(server, wanted)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert told.count("path=/api/v1/") == told.count("path=/api/v1/buckets ") == 1


def _lines_with(server: RunningServer, wanted: str) -> str:
    return "\n".join(line for line in server.log.read_text().splitlines() if wanted in line)


def acts(browser: Browser, path: str, action: str, **fields: str) -> httpx.Response:
    return browser.post(f"{ADMIN}{path}", {"csrf": browser.csrf, "action": action, **fields})


def test_an_admin_sees_every_screen_an_auditor_what_he_may_and_others_none(
    admins: Browser, open_browser: Open, browser: Browser, api: httpx.Client, ask: Ask
) -> None:
    auditor = open_browser()
    auditor.log_in(new_person(api, ask, "console-auditor", role="auditor").name)
    for path, words in SCREENS.items():
        page = admins.get(f"{ADMIN}{path}")
        assert page.status_code == 200 and words in page.text, path
        assert not re.search(r"<script(?![^>]* src=)|<style|<[^>]* (style|on[a-z]+)=", page.text)
        assert auditor.get(f"{ADMIN}{path}").status_code == (403 if path in _FOR_ADMINS_ALONE else 200), path
    assert f'href="{ADMIN}/settings"' not in auditor.get(ADMIN).text
    for path in SCREENS.keys() - {"/groups", "/quotas", "/targets"}:  # where everybody has some of his own
        assert browser.get(f"{ADMIN}{path}").status_code == 403, path
    assert ADMIN not in browser.get("/console/buckets").text


@pytest.mark.parametrize("path", ["/users", "/invitations", "/quotas", "/schedules", "/scans", "/targets"])
def test_nothing_is_done_without_the_text_of_the_session(admins: Browser, path: str) -> None:
    fields = {"action": "create", "csrf": "0" * 64}
    assert admins.post(f"{ADMIN}{path}", fields).status_code == 403
    assert admins.http.post(f"{ADMIN}{path}", data=fields | {"csrf": admins.csrf}).status_code == 403  # no Origin


def test_an_auditor_does_nothing_though_he_sends_the_form(open_browser: Open, api: httpx.Client, ask: Ask) -> None:
    auditor = open_browser()
    auditor.log_in(new_person(api, ask, "console-auditor", role="auditor").name)
    refused = acts(auditor, "/users", "create", username="made-by-auditor", email="x@example.com", role="admin")
    assert refused.status_code == 403 and "You may not do this." in refused.text


def test_a_user_is_made_changed_limited_disabled_deleted_and_restored(admins: Browser, api: httpx.Client) -> None:
    name = f"made-{admins.csrf[:12]}"
    made = acts(admins, "/users", "create", username=name, email=f"{name}@example.com", role="user", password=PASSWORD)
    place = made.headers["Location"]
    path = place.removeprefix(ADMIN)
    acts(admins, path, "update", username=name, email=f"{name}@example.net", role="auditor")
    acts(admins, path, "quota", storage_quota="10g", object_quota="")
    acts(admins, path, "disable")
    page = admins.get(place).text
    assert f"{name}@example.net" in page and "10 GiB" in page and '<span class="bad">disabled</span>' in page
    acts(admins, path, "update", username=name, email="")
    assert f"{name}@example.net" not in admins.get(place).text
    assert acts(admins, path, "quota", storage_quota="much").status_code == 422
    acts(admins, path, "enable")
    assert api.post("/users/login", json={"username": name, "password": PASSWORD}).status_code == 200
    session = re.search(r'name="id" value="([0-9a-f-]{36})"', admins.get(place).text)
    assert session is not None and acts(admins, path, "session", id=session[1]).status_code == 303
    assert acts(admins, path, "totp").status_code == 303
    assert acts(admins, path, "delete", data="keep").headers["Location"] == f"{ADMIN}/users?deleted=true"
    assert name in admins.get(f"{ADMIN}/users?deleted=true&search={name}").text
    restored = acts(admins, "/users", "restore", user=place.rpartition("/")[2])
    assert restored.headers["Location"] == place and admins.get(place).status_code == 200


@pytest.mark.parametrize("what", ["user", "quota", "target"])
def test_what_another_admin_has_changed_meanwhile_is_not_set_back(admins: Browser, what: str) -> None:
    name = f"{what}-{admins.csrf[:12]}"
    if what == "target":
        acts(admins, "/targets", "create", name=name, url="https://hooks.example.com/")
        found = re.search(rf'/targets/([0-9a-f-]{{36}})"><bdi>{name}<', admins.get(f"{ADMIN}/targets").text)
        assert found is not None
        path, action, fields, other = f"/targets/{found[1]}", "update", {"is_enabled": "on"}, {}
    else:
        made = acts(admins, "/users", "create", username=name, email=f"{name}@example.com", role="auditor")
        path, action = made.headers["Location"].removeprefix(ADMIN), "update" if what == "user" else "quota"
        fields = {"role": "auditor"} if what == "user" else {"storage_quota": "10g"}
        other = {"role": "user"} if what == "user" else {"storage_quota": "1g"}
    page = admins.get(f"{ADMIN}{path}").text
    seen = re.search(rf'value="{action}"><input type="hidden" name="etag" value="([^"]+)"', page)
    assert seen is not None
    etag = html.unescape(seen[1])
    assert acts(admins, path, action, **other, etag=etag).status_code == 303
    assert acts(admins, path, action, **fields, etag=etag).status_code == 412


def test_a_quota_and_a_schedule_that_another_admin_has_changed_meanwhile_are_not_set_back(
    admins: Browser, admin: Person
) -> None:
    bucket = admin.ask("POST", "/buckets", json={"name": f"seen-{admins.csrf[:12]}"}).json()
    rows = (
        ("/quotas", f"?name={bucket['name']}", "set", {"bucket": bucket["id"]}, ("storage_quota", "10G", "1G")),
        ("/schedules", "", "put", {"kind": "rebuild_search"}, ("cron", "0 4 * * *", "0 5 * * *")),
    )
    for path, query, action, which, (field, first, second) in rows:
        page = admins.get(f"{ADMIN}{path}{query}").text
        named = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in which.items())
        seen = re.search(rf'value="{action}">{named}<input type="hidden" name="etag" value="([^"]+)"', page)
        assert seen is not None, path
        sent = {**which, "time_zone": "UTC", "is_enabled": "on", "etag": html.unescape(seen[1])}
        assert acts(admins, path, action, **sent | {field: first}).status_code == 303
        stale = acts(admins, path, action, **sent | {field: second})
        assert stale.status_code == 412 and "changed meanwhile" in stale.text
        now = admins.get(f"{ADMIN}{path}{query}").text
        assert f'value="{first}"' in now and f'value="{second}"' not in now


def test_keys_of_a_user_are_shown_and_switched_off_by_an_admin(
    admins: Browser, open_browser: Open, api: httpx.Client, ask: Ask
) -> None:
    user = new_person(api, ask, "keyed")
    key = user.ask("POST", "/keys", json={"description": HOSTILE}).json()["access_key_id"]
    path = f"/users/{user.id}"
    page = admins.get(f"{ADMIN}{path}").text
    assert key in page and HOSTILE not in page and "all that the user may" in page
    assert acts(admins, path, "key-off", id=key).status_code == 303
    assert user.ask("GET", f"/keys/{key}").json()["is_active"] is False
    of_one = admins.get(f"/console/keys/{key}").text
    assert f'href="{ADMIN}{path}"' in of_one and "It may all that its user may." in of_one
    acts(admins, path, "key-on", id=key)
    assert user.ask("GET", f"/keys/{key}").json()["is_active"] is True
    auditor = open_browser()
    auditor.log_in(new_person(api, ask, "key-auditor", role="auditor").name)
    seen = auditor.get(f"{ADMIN}{path}")
    assert seen.status_code == 200 and key not in seen.text
    assert acts(auditor, path, "key-off", id=key).status_code == 404


def test_a_group_has_members_and_an_invitation_is_shown_once(admins: Browser, admin: Person, ask: Ask) -> None:
    name = f"group-{admins.csrf[:12]}"
    member = ask("user", "create", f"{name}-member", "--account", admin.name)
    place = acts(admins, "/groups", "create", name=name).headers["Location"].removeprefix(ADMIN)
    acts(admins, place, "add", username=f"{name}-member")
    assert f"{name}-member" in admins.get(f"{ADMIN}{place}").text
    assert acts(admins, place, "add", username="nobody-at-all").status_code == 404
    acts(admins, place, "remove", user=member["id"])
    assert f"{name}-member" not in admins.get(f"{ADMIN}{place}").text
    acts(admins, place, "delete")
    assert name not in admins.get(f"{ADMIN}/groups").text
    invited = acts(admins, "/invitations", "invite", email=f"{name}@example.com").text
    token = re.search(r'id="invitation">([^<]+)<', invited)
    assert token is not None and token[1].startswith(f"{admins.origin}/console/register?invitation=")
    assert token[1] not in admins.get(f"{ADMIN}/invitations").text
    of_it = re.search(rf'{name}@example\.com</bdi></th>.*?name="id" value="([^"]+)"', invited, re.DOTALL)
    assert of_it is not None
    acts(admins, "/invitations", "revoke", id=of_it[1])
    assert f"{name}@example.com" not in admins.get(f"{ADMIN}/invitations").text


def test_a_bucket_is_limited_and_a_job_is_begun_looked_at_and_cancelled(admins: Browser, admin: Person) -> None:
    bucket = admin.ask("POST", "/buckets", json={"name": f"limited-{admins.csrf[:12]}"}).json()
    acts(admins, "/quotas", "set", bucket=bucket["id"], storage_quota="3K", object_quota="7")
    told = admin.ask("GET", f"/buckets/{bucket['id']}").json()
    assert (told["storage_quota"], told["object_quota"]) == (3072, 7)
    acts(admins, "/schedules", "put", kind="warn_of_quotas", cron="0 5 * * *", time_zone="UTC", is_enabled="on")
    assert "0 5 * * *" in admins.get(f"{ADMIN}/schedules").text
    refused = acts(admins, "/schedules", "put", kind="warn_of_quotas", cron="soon", time_zone="UTC")
    assert refused.status_code == 422
    place = acts(admins, "/schedules", "run", kind="warn_of_quotas").headers["Location"]
    assert "warn_of_quotas" in admins.get(place).text
    live = admins.get(place, headers={"HX-Request": "true"}).text
    assert "<html" not in live and "Progress" in live
    assert acts(admins, place.removeprefix(ADMIN), "cancel").status_code in (303, 409)  # it may have ended
    rows = admins.get(f"{ADMIN}/jobs?kind=warn_of_quotas", headers={"HX-Request": "true"}).text
    assert "<html" not in rows and "warn_of_quotas" in rows and "release_previews" not in rows


def test_a_target_of_events_is_made_switched_off_and_deleted(admins: Browser) -> None:
    name = f"hooks-{admins.csrf[:12]}"
    made = acts(admins, "/targets", "create", name=name, url="https://hooks.example.com/?token=of-the-hook")
    secret, place = re.search(r"whsec_[^<]+", made.text), re.search(rf'action="{ADMIN}(/targets/[^"]+)"', made.text)
    assert secret is not None and place is not None
    acts(admins, place[1], "update", url="", is_shared="on")
    page = admins.get(f"{ADMIN}{place[1]}").text
    assert "switched off" in page and secret[0] not in page and "of-the-hook" not in page
    assert "whsec_" in acts(admins, place[1], "secret").text
    acts(admins, place[1], "test")  # which waits, as it is switched off
    assert re.search(r"<dt>Waiting</dt><dd>1</dd>", admins.get(f"{ADMIN}{place[1]}").text)
    acts(admins, place[1], "delete")
    assert name not in admins.get(f"{ADMIN}/targets").text


def test_the_audit_log_is_filtered_exported_and_verified_and_names_are_text(admins: Browser, admin: Person) -> None:
    name = f"audited-{admins.csrf[:12]}"
    bucket = admin.ask("POST", "/buckets", json={"name": name}).json()["id"]
    wanted = {"operation": "put", "path": HOSTILE, "endpoint": "http://s3.example.com"}
    signed = admin.ask("POST", f"/buckets/{bucket}/presign", json=wanted)
    assert signed.status_code == 200, signed.text
    only = {"resource": f"{name}/{HOSTILE}", "action": "object.presign"}
    page = admins.get(f"{ADMIN}/audit", params=only).text
    rows = page.partition("<tbody")[2]
    assert "<img" not in page and rows.count(f"{name}/&lt;img") == 1
    saved = admins.get(f"{ADMIN}/audit/export", params=only)
    assert saved.headers["Content-Disposition"] == 'attachment; filename="audit.jsonl"'
    assert [json.loads(line)["resource"] for line in saved.text.splitlines()] == [only["resource"]]
    assert "The log is whole." not in admins.get(f"{ADMIN}/audit/verification").text  # nobody has asked yet
    begun, ends_at = acts(admins, "/audit/verification", "verify", head=""), time.monotonic() + 30
    while "At work" in (verified := admins.get(begun.headers["Location"]).text):
        assert "Look again" in verified and time.monotonic() < ends_at
        time.sleep(0.05)
    assert "The log is whole." in verified and "hx-trigger" not in verified
    part = admins.get(begun.headers["Location"], headers={"HX-Request": "true"}).text
    assert "The log is whole." in part and "<html" not in part
    refused = acts(admins, "/audit/verification", "verify", head="none")
    assert refused.status_code == 422 and 'id="fault"' in refused.text


def test_settings_are_shown_without_secrets_and_numbers_as_a_table(admins: Browser) -> None:
    only: Any = admins.get(f"{ADMIN}/settings?only=set").text
    assert "S3GW_ROOT_SECRET_ACCESS_KEY" in only and "secret-of-the-root" not in only and "S3GW_SMTP_PORT" not in only
    page = admins.get(f"{ADMIN}?range=day").text
    assert page.count('data-at="') == 72 and 'data-chart="4,5,6"' in page
    assert admins.get(f"{ADMIN}?range=century").status_code == 422
