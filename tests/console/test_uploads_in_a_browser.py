"""What the script of uploads does in a real Chromium, which has nothing to say against it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.askers import PASSWORD, new_person
from tests.browser import Page, browser
from tests.cli.commands import Ask
from tests.servers import RunningServer

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium isn't there"),
]


@pytest.fixture
def page(server: RunningServer, api: httpx.Client, ask: Ask, tmp_path: Path) -> Iterator[Page]:
    """The files of a bucket that is empty."""
    somebody = new_person(api, ask, "uploader")
    bucket = somebody.ask("POST", "/buckets", json={"name": f"of-{somebody.name}"}).json()["id"]
    with browser(tmp_path / "profile") as opened:
        opened.open(f"{server.admin}/console/login?next=/console/buckets/{bucket}")
        for name, text in (("username", somebody.name), ("password", PASSWORD)):
            opened.run(f"document.querySelector('[name={name}]').value = {json.dumps(text)}")
        opened.run("document.querySelector('main form').submit()")
        opened.wait_for("location.pathname.startsWith('/console/buckets/') && document.readyState === 'complete'")
        yield opened
        assert opened.told == []


def test_files_are_uploaded_and_shown_under_their_names(page: Page) -> None:
    page.run("""(() => {
        const given = new DataTransfer();
        for (const name of ["a.txt", "<img src=x onerror=alert(1)>.svg"]) given.items.add(new File(["hello"], name));
        given.items.add(new File([new Uint8Array(3_000_000)], "large.bin"));
        const input = document.getElementById("files");
        input.files = given.files;
        input.dispatchEvent(new Event("change"));
    })()""")
    page.wait_for("document.querySelector('#progress a') !== null")
    assert page.run("document.getElementById('progress').textContent").startswith("3 / 3")
    page.run("document.querySelector('#progress a').click()")
    page.wait_for("document.querySelectorAll('#rows input').length === 3")
    page.run("""(() => {
        const filter = document.querySelector("[name=begins]");
        filter.value = "lar";
        filter.dispatchEvent(new Event("input", {bubbles: true}));
    })()""")
    page.wait_for("document.querySelectorAll('#rows input').length === 1")
    assert page.run("document.querySelector('#rows bdi').textContent") == "large.bin"
