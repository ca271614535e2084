"""The pages of accounts and access in a real browser: for everybody, by keys alone, and with hostile names in them."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import httpx
import pyotp
import pytest

from tests.api.askers import PASSWORD, new_person
from tests.cli.commands import Ask
from tests.console.pages import Open, axe, go_to, log_in
from tests.console.pages import judge as judge_open
from tests.console.test_account import HOSTILE

pytestmark = pytest.mark.soak
_numbers = itertools.count()
_BEFORE_LOGIN = ("login", "forgotten", "reset?token=x", "verify?token=x", "register", "register?invitation=x")


@pytest.fixture
def settled(api: httpx.Client, ask: Ask) -> tuple[Any, str]:
    """Somebody with a bucket that has all there can be, hostile names among it; and the bucket's id."""
    somebody, friend = new_person(api, ask, "settled"), new_person(api, ask, "neighbour")
    name = f"settled-{next(_numbers)}-{somebody.id[:13]}"
    bucket = somebody.ask("POST", "/buckets", json={"name": name}).json()["id"]
    path = f"/buckets/{bucket}"
    somebody.ask("PUT", f"{path}/ownership", json={"object_ownership": "ObjectWriter"})
    arn = f"arn:aws:s3:::{name}/{HOSTILE}"
    limits = {"IpAddress": {"aws:SourceIp": "10.1.0.0/16"}, "StringLike": {"aws:UserAgent": HOSTILE}}
    statements = [
        {"Sid": HOSTILE, "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": arn},
        {"Effect": "Deny", "Principal": {"AWS": friend.id.replace("-", "")[:12].translate(_DIGITS)}},
    ]
    statements[1] |= {"Action": "s3:*", "Resource": f"arn:aws:s3:::{name}"}
    statements[0] |= {"Condition": limits}
    policy = {"policy": {"Version": "2012-10-17", "Statement": statements}}
    assert somebody.ask("PUT", f"{path}/policy", json=policy).status_code == 200
    for more in ({}, {"prefix": f"{HOSTILE}\u202e/", "expires_at": "2199-01-01T00:00:00Z"}):
        assert somebody.ask(
            "POST", f"{path}/share", json={"user_id": friend.id, "permission": "read"} | more
        ).is_success
    cors = {"rules": [{"allowed_origins": ["https://a.example"], "allowed_methods": ["GET"]}]}
    somebody.ask("PUT", f"{path}/cors", json=cors)
    narrow = {"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/{HOSTILE}*"}}
    somebody.ask(
        "POST", "/keys", json={"description": f"{HOSTILE}\u202e", "policy": narrow | {"Version": "2012-10-17"}}
    )
    made = somebody.ask("POST", "/event-targets", json={"name": name[:80], "url": "https://hooks.example.com/"}).json()
    somebody.ask("PUT", f"/event-targets/{made['id']}", json={"is_enabled": False})
    rule = {"target": made["arn"], "events": ["s3:ObjectCreated:*", "s3:Replication:*"], "prefix": f"{HOSTILE}\u202e"}
    assert somebody.ask("PUT", f"{path}/notifications", json={"rules": [rule]}).is_success
    link = {"kind": "drop", "prefix": HOSTILE, "password": "open sesame"}
    assert somebody.ask("POST", f"{path}/links", json=link).is_success
    file = f"# {HOSTILE}\n\n[a](https://a.example) `b`\n\n|a|\n|-|\n|1|\n"
    assert somebody.ask("POST", f"{path}/files", params={"path": f"{HOSTILE}/a.md"}, content=file.encode()).is_success
    return somebody, bucket


_DIGITS = str.maketrans("abcdef", "012345")


def judge(page: Any, place: str) -> None:
    page.goto(f"/console/{place}")
    judge_open(page, place)
    assert page.locator("img").count() == 0, place  # which HOSTILE would make


@axe
@pytest.mark.parametrize(("theme", "width"), [("light", 360), ("dark", 1280)])
def test_everybody_can_use_these_pages(open_page: Open, settled: tuple[Any, str], theme: str, width: int) -> None:
    page = open_page(color_scheme=theme, viewport={"width": width, "height": 800})
    for place in _BEFORE_LOGIN:
        judge(page, place)
    log_in(page, settled[0].name)
    access = f"buckets/{settled[1]}/access"
    key = settled[0].ask("GET", "/keys").json()["items"][0]["access_key_id"]
    for place in ("account", "account/second-factor", "keys", f"keys/{key}", access, f"{access}/settings"):
        judge(page, place)
    explained = f"{access}?user={settled[0].name}&does=s3:GetObject&key=a"
    bucket = f"buckets/{settled[1]}"
    link = settled[0].ask("GET", f"/{bucket}/links").json()["items"][0]["id"]
    file = settled[0].ask("GET", f"/{bucket}/files").json()["items"][0]["id"]
    for place in ("events", f"links/{link}", f"files/{file}/about", "access/policy?begin=tls"):
        judge(page, f"{bucket}/{place}")
    page.goto(f"/console/{bucket}/events")
    page.get_by_text("Change", exact=False).first.click()
    judge_open(page, "a rule that is changed")
    for place in (explained, f"{access}/policy", f"{access}/policy?begin=public"):
        judge(page, place)
    page.get_by_role("button", name="Save the policy").click()
    page.get_by_text("Yes, make this public").wait_for()
    judge_open(page, "confirm")


