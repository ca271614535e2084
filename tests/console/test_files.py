"""Files in the console: put there, found, saved, renamed, deleted and brought back; and what is in their names."""

from __future__ import annotations

import base64
import html
import itertools
import re
import time
from typing import Any

import httpx
import pytest

from s3gw.console.files import PER_PAGE
from tests.api.askers import new_person
from tests.cli.commands import Ask
from tests.console.conftest import Browser

_numbers = itertools.count()


class Folder:
    """A bucket of the person's, and the browser in it."""

    def __init__(self, browser: Browser, person: Any) -> None:
        self.name = f"console-files-{next(_numbers)}"
        self.id = person.ask("POST", "/buckets", json={"name": self.name}).json()["id"]
        self.browser, self.person, self.where = browser, person, f"/console/buckets/{self.id}"
        self.csrf = browser.csrf

    def put(self, *paths: str) -> list[str]:
        """Their ids."""
        return [self.put_one(path) for path in paths]

    def put_one(self, path: str) -> str:
        begun = self.upload(path, b"hello", csrf=self.csrf)
        assert begun.status_code == 201, begun.text
        return str(begun.headers["Upload-File-Id"])

    def upload(self, path: str, body: bytes, *, csrf: str, length: int | None = None, **headers: str) -> httpx.Response:
        told = {"path": base64.b64encode(path.encode()).decode(), "filetype": base64.b64encode(b"text/html").decode()}
        sent = {
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(len(body) if length is None else length),
            "Upload-Metadata": ",".join(f"{name} {value}" for name, value in told.items()),
            "Content-Type": "application/offset+octet-stream",
            "Origin": self.browser.origin,
            "X-CSRF-Token": csrf,
        }
        return self.browser.http.post(f"{self.where}/uploads", content=body, headers=sent | headers)

    def change(self, action: str, *files: str, **fields: str) -> httpx.Response:
        return self.browser.post(self.where, {"csrf": self.csrf, "action": action, "file": list(files), **fields})

    def text(self, **query: str) -> str:
        answer = self.browser.get(self.where, params=query)
        assert answer.status_code == 200, answer.text
        return answer.text

    def names(self, **query: str) -> list[str]:
        return [
            html.unescape(name)
            for name in re.findall(r"<th scope=\"row\"><a [^>]*><bdi>(.*?)</bdi>", self.text(**query))
        ]


@pytest.fixture
def folder(browser: Browser, person: Any) -> Folder:
    return Folder(browser, person)


