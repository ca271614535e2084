"""`make screenshots`: pictures of the console for the README, of a server with sample content."""

from __future__ import annotations

import importlib
import io
import shutil
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from tests import sample_content
from tests.sample_content import ADMIN, PASSWORD
from tests.servers import running_server

FOLDER = Path(__file__).parent.parent / "docs/screenshots"
LARGEST = 150_000  # bytes of a picture
# What is shown: a name, the page's address, and what is clicked there.
PAGES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("buckets", "/console/buckets", ()),
    ("files", "/console/buckets?name=photos", ("photos", "2026/", "summer/")),
    ("file", "/console/buckets?name=photos", ("photos", "2026/", "summer/", "IMG_4103.png")),
    ("overview", "/console/admin?range=day", ()),
)
_COLOURS = 128


def take() -> None:
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(Path(folder) / "data", **sample_content.SETTINGS) as it,
    ):
        sample_content.fill(it)
        sample_content.write_history(it)
        playwright = importlib.import_module("playwright.sync_api").sync_playwright()
        with playwright as started:
            chromium = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = chromium.new_page(base_url=it.admin, locale="en-GB", viewport={"width": 1200, "height": 750})
            _log_in(page)
            for name, path, links in PAGES:
                page.goto(path)
                for link in links:
                    page.get_by_role("link", name=link, exact=True).click()
                page.wait_for_load_state("networkidle")
                _keep(name, page.screenshot())
            chromium.close()


def _log_in(page: Any) -> None:
    page.goto("/console/login")
    page.get_by_label("Name or e-mail address").fill(ADMIN)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/console/buckets")


def _keep(name: str, taken: bytes) -> None:
    """With few colours, of which pages have few: a third of the bytes."""
    path = FOLDER / f"{name}.png"
    Image.open(io.BytesIO(taken)).convert("RGB").quantize(_COLOURS).save(path, optimize=True)
    size = path.stat().st_size
    assert size <= LARGEST, f"{path} has {size} bytes"
    print(f"{path.relative_to(FOLDER.parent.parent)}: {size} bytes")


if __name__ == "__main__":
    take()
