"""Drop boxes that take uploads which resume: on any worker, beside what is there, and by their link alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.files import Filed, people
from tests.api.files import filed as filed
from tests.api.test_resumable import BYTES, LONG, TUS, described, stored
from tests.api.test_share_links import get, make, now_of
from tests.browser import browser
from tests.servers import RunningServer

__all__ = ["filed", "people"]


def begin(link: dict[str, Any], size: int, name: str = "a.txt", **more: str) -> httpx.Response:
    headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": described(filename=name, **more)}
    return get(link, "/uploads", method="POST", headers=headers)


def begun(link: dict[str, Any], size: int, name: str = "a.txt", **more: str) -> str:
    """What comes behind the link's URL."""
    answer = begin(link, size, name, **more)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"].removeprefix(httpx.URL(link["url"]).path)


def append(link: dict[str, Any], where: str, offset: int, body: bytes) -> httpx.Response:
    return get(link, where, method="PATCH", content=body, headers={**BYTES, "Upload-Offset": str(offset)})


def test_a_file_is_gone_on_with_and_put_beside_what_has_its_name(filed: Filed) -> None:
    filed.put("in/a.txt", b"first")
    link, half = make(filed, kind="drop", prefix="in"), len(LONG) // 2
    where = begun(link, len(LONG), "../../a.txt", overwrite="true", path="../a.txt")
    assert append(link, where, 0, LONG[:half]).status_code == 204
    assert append(link, where, 0, LONG[half:]).status_code == 409
    assert get(link, where, method="HEAD", headers=TUS).headers["Upload-Offset"] == str(half)
    done = append(link, where, half, LONG[half:])
    assert done.status_code == 204 and "Upload-File-Id" not in done.headers
    assert filed.listed() == ["in/a (2).txt", "in/a.txt"]
    assert (stored(filed, "in/a.txt"), stored(filed, "in/a (2).txt")) == (b"first", LONG)
    told = now_of(filed, link)
    assert (told["uploads"], told["uploaded_bytes"]) == (1, len(LONG))


def test_an_upload_is_reached_by_its_link_alone_and_ends_with_it(filed: Filed) -> None:
    link, other = make(filed, kind="drop", prefix="in"), make(filed, kind="drop", prefix="in")
    where = begun(link, 10)
    assert get(other, where, method="HEAD", headers=TUS).status_code == 404
    path = f"/buckets/{filed.id}{where}"
    for who in ("owner", "admin"):
        assert filed.people[who].ask("HEAD", path, headers=TUS).status_code == 404
    filed.owner.ask("DELETE", f"/links/{link['id']}")
    assert append(link, where, 0, b"0123456789").status_code == 404
    assert filed.listed() == []


@pytest.mark.parametrize("limit", [{"max_bytes": 10}, {"max_uploads": 1}])
def test_a_drop_box_takes_no_more_than_it_may(filed: Filed, limit: dict[str, int]) -> None:
    link = make(filed, kind="drop", prefix="in", **limit)
    first, second = begun(link, 10), begun(link, 10)
    assert append(link, first, 0, b"0123456789").status_code == 204
    assert append(link, second, 0, b"0123456789").status_code in (404, 413)
    assert begin(link, 1).status_code == 404
    assert get(link, first, method="HEAD", headers=TUS).headers["Upload-Offset"] == "10"
    assert filed.listed() == ["in/a.txt"]


_CHOOSE = """
(() => {
  const chosen = new DataTransfer();
  for (const [name, size] of %s) chosen.items.add(new File([new Uint8Array(size).fill(7)], name, {type: "text/plain"}));
  document.querySelector("form input[type=file]").files = chosen.files;
  document.querySelector("form button").click();
})()
"""


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no Chromium")
def test_a_browser_sends_several_files_with_progress(filed: Filed, server: RunningServer, tmp_path: Path) -> None:
    if "sqlite" not in server.settings["S3GW_DATABASE_URL"]:
        pytest.skip("a page is the same whatever the database")
    link = make(filed, kind="drop", prefix="in")
    large = 3 << 20
    with browser(tmp_path) as page:
        page.open(f"{server.share}/{link['url'].rpartition('/')[2]}")
        page.run(_CHOOSE % json.dumps([["ä.txt", 5], ["ä.txt", large], ["empty", 0]]))
        page.wait_for("document.querySelectorAll('#sent li[data-state]').length === 3")
        states = page.run("[...document.querySelectorAll('#sent li')].map(row => row.dataset.state)")
        assert states == ["done"] * 3, page.run("document.body.innerText")
        assert page.run("[...document.querySelectorAll('#sent progress')].every(bar => bar.value === bar.max)")
        assert [told for told in page.told if "favicon" not in told] == []
    assert sorted(filed.listed()) == ["in/empty", "in/ä (2).txt", "in/ä.txt"]
    assert stored(filed, "in/ä (2).txt") == b"\x07" * large and stored(filed, "in/ä.txt") == b"\x07" * 5


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no Chromium")
def test_a_browser_goes_on_where_an_upload_broke_off(filed: Filed, server: RunningServer, tmp_path: Path) -> None:
    if "sqlite" not in server.settings["S3GW_DATABASE_URL"]:
        pytest.skip("a page is the same whatever the database")
    link = make(filed, kind="drop", prefix="in")
    where = begun(link, 1000, "a.txt")
    assert append(link, where, 0, b"\x07" * 400).status_code == 204
    with browser(tmp_path) as page:
        page.open(f"{server.share}/{link['url'].rpartition('/')[2]}")
        # As a page leaves it that was closed meanwhile: the id of the upload, under what the file is known by.
        page.run("File.prototype.__defineGetter__('lastModified', () => 1)")
        page.run(f"localStorage.setItem('s3gw upload 1000 1 a.txt', {json.dumps(where.rpartition('/')[2])})")
        page.run(_CHOOSE % json.dumps([["a.txt", 1000]]))
        page.wait_for("document.querySelector('#sent li[data-state=done]') !== null")
    assert stored(filed, "in/a.txt") == b"\x07" * 1000
    assert filed.listed() == ["in/a.txt"]
