"""The pages in a real browser: what it refuses to run, whether everybody can use them, and with the keyboard alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.api.askers import PASSWORD
from tests.console.pages import Open, axe, go_to, judge, log_in, names_on
from tests.servers import RunningServer

pytestmark = pytest.mark.soak
_PAGES = ("/console/login", "/console/buckets", "/console/connect", "/console/none")


@axe
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_keeps_anybody_from_using_a_page(open_page: Open, inhabitant: Any, theme: str) -> None:
    page = open_page(color_scheme=theme)
    for path in _PAGES:
        if path == "/console/buckets":
            log_in(page, inhabitant.name)
        page.goto(path)
        judge(page, path)


@pytest.mark.parametrize("width", [360, 1600])
def test_no_page_is_wider_than_the_window(open_page: Open, inhabitant: Any, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 800})
    log_in(page, inhabitant.name)
    for path in _PAGES:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_one_logs_in_makes_a_bucket_and_logs_out_by_keys_alone(open_page: Open, inhabitant: Any) -> None:
    page, name = open_page(), f"{inhabitant.name}-keys"
    page.goto("/console/login")
    page.keyboard.type(inhabitant.name)  # the cursor is there already
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/buckets")
    go_to(page, "Name of a new bucket")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/console/buckets?name={name}")
    assert page.get_by_role("rowheader", name=name).is_visible()
    go_to(page, "Log out")
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/login")


def test_buckets_are_found_as_one_types(open_page: Open, inhabitant: Any) -> None:
    page = open_page()
    log_in(page, inhabitant.name)
    assert page.get_by_role("rowheader").count() >= 2
    page.get_by_label("Filter by name").press_sequentially("-full")
    page.locator("#rows th").nth(1).wait_for(state="detached")
    assert page.get_by_role("meter").is_visible()


def test_a_theme_is_kept(open_page: Open, inhabitant: Any) -> None:
    page = open_page(color_scheme="light")
    log_in(page, inhabitant.name)
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Dark").click()
    page.goto("/console/connect")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


def test_what_a_program_needs_is_copied(open_page: Open, inhabitant: Any) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    log_in(page, inhabitant.name)
    page.goto("/console/connect")
    page.get_by_role("button", name="Make an access key").click()
    page.get_by_text("Keep it now").wait_for()
    page.locator("[data-copy=text-aws]").click()
    page.get_by_text("Copied.").wait_for(state="attached")
    assert page.locator("#secret").text_content() in page.evaluate("navigator.clipboard.readText()")


def test_a_page_of_the_s3_door_does_nothing_with_the_login(
    open_page: Open, inhabitant: Any, server: RunningServer
) -> None:
    """It is of the same site, so the cookie goes along, and the browser asks nobody before it sends a form."""
    page, name = open_page(), f"{inhabitant.name}-forged"
    log_in(page, inhabitant.name)
    form = f'<form id=f method=post action="{server.admin}/console/buckets"><input name=name value={name}></form>'
    html = f"<!DOCTYPE html>{form}<iframe src='{server.admin}/console/buckets'></iframe>"
    other = page.context.new_page()
    other.route(f"{server.s3}/**", lambda route: route.fulfill(content_type="text/html", body=html))
    other.goto(f"{server.s3}/somebodys/page.html")
    assert all("Buckets" not in frame.content() for frame in other.frames[1:])
    with other.expect_navigation():
        other.evaluate("document.getElementById('f').submit()")
    assert "doesn't come from a page of the console" in other.content()
    page.goto(f"/console/buckets?name={name}")
    assert page.get_by_text("There is no bucket here.").is_visible()


@axe
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_keeps_anybody_from_using_the_page_of_files(
    open_page: Open, inhabitant: Any, bucket: tuple[str, str], theme: str
) -> None:
    page = open_page(color_scheme=theme, viewport={"width": 360, "height": 700})
    log_in(page, inhabitant.name)
    for path in ("a.txt", "folder/b.txt"):
        inhabitant.ask("POST", f"/buckets/{bucket[0]}/files", params={"path": path}, content=b"x" * 5000)
    for place in (bucket[1], f"{bucket[1]}?prefix=folder/", f"{bucket[1]}?q=nothing"):
        page.goto(place)
        judge(page, place)


def test_files_and_a_folder_are_uploaded_deleted_and_brought_back(
    open_page: Open, inhabitant: Any, bucket: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "photos/2026").mkdir(parents=True)
    content = {"photos/one.bin": b"1" * 3_000_000, "photos/2026/two.txt": b"two", "photos/<img src=x>.txt": b""}
    for path, body in content.items():
        (tmp_path / path).write_bytes(body)
    page = open_page()
    log_in(page, inhabitant.name)
    page.goto(bucket[1])
    page.locator("#folder").set_input_files(tmp_path / "photos")
    page.locator("#progress a").click()
    assert names_on(page) == ["photos/"]
    page.get_by_role("link", name="photos/").click()
    assert names_on(page) == ["2026/", "<img src=x>.txt", "one.bin"]
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download photos/one.bin").click()
    assert saved.value.path().read_bytes() == content["photos/one.bin"]
    page.get_by_label("Choose photos/one.bin").check()
    page.get_by_role("button", name="Delete the chosen").click()
    page.get_by_text("1 file was deleted.").wait_for()
    assert names_on(page) == ["2026/", "<img src=x>.txt"]
    page.get_by_role("button", name="Undo").click()
    page.locator("#rows th", has_text="one.bin").wait_for()


def test_an_upload_that_the_network_breaks_off_goes_on_by_itself(
    open_page: Open, inhabitant: Any, bucket: tuple[str, str], tmp_path: Path
) -> None:
    """Its connection is cut at the second request, which is the one with the bytes or its try again."""
    body = bytes(range(256)) * 20_000
    (tmp_path / "long.bin").write_bytes(body)
    page = open_page()
    cut: list[str] = []

    def cut_once(route: Any) -> None:
        if route.request.method == "PATCH" and not cut:
            cut.append(route.request.url)
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/uploads/*", cut_once)
    log_in(page, inhabitant.name)
    page.goto(bucket[1])
    page.locator("#files").set_input_files(tmp_path / "long.bin")
    page.locator("#progress a").click()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download long.bin").click()
    assert cut and saved.value.path().read_bytes() == body


def test_an_upload_waits_where_it_is_told_to(
    open_page: Open, inhabitant: Any, bucket: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "patient.bin").write_bytes(b"patient")
    page = open_page()
    asked: list[float] = []

    def refuse_first(route: Any) -> None:
        asked.append(time.monotonic())
        if len(asked) == 1:
            route.fulfill(status=429, headers={"Retry-After": "2"})
        else:
            route.continue_()

    page.route("**/uploads", refuse_first)
    log_in(page, inhabitant.name)
    page.goto(bucket[1])
    page.locator("#files").set_input_files(tmp_path / "patient.bin")
    page.get_by_text("this one goes on in a moment").wait_for()
    page.locator("#progress a").click()
    assert "patient.bin" in names_on(page) and asked[1] - asked[0] > 1.9
