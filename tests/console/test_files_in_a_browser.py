"""Files in a real browser: that nothing which somebody has stored runs in the console, what everybody can use, and with
the keyboard alone.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.console.pages import Open, axe, judge, log_in, names_on, put
from tests.previews.odd_files import SVG, odd

pytestmark = pytest.mark.soak
_RUN = b"top.ran = self.ran = 1; parent.ran = 1; fetch('/console/logout', {method: 'POST'}); alert(1)"
_SCRIPT = b"<script>" + _RUN + b"</script>"
_PDF_SCRIPT = b"/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>"
HOSTILE = {
    "<img src=x onerror=alert(1)>": ("text/html", b"<img src=x onerror='" + _RUN + b"'>"),
    "a.svg": ("image/svg+xml", SVG.replace(b"alert(1)", _RUN)),
    "a.html": ("text/html", b"<!DOCTYPE html>" + _SCRIPT),
    "a.xhtml": ("application/xhtml+xml", b"<html xmlns='http://www.w3.org/1999/xhtml'>" + _SCRIPT + b"</html>"),
    "a.pdf": ("application/pdf", odd("page.pdf").replace(b"/Type /Catalog", b"/Type /Catalog " + _PDF_SCRIPT)),
    "polyglot.gif": ("image/gif", b"GIF89a/*" + b"\0" * 10 + b"*/=1;" + _RUN + _SCRIPT),
    "polyglot.html": ("text/html", odd("animated.gif") + _SCRIPT),
    "picture.png": ("image/png", b"<!DOCTYPE html>" + _SCRIPT),
    "no type": ("x/<script>alert(1)</script>", _SCRIPT),
    "sums.csv": ("text/csv", b"a,b\n=HYPERLINK(\"http://evil.example\"),@SUM(1)\n+1|' /C calc'!A0," + _SCRIPT),
    "a.md": ("text/markdown", b"[a](javascript:alert(1)) ![](x) " + _SCRIPT),
    "a.json": ("application/json", b'{"</script>": "' + _SCRIPT.replace(b'"', b"'") + b'"}'),
    "a.parquet": ("application/vnd.apache.parquet", odd("table.parquet")),
    "\u202egnp.\u2066exe\"'><svg onload=alert(1)>": ("text/plain", _SCRIPT),
}


def test_nothing_that_is_stored_runs_in_the_console(
    open_page: Open,
    inhabitant: Any,
    bucket: tuple[str, str],
) -> None:
    """Opened as its page shows it, with the frame's own address, and as it is downloaded."""
    page = open_page()
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    log_in(page, inhabitant.name)
    for name, (kind, body) in HOSTILE.items():
        file = put(inhabitant, bucket[0], name, body, kind)
        page.goto(f"{bucket[1]}/files/{file['id']}/about")
        frame = page.frames[1]
        frame.wait_for_load_state()
        assert frame.evaluate("self.origin") == "null" and frame.url.partition("?")[0].endswith("/shown")
        assert page.evaluate("window.ran") is None and frame.evaluate("window.ran") is None, name
        assert frame.evaluate("document.scripts.length") == 0 and page.evaluate("document.scripts.length") == 2
        with page.expect_download():
            page.get_by_role("link", name="Download", exact=True).first.click()
        shown = page.context.new_page()
        shown.goto(frame.url)
        assert shown.evaluate("[window.ran, self.origin]") == [None, "null"], name
        shown.close()
    page.goto(bucket[1])
    assert len(names_on(page)) == len(HOSTILE) and page.evaluate("window.ran") is None
    page.goto("/console/buckets")
    assert page.get_by_role("button", name="Log out").is_visible() and dialogs == []


def test_a_page_of_another_origin_shows_no_file(
    open_page: Open,
    inhabitant: Any,
    bucket: tuple[str, str],
    server: Any,
) -> None:
    file = put(inhabitant, bucket[0], "a.txt", b"secret words", "text/plain")
    url = inhabitant.ask("POST", f"/buckets/{bucket[0]}/files/{file['id']}/view-url", json={}).json()["url"]
    page = open_page()
    html = f"<!DOCTYPE html><iframe src='{url}'></iframe>"
    page.route(f"{server.s3}/**", lambda route: route.fulfill(content_type="text/html", body=html))
    page.goto(f"{server.s3}/evil/page.html")
    assert all("secret" not in frame.content() for frame in page.frames[1:])


