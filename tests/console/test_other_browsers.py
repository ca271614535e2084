"""The main jobs in the browsers that people have: Firefox ESR, WebKitGTK and Chromium, each as Debian has it.

The other tests of pages look closer, and in Chromium alone. Here each browser does with its own hands what the scripts
and the style sheet need of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pyotp
import pytest

from tests.api.askers import PASSWORD, Person, new_person
from tests.cli.commands import Ask
from tests.console.pages import put
from tests.previews.odd_files import odd
from tests.servers import RunningServer
from tests.webdriver import ENGINES, Page, missing, page_in

pytestmark = pytest.mark.soak
_GROUND = "getComputedStyle(document.body).backgroundColor"


class Visit(NamedTuple):
    """Somebody who may see everything, logged in with a second factor, and a bucket of his that keeps versions."""

    page: Page
    person: Person
    bucket: str

    @property
    def place(self) -> str:
        return f"/console/buckets/{self.bucket}"


@pytest.fixture(scope="module", params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> str:
    if absent := missing(request.param):
        pytest.skip(f"{', '.join(absent)} isn't there")
    return str(request.param)


@pytest.fixture(scope="module")
def visit(
    engine: str, server: RunningServer, api: httpx.Client, ask: Ask, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Visit]:
    person = new_person(api, ask, f"in-{engine}", role="admin")
    secret = person.ask("POST", "/users/me/totp", json={"password": PASSWORD}).json()["secret"]
    codes = pyotp.TOTP(secret)
    person.ask("POST", "/users/me/totp/confirm", json={"totp": codes.now()})
    bucket = person.ask("POST", "/buckets", json={"name": f"of-{person.name}"}).json()["id"]
    person.ask("PUT", f"/buckets/{bucket}", json={"versioning": "enabled"})
    with page_in(engine, tmp_path_factory.mktemp(engine), server.admin) as page:
        page.open("/console/login")
        log_in(page, person.name)
        page.sees("Code")
        page.fill("[name=password]", PASSWORD)
        page.fill("[name=totp]", codes.at(time.time() + 30))  # that of now is used up
        page.click("main button.primary")
        page.until(lambda: page.run("location.pathname") == "/console/buckets", "logged in")
        yield Visit(page, person, bucket)


def log_in(page: Page, name: str) -> None:
    page.fill("[name=username]", name)
    page.fill("[name=password]", PASSWORD)
    page.click("main button.primary")


@pytest.fixture(autouse=True)
def _nothing_is_wrong(visit: Visit) -> Iterator[None]:
    yield
    # The first try of a login has no code, and so is no page that there is, which Chromium calls an error.
    assert [one for one in visit.page.told() if "Failed to load resource" not in one] == []


def test_a_bucket_is_made_and_found_as_one_types(visit: Visit) -> None:
    page, name = visit.page, f"made-by-{visit.person.name}"
    page.open("/console/buckets")
    page.fill("form[method=post] [name=name]", name)
    page.click("text=Make a bucket")
    page.sees(name)
    page.open("/console/buckets")
    page.fill("[type=search]", f"of-{visit.person.name}")
    page.until(lambda: len(page.find("#rows tr")) == 1, "filtered by htmx")
    assert f"of-{visit.person.name}" in page.text("#rows")


def test_a_file_is_uploaded_with_progress_and_found_in_its_folder(visit: Visit, tmp_path: Path) -> None:
    page, file = visit.page, tmp_path / "large.bin"
    file.write_bytes(bytes(range(256)) * 12_000)
    page.open(f"{visit.place}?prefix=in/here/")
    page.fill("#files", str(file))
    page.until(lambda: page.text("#progress").startswith("1 / 1 · 2.9 MiB / 2.9 MiB"), "progress")
    page.click("#progress a")
    page.until(lambda: "large.bin" in page.text("#rows"), "the list")
    page.open(visit.place)
    page.click("text=in/")
    page.until(lambda: page.run("location.search") == "?prefix=in%2F", "the folder")
    page.click("text=here/")
    page.click("text=large.bin")
    page.sees("Save")
    file_id = page.run("location.pathname").split("/")[-2]
    sent = visit.person.ask("GET", f"/buckets/{visit.bucket}/files/{file_id}/download")
    assert sent.content == file.read_bytes()


@pytest.mark.parametrize(
    ("name", "kind", "body", "seen"),
    [
        ("a.jpg", "image/jpeg", odd("rgb.jpg"), "document.images[0]?.naturalWidth === 300"),
        ("a.pdf", "application/pdf", odd("pages.pdf"), "document.images[0]?.naturalWidth > 100"),
        ("a.csv", "text/csv", b"a,b\n1,2\n", "document.querySelectorAll('th').length === 2"),
        ("a.txt", "text/plain", b"words of it", "document.body.innerText.includes('words of it')"),
    ],
)
def test_what_is_in_a_file_is_seen_in_its_frame(visit: Visit, name: str, kind: str, body: bytes, seen: str) -> None:
    file = put(visit.person, visit.bucket, name, body, kind)
    visit.page.open(f"{visit.place}/files/{file['id']}/about")
    with visit.page.frame():
        visit.page.until(lambda: visit.page.run(seen), seen)
        assert visit.page.run("self.origin") == "null"


def test_a_version_is_restored(visit: Visit) -> None:
    page = visit.page
    file = put(visit.person, visit.bucket, "versions.txt", b"first", "text/plain")
    query = {"path": "versions.txt", "overwrite": "true"}
    again = visit.person.ask("POST", f"/buckets/{visit.bucket}/files", params=query, content=b"second")
    assert again.is_success, again.text
    page.open(f"{visit.place}/files/{file['id']}/about")
    page.click("text=Restore")
    page.sees("The version was restored.")
    sent = visit.person.ask("GET", f"/buckets/{visit.bucket}/files/{file['id']}/download")
    assert sent.content == b"first"


def test_a_file_is_shared_by_a_link(visit: Visit, server: RunningServer) -> None:
    page = visit.page
    file = put(visit.person, visit.bucket, "shared.txt", b"shared", "text/plain")
    page.open(f"{visit.place}/links?file={file['id']}")
    page.click("text=Make the link")
    page.first("#address")
    address = page.text("#address")
    assert address.startswith(server.share) and page.run("document.querySelector('.qr-box svg').clientWidth > 100")
    assert "shared.txt" in httpx.get(address, follow_redirects=True).text


def test_a_policy_is_said_in_words_as_one_writes(visit: Visit) -> None:
    page = visit.page
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject"}
    statement["Resource"] = f"arn:aws:s3:::of-{visit.person.name}/kept/*"
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    page.open(f"{visit.place}/access/policy")
    page.fill("textarea", text[:-1])
    page.sees("This policy would be refused.", "#words")
    page.fill("textarea", text)
    page.sees("all files whose paths begin with", "#words")
    page.click("text=Save the policy")
    page.until(lambda: page.run("location.search") == "?done=saved", "saved")
    assert visit.person.ask("GET", f"/buckets/{visit.bucket}/policy").json()["text"] == text


def test_charts_are_drawn_and_jobs_update(visit: Visit) -> None:
    page = visit.page
    visit.person.ask("POST", "/schedules/warn_of_quotas/run")
    page.open("/console/admin?range=day")
    page.until(lambda: len(page.find(".chart canvas")) == 4, "four charts")
    page.click("text=The numbers of the charts")
    page.sees("exclusive")
    page.open("/console/admin/jobs?kind=warn_of_quotas")
    page.run("document.querySelector('#rows tr').dataset.old = '1'")
    page.until(lambda: page.run("!document.querySelector('#rows [data-old]')"), "asked for again")
    page.click("text=Stop updating")
    page.until(lambda: not page.find("#rows[hx-get]"), "stopped")


def test_keys_open_what_they_are(visit: Visit) -> None:
    page = visit.page
    page.open(visit.place)
    page.ask("type", id=page.first("body"), text="?")
    page.until(lambda: page.run("document.querySelector('dialog').open"), "the dialog")
    page.click("text=Close")
    page.until(lambda: not page.run("document.querySelector('dialog').open"), "closed")


def test_a_theme_is_chosen_and_kept(visit: Visit) -> None:
    page = visit.page
    grounds = []
    for theme in ("Light", "Dark"):
        page.open("/console/connect")
        page.click(f"text={theme}")
        page.until(lambda: page.find("button[aria-pressed=true]"), "chosen")
        page.open("/console/buckets")
        grounds.append(page.run(_GROUND))
    assert grounds == ["rgb(251, 251, 250)", "rgb(20, 23, 27)"]


@pytest.mark.parametrize("width", [500, 1300])
def test_no_page_is_wider_than_the_window(visit: Visit, width: int) -> None:
    """Half a thousand is the narrowest that the window of each of them can be."""
    page = visit.page
    page.ask("window", width=width, height=800)
    of_bucket = [f"{visit.place}{below}" for below in ("", "/access/settings", "/links", "/trash")]
    for path in ("/console/buckets", *of_bucket, "/console/admin", "/console/keys"):
        page.open(path)
        assert page.run("document.documentElement.scrollWidth <= innerWidth"), (path, page.run("innerWidth"))


def test_pages_are_in_the_language_of_the_browser(engine: str, server: RunningServer, tmp_path: Path) -> None:
    with page_in(engine, tmp_path, server.admin, "de-DE") as page:
        page.open("/console/login")
        assert "Anmelden" in page.text() and page.run("document.documentElement.lang") == "de"


def test_what_a_policy_forbids_and_errors_are_told(engine: str, visit: Visit) -> None:
    """So that what the other tests don't find is not there. WebKitGTK's driver tells nothing."""
    if engine == "webkitgtk":
        pytest.skip("its driver has no such command")
    said: list[str] = []
    visit.page.open("/console/buckets")
    script = "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))"
    visit.page.run(f"[{script}, setTimeout(() => nothing_is_called_so(), 0)] && 0")
    visit.page.until(lambda: said.extend(visit.page.told()) or len(said) >= 2, "told")
    assert visit.page.run("window.ran") is None