def test_a_page_is_small_at_its_first_load(open_page: Open, settled: tuple[Any, str]) -> None:
    page = open_page()
    log_in(page, settled[0].name)
    sizes: list[int] = []
    page.on("response", lambda answer: sizes.append(answer.request.sizes()["responseBodySize"]))
    page.goto(f"/console/buckets/{settled[1]}/access/policy", wait_until="networkidle")
    assert 0 < sum(sizes) < 150_000


def test_a_policy_is_said_as_one_writes_and_saved_by_keys_alone(open_page: Open, settled: tuple[Any, str]) -> None:
    somebody, bucket = settled
    page = open_page()
    log_in(page, somebody.name)
    page.goto(f"/console/buckets/{bucket}/access/policy")
    go_to(page, "Policy")  # the tab
    for _ in range(4):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "TEXTAREA":
            break
    page.keyboard.press("ControlOrMeta+a")
    name = somebody.ask("GET", f"/buckets/{bucket}").json()["name"]
    statement = {"Sid": "typed", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement | {"Resource": f"arn:aws:s3:::{name}/a/*"}]})
    page.keyboard.insert_text(text[:-1])
    page.get_by_text("This policy would be refused.").wait_for()
    page.keyboard.insert_text(text[-1])
    page.locator("#words", has_text="all files whose paths begin with").wait_for()
    assert page.locator("#words .statement h3").inner_text().split() == ["Denies", "typed"]
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/policy?done=saved")
    assert somebody.ask("GET", f"/buckets/{bucket}/policy").json()["text"] == text


def test_somebody_is_granted_something_by_keys_alone(open_page: Open, settled: tuple[Any, str], person: Any) -> None:
    page = open_page()
    log_in(page, settled[0].name)
    page.goto(f"/console/buckets/{settled[1]}/access")
    go_to(page, "To (a user's name)")
    page.keyboard.type(person.name)
    go_to(page, "On")
    page.keyboard.type("the file")
    go_to(page, "Path")
    page.keyboard.type("a.txt")
    page.keyboard.press("Enter")
    page.wait_for_url("**/access?done=given")
    newest = settled[0].ask("GET", f"/buckets/{settled[1]}/access").json()["items"][-1]
    assert (newest["grantee"], newest["resource_type"], newest["resource_id"]) == (person.name, "file", "a.txt")


def test_people_are_found_as_an_admin_types(
    open_page: Open, settled: tuple[Any, str], api: httpx.Client, ask: Ask
) -> None:
    admin = new_person(api, ask, "searching", role="admin")
    page = open_page()
    log_in(page, admin.name)
    page.goto(f"/console/buckets/{settled[1]}/access")
    page.get_by_label("To (a user's name)").press_sequentially(settled[0].name)
    page.locator(f'#people option[value="{settled[0].name}"]').wait_for(state="attached")


def test_a_second_factor_is_set_up_and_used_by_keys_alone(open_page: Open, api: httpx.Client, ask: Ask) -> None:
    somebody, page = new_person(api, ask, "two-factors"), open_page()
    log_in(page, somebody.name)
    page.goto("/console/account/second-factor")
    go_to(page, "Password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.locator("svg.qr").wait_for()
    secret = page.locator("code.secret").inner_text()
    page.keyboard.type(pyotp.TOTP(secret).now())  # the cursor is there already
    page.keyboard.press("Enter")
    page.locator("#codes").wait_for()
    codes = page.locator("#codes").inner_text().split()
    assert len(codes) == 10
    go_to(page, "Log out")
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/login")
    page.get_by_label("Name or e-mail address").fill(somebody.name)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_label("Code").fill(codes[0])
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/buckets")


def test_a_key_is_made_and_its_secret_copied(open_page: Open, settled: tuple[Any, str]) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    log_in(page, settled[0].name)
    page.goto("/console/keys")
    page.get_by_label("list and read files").check()
    page.get_by_role("button", name="Make an access key").click()
    page.get_by_role("button", name="Copy the secret access key").click()
    page.get_by_text("Copied.").wait_for(state="attached")
    assert re.fullmatch(r"[\w+/=-]{30,}", page.evaluate("navigator.clipboard.readText()"))


def test_these_pages_work_without_scripts(open_page: Open, settled: tuple[Any, str]) -> None:
    page = open_page(java_script_enabled=False)
    log_in(page, settled[0].name)
    page.goto(f"/console/buckets/{settled[1]}/access/policy")
    page.locator("textarea").fill("{")
    page.get_by_role("button", name="Check it").click()
    page.get_by_text("This policy would be refused.").wait_for()
    page.goto(f"/console/buckets/{settled[1]}/access/settings")
    page.get_by_role("button", name="Switch it on").click()
    page.get_by_text("Saved.").wait_for()