def test_pictures_sounds_videos_pages_and_tables_are_seen(
    open_page: Open,
    inhabitant: Any,
    bucket: tuple[str, str],
) -> None:
    page = open_page()
    log_in(page, inhabitant.name)

    def frame_of(name: str, kind: str, body: bytes) -> Any:
        file = put(inhabitant, bucket[0], name, body, kind)
        page.goto(f"{bucket[1]}/files/{file['id']}/about")
        page.frames[1].wait_for_load_state()
        return page.frames[1]

    until(frame_of("a.jpg", "image/jpeg", odd("rgb.jpg")), "document.images[0].naturalWidth === 300")
    until(frame_of("a.webm", "video/webm", odd("video.webm")), "document.querySelector('video').videoWidth > 0")
    pages = frame_of("a.pdf", "application/pdf", odd("pages.pdf"))
    for then in ("document.images[0].naturalWidth > 800", "document.body.innerText.includes('It has no such page.')"):
        pages.evaluate("[...document.links].at(-1).click()")
        until(pages, then)
    table = frame_of("a.parquet", "", odd("table.parquet"))
    heads = "[...document.querySelectorAll('th')].map(one => one.textContent)"
    assert table.evaluate(heads) == ["id (int64)", "name (string)"]
    assert frame_of("a.csv", "text/csv", b"a,b\n1,2\n").evaluate(heads) == ["a", "b"]


def until(frame: Any, script: str) -> None:
    """Asked from here: what would wait within the frame is a script, which it lets none run."""
    ends_at = time.monotonic() + 30
    while True:
        with suppress(Exception):  # it is at another page just now
            if frame.evaluate(script):
                return
        assert time.monotonic() < ends_at, (script, frame.content())
        time.sleep(0.1)


@axe
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_keeps_anybody_from_using_the_pages_of_files(
    open_page: Open,
    inhabitant: Any,
    bucket: tuple[str, str],
    theme: str,
) -> None:
    inhabitant.ask("PUT", f"/buckets/{bucket[0]}", json={"versioning": "enabled", "trash_seconds": 86400})
    file = put(inhabitant, bucket[0], "folder/a.csv", b"a,b\n1,2\n", "text/csv")
    inhabitant.ask("POST", f"/buckets/{bucket[0]}/links", json={"file_id": file["id"], "password": "open sesame"})
    page = open_page(color_scheme=theme, viewport={"width": 360, "height": 700})
    log_in(page, inhabitant.name)
    about = f"{bucket[1]}/files/{file['id']}/about"
    places = [about, f"{bucket[1]}?prefix=folder/&sort=-size", f"{bucket[1]}/trash", f"{bucket[1]}/links"]
    for place in [*places, f"{bucket[1]}/links?file={file['id']}"]:
        page.goto(place)
        if place.endswith(f"file={file['id']}"):
            page.get_by_role("button", name="Make the link").click()
            page.locator("#address").wait_for()
        for frame in page.frames:
            frame.wait_for_load_state()
        judge(page, place)


def test_files_are_worked_on_by_keys_alone(
    open_page: Open,
    inhabitant: Any,
    bucket: tuple[str, str],
    tmp_path: Path,
) -> None:
    """A folder is made and opened, files are chosen, renamed, zipped, deleted and brought back."""
    for path in ("one.txt", "two.txt"):
        put(inhabitant, bucket[0], path, b"x", "text/plain")
    page = open_page()
    log_in(page, inhabitant.name)
    page.goto(bucket[1])
    page.keyboard.press("?")
    assert page.get_by_role("dialog", name="Keyboard").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.keyboard.type("made")
    page.keyboard.press("Enter")
    page.wait_for_url("**prefix=made%2F")
    page.keyboard.press("h")
    page.wait_for_url(f"**{bucket[1]}")
    for key in ("j", "j", "x", "r"):
        page.keyboard.press(key)
    page.keyboard.type("renamed.txt")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="renamed.txt", exact=True).wait_for()
    assert names_on(page) == ["made/", "renamed.txt", "two.txt"]
    for key in ("k", "x", "k", "x"):
        page.keyboard.press(key)
    with page.expect_download() as saved:
        page.keyboard.press("z")
    assert saved.value.path().read_bytes().startswith(b"PK")
    page.keyboard.press("Delete")
    page.get_by_text("2 files were deleted.").wait_for()
    assert names_on(page) == ["made/"]
    page.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="two.txt", exact=True).wait_for()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/about")


def test_keys_are_switched_off_for_good(open_page: Open, inhabitant: Any, bucket: tuple[str, str]) -> None:
    page = open_page()
    log_in(page, inhabitant.name)
    page.goto(bucket[1])
    page.keyboard.press("?")
    page.get_by_label("Switch these keys off in this browser").check()
    page.get_by_role("button", name="Close").click()
    page.reload()
    page.keyboard.press("?")
    assert not page.get_by_role("dialog").is_visible()
    page.get_by_role("button", name="Keyboard").click()
    assert page.get_by_role("dialog", name="Keyboard").is_visible()


def test_folders_are_moved_while_one_looks(open_page: Open, inhabitant: Any, bucket: tuple[str, str]) -> None:
    for number in range(20):
        put(inhabitant, bucket[0], f"from/{number}", b"x", "text/plain")
    page = open_page()
    log_in(page, inhabitant.name)
    page.goto(bucket[1])
    page.get_by_label("Choose from/").check()
    page.get_by_label("To the folder").fill("to")
    page.get_by_role("button", name="Move", exact=True).click()
    page.get_by_text("Done.").wait_for()
    page.get_by_role("link", name="Show the list again").click()
    page.get_by_role("link", name="to/").click()
    assert names_on(page) == ["from/"]
