"""What the pages are made of, and whether it is what its makers have released."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from s3gw.console.assets import NAMES
from s3gw.console.programs import programs
from tests.console.conftest import Browser

STATIC = files("s3gw.console") / "static"
VENDORED: list[dict[str, Any]] = json.loads((STATIC / "vendored.json").read_text())
OURS = {"style.css", "console.js", "upload.js", "keys.js", "charts.js", "icon.svg"}


def test_what_others_have_made_is_in_the_table_with_version_licence_and_digest() -> None:
    assert {row["file"] for row in VENDORED} | OURS == set(NAMES)
    for row in VENDORED:
        assert hashlib.sha256((STATIC / row["file"]).read_bytes()).hexdigest() == row["sha256"]
        assert row["licence"] in ("0BSD", "MIT")
        assert (STATIC / f"{row['file'].partition('.')[0]}.LICENSE.txt").is_file()


@pytest.mark.soak
@pytest.mark.parametrize("row", VENDORED, ids=lambda row: str(row["file"]))
def test_it_is_what_the_registry_has_under_that_version(row: dict[str, Any], tmp_path: Path) -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm, which asks the registry, isn't there")
    subprocess.run(["npm", "pack", "--silent", f"{row['package']}@{row['version']}"], cwd=tmp_path, check=True)
    (archive,) = tmp_path.glob("*.tgz")
    with tarfile.open(archive) as opened:
        member = opened.extractfile(f"package/{row['path']}")
        assert member is not None
        assert member.read() == (STATIC / row["file"]).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_an_asset_is_kept_for_good_under_the_address_of_its_content(browser: Browser, name: str) -> None:
    plain = browser.get(f"/console/assets/{name}", headers={"Accept-Encoding": "identity"})
    assert plain.content == (STATIC / name).read_bytes() and plain.headers["Cache-Control"] == "no-store"
    version = hashlib.sha256(plain.content).hexdigest()[:12]
    packed = browser.get(f"/console/assets/{name}?v={version}")
    assert packed.content == plain.content and "immutable" in packed.headers["Cache-Control"]


@pytest.mark.parametrize("name", ["vendored.json", "..%2Fapp.py", "htmx.LICENSE.txt", "none.js"])
def test_what_no_page_needs_is_not_served(browser: Browser, name: str) -> None:
    assert browser.get(f"/console/assets/{name}").status_code == 404


def test_the_first_load_of_a_page_is_small(browser: Browser) -> None:
    page = len(browser.get("/console/buckets").content)
    scripts = sum(int(browser.get(f"/console/assets/{name}").headers["Content-Length"]) for name in NAMES)
    assert page + scripts < 150_000


def test_names_are_shown_with_what_cannot_be_seen_in_them() -> None:
    """Each that somebody has chosen is in a <bdi>, and passes `visible`."""
    folder = files("s3gw.console").joinpath("templates")
    pages = {one.name: one.read_text() for one in folder.iterdir() if one.name.endswith(".html")}
    names = [
        (page, name) for page, text in pages.items() for name in re.findall(r"<bdi[^>]*>(\{\{.*?\}\})</bdi>", text)
    ]
    assert len(names) > 50 and [one for one in names if "| visible" not in one[1]] == []


def test_no_line_for_programs_asks_amazon_or_overwrites_a_password() -> None:
    """AWS's command line reads the endpoint of the environment since 2.13, and Debian 12 has 2.9."""
    texts = {one.id: one.text for one in programs("http://s3.test", "s3.test", "r", "KEY", "SECRET")}
    assert texts["aws"].endswith("aws --endpoint-url http://s3.test s3 ls")
    assert "> ~/.passwd-s3fs" not in texts["s3fs"] and "umask 077" in texts["s3fs"]