def test_an_upload_that_was_broken_off_goes_on_and_is_saved_as_it_was(folder: Folder) -> None:
    begun = folder.upload("in/page.html", b"<script>", csrf=folder.csrf, length=17)
    place = begun.headers["Location"]
    assert place.startswith(f"{folder.where}/uploads/")
    told = folder.browser.http.head(place, headers={"Tus-Resumable": "1.0.0"})
    assert told.headers["Upload-Offset"] == "8"
    more = {"Upload-Offset": "8", "X-CSRF-Token": folder.csrf, "Origin": folder.browser.origin}
    more |= {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
    ended = folder.browser.http.patch(place, content=b"</script>", headers=more)
    assert ended.status_code == 204
    saved = folder.browser.get(f"{folder.where}/files/{ended.headers['Upload-File-Id']}")
    assert saved.content == b"<script></script>"
    assert saved.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in saved.headers["Content-Security-Policy"]
    assert folder.names() == ["in/"] and folder.names(prefix="in/") == ["page.html"]


@pytest.mark.parametrize("wrong", [{"Origin": "http://evil.example"}, {"X-CSRF-Token": "0" * 64}])
def test_no_other_page_uploads(folder: Folder, wrong: dict[str, str]) -> None:
    assert folder.upload("a", b"x", csrf=folder.csrf, **wrong).status_code == 403
    assert folder.names() == []


def test_an_upload_after_the_login_has_ended_is_told_so(folder: Folder) -> None:
    """And isn't sent on to a page, which a script would take for an answer."""
    csrf = folder.csrf
    folder.browser.http.cookies.clear()
    refused = folder.upload("a", b"x", csrf=csrf)
    assert (refused.status_code, refused.headers["HX-Redirect"]) == (401, "/console/login")


def test_what_is_deleted_is_brought_back(folder: Folder) -> None:
    first, second, _ = folder.put("a", "b", "c")
    done = folder.change("delete", first, second)
    page = folder.browser.get(done.headers["Location"]).text
    assert "2 files were deleted." in page and folder.names() == ["c"]
    assert folder.change("restore", *re.findall(r'type="hidden" name="file" value="([^"]+)"', page)).status_code == 303
    assert folder.names() == ["a", "b", "c"]


def test_a_file_is_renamed_and_moved_and_not_over_another(folder: Folder) -> None:
    one, _ = folder.put("in/a", "in/b")
    assert folder.change("rename", one, name="c", prefix="in/").headers["Location"] == f"{folder.where}?prefix=in%2F"
    assert folder.names(prefix="in/") == ["b", "c"]
    folder.change("rename", one, name="/out/d")
    assert folder.names(prefix="out/") == ["d"] and folder.names(prefix="in/") == ["b"]
    refused = folder.change("rename", one, name="in/b")
    assert refused.status_code == 409 and "There is a file of that name already." in refused.text


def test_a_folder_is_shown_a_page_at_a_time_and_filtered(folder: Folder, s3: Any) -> None:
    names = [f"{number:03}" for number in range(PER_PAGE + 2)]
    for name in names:
        s3.put_object(Bucket=folder.name, Key=name, Body=b"")
    page = folder.text()
    assert len(re.findall("<bdi>", page)) == PER_PAGE
    following = re.search(r'href="([^"]*cursor[^"]*)"', page)
    assert following is not None
    rows = folder.browser.get(html.unescape(following[1]), headers={"HX-Request": "true"}).text
    assert re.findall(r"<bdi>(.*?)</bdi>", rows) == names[PER_PAGE:] and "<html" not in rows
    assert folder.names(begins="10") == names[100:]


def test_words_are_looked_for_below_the_folder(folder: Folder) -> None:
    """Once the job that follows changes has come so far."""
    folder.put("in/holiday-plan.txt", "out/holiday.txt")
    ends_at = time.monotonic() + 30
    while not (found := folder.names(prefix="in/", q="holiday")) and time.monotonic() < ends_at:
        time.sleep(0.05)
    assert found == ["in/holiday-plan.txt"]


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=alert(1)>", "'\"><svg onload=alert(1)>", "a\u202egnp.exe", "{{ 7*191 }}", "=1+1|cmd"]
)
def test_a_name_is_text(folder: Folder, name: str) -> None:
    folder.put(f"{name}/{name}")
    for query in ({}, {"prefix": f"{name}/"}, {"begins": name}, {"q": "alert"}):
        page = folder.text(**query)
        assert "<img" not in page and "<svg" not in page and "1337" not in page
    assert folder.names(prefix=f"{name}/") == [name.replace("\u202e", "[U+202E]")]


def test_who_may_not_see_the_bucket_is_told_that_nothing_is_there(
    folder: Folder, open_browser: Any, api: httpx.Client, ask: Ask
) -> None:
    (file_id,) = folder.put("a")
    other = open_browser()
    other.log_in(new_person(api, ask, "console-stranger").name)
    for path in (folder.where, f"{folder.where}/files/{file_id}", f"{folder.where}/archive"):
        answer = other.get(path)
        assert answer.status_code == 404 and "There is nothing here" in answer.text


def test_a_folder_is_saved_as_a_zip(folder: Folder) -> None:
    folder.put("in/a", "in/b")
    answer = folder.browser.get(f"{folder.where}/archive?prefix=in/")
    assert answer.content.startswith(b"PK") and answer.headers["Content-Disposition"].startswith("attachment")
    refused = httpx.get(f"{folder.browser.origin}{folder.where}/archive")
    assert refused.status_code == 303
