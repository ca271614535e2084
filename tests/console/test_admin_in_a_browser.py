"""The screens for admins in a real browser, which has nothing to say against them; and with the keyboard alone."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.askers import Person, new_person
from tests.cli.commands import Ask
from tests.console.pages import Open, axe, go_to, judge, log_in
from tests.console.test_admin import ADMIN, SCREENS

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def admin(api: httpx.Client, ask: Ask) -> Person:
    return new_person(api, ask, "browsing-admin", role="admin")


@pytest.fixture(scope="module")
def details(admin: Person) -> list[str]:
    """Pages of one thing each."""
    group = admin.ask("POST", "/groups", json={"name": f"group-of-{admin.name}"}).json()["id"]
    hook = {"name": f"hook-of-{admin.name}", "url": "https://hooks.example.com/"}
    target = admin.ask("POST", "/event-targets", json=hook).json()["id"]
    job = admin.ask("POST", "/schedules/warn_of_quotas/run").json()["id"]
    admin.ask("POST", "/keys", json={"description": "of an admin"})
    verified = admin.ask("POST", "/audit/verification", json={}).json()["id"]
    pages = [
        f"users/{admin.id}",
        f"audit/verification?job={verified}",
        f"groups/{group}",
        f"targets/{target}",
        f"jobs/{job}",
        "audit/verification",
    ]
    return [f"{ADMIN}/{page}" for page in pages]


@axe
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_keeps_anybody_from_using_a_screen(
    open_page: Open,
    admin: Person,
    details: list[str],
    theme: str,
    width: int,
) -> None:
    page = open_page(color_scheme=theme, viewport={"width": width, "height": 800})
    log_in(page, admin.name)
    for place in [*(f"{ADMIN}{path}" for path in SCREENS), *details]:
        page.goto(place)
        judge(page, place)


def test_charts_are_drawn_from_the_table_and_follow_the_theme(open_page: Open, admin: Person) -> None:
    page = open_page(color_scheme="light")
    log_in(page, admin.name)
    page.goto(f"{ADMIN}?range=day")
    assert page.locator(".chart canvas").count() == 4
    assert page.locator("#points tbody tr").count() == 72
    page.get_by_text("The numbers of the charts").click()
    assert page.get_by_role("columnheader", name="exclusive").is_visible()
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(300)
    assert page.locator(".chart canvas").count() == 4
    first = page.evaluate("fetch(location.href).then(answer => answer.text()).then(text => text.length)")
    assert first < 150_000


def test_a_user_is_made_found_and_disabled_by_keys_alone(open_page: Open, admin: Person) -> None:
    page, name = open_page(), f"{admin.name}-by-keys"
    log_in(page, admin.name)
    page.goto(f"{ADMIN}/users")
    go_to(page, "Name or e-mail address")
    page.keyboard.type("nobody-is-called-so")
    page.get_by_text("There is nothing here.").wait_for()  # as one types
    for label, text in (("Name ", name), ("E-mail address", f"{name}@example.com")):
        to_field(page, label.strip())
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    page.wait_for_url("**/users/*-*")
    go_to(page, "Disable")
    page.keyboard.press("Enter")
    page.locator(".bad", has_text="disabled").wait_for()
    go_to(page, "Delete the user")
    page.keyboard.press("Enter")
    page.get_by_text("can be restored for a while").wait_for()


def to_field(page: Any, label: str) -> None:
    """By Tab, to the field that is called so and nothing else."""
    name = "document.activeElement.labels?.[0]?.textContent.trim()"
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate(name) == label:
            return
    raise AssertionError(f"{label!r} isn't reached by Tab")


def test_a_job_is_seen_as_it_goes_on_and_what_has_the_focus_keeps_it(open_page: Open, admin: Person) -> None:
    page = open_page()
    log_in(page, admin.name)
    page.goto(f"{ADMIN}/jobs?kind=warn_of_quotas")
    link = page.locator("#rows a").first
    link.focus()
    with page.expect_response("**/jobs?kind=warn_of_quotas*"):
        pass
    page.wait_for_timeout(300)
    assert page.evaluate("document.activeElement.id").startswith("job-")
    page.get_by_role("button", name="Stop updating").click()
    assert page.locator("#rows[hx-get]").count() == 0
