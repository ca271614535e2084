"""Links in the console: made, used, listed and ended; their addresses are shown once."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx
import pytest

from tests.console.test_files import Folder, folder  # noqa: F401  (fixture)


def make(folder: Folder, action: str = "share", **fields: str) -> str:  # noqa: F811
    """The address."""
    given = {"csrf": folder.csrf, "action": action, "lifetime": "3600", **fields}
    answer = folder.browser.post(f"{folder.where}/links", given)
    found = re.search(r'<code id="address">([^<]+)</code>', answer.text)
    assert answer.status_code == 200 and found is not None, answer.text
    assert '<svg class="qr"' in answer.text or "qr" in answer.text
    return html.unescape(found[1])


def listed(folder: Folder) -> str:  # noqa: F811
    return folder.browser.get(f"{folder.where}/links").text


def test_a_file_is_shared_with_a_password_and_the_link_is_ended(folder: Folder) -> None:  # noqa: F811
    file_id = folder.put_one("in/<b>.txt")
    assert "in/&lt;b&gt;.txt" in folder.browser.get(f"{folder.where}/links?file={file_id}").text
    address = make(folder, kind="file", file=file_id, password="open sesame", max_downloads="3")
    page = listed(folder)
    assert "0 / 3" in page and "with a password" in page and "in/&lt;b&gt;.txt" in page and address not in page
    assert "password" in httpx.get(address).text
    (link,) = re.findall(r'name="link" value="([^"]+)"', page)
    ended = folder.browser.post(f"{folder.where}/links", {"csrf": folder.csrf, "action": "end", "link": link})
    assert ended.status_code == 303 and httpx.get(address).status_code == 404
    assert "ended" in listed(folder) and 'name="link"' not in listed(folder)


def test_a_folder_and_a_drop_box_are_shared(folder: Folder) -> None:  # noqa: F811
    folder.put("in/a", "out/b")
    shared = httpx.get(make(folder, kind="folder", prefix="in/")).text
    assert ">a<" in shared and "out" not in shared
    drop = make(folder, kind="drop", prefix="in/", max_bytes="2", max_uploads="5", lifetime="")
    assert httpx.get(drop).status_code == 200
    assert "/ 2 MiB" in listed(folder) and "0 / 5" in listed(folder) and "until it is ended" in listed(folder)


def test_a_link_is_changed_and_keeps_what_is_not(folder: Folder) -> None:  # noqa: F811
    make(folder, kind="drop", prefix="in/", max_bytes="2", max_uploads="5", password="open sesame")
    (link,) = folder.person.ask("GET", f"/buckets/{folder.id}/links").json()["items"]
    where = f"{folder.where}/links/{link['id']}"
    assert where in listed(folder)

    def save(**fields: str) -> httpx.Response:
        etag = folder.person.ask("GET", f"/links/{link['id']}").headers["ETag"]
        shown = {"until": link["expires_at"][:10], "max_uploads": "5", "max_bytes": "2", "password": ""}
        return folder.browser.post(where, {"csrf": folder.csrf, "action": "save", "etag": etag, **shown, **fields})

    def now() -> dict[str, Any]:
        found: dict[str, Any] = folder.person.ask("GET", f"/links/{link['id']}").json()
        return {name: found[name] for name in ("expires_at", "max_uploads", "max_bytes", "has_password")}

    assert save(max_uploads="9").headers["Location"] == f"{where}?done=saved"
    assert now() == {"expires_at": link["expires_at"], "max_uploads": 9, "max_bytes": 2 << 20, "has_password": True}
    save(until="2099-12-31", max_bytes="", open="on")
    assert now() == {"expires_at": "2099-12-31T23:59:59Z", "max_uploads": 5, "max_bytes": None, "has_password": False}
    page = folder.browser.get(where).text
    assert "without a password" in page and 'value="2099-12-31"' in page
    for wrong in ({"max_uploads": "x"}, {"password": "abc"}, {"until": "x"}):
        refused = save(**wrong)
        assert refused.status_code == 422 and 'id="fault"' in refused.text and "<html" in refused.text
    assert save(etag='"x"').status_code == 412 and save(csrf="0").status_code == 403
    folder.person.ask("DELETE", f"/links/{link['id']}")
    assert save(max_uploads="1").status_code == 409 and 'value="save"' not in folder.browser.get(where).text


def test_a_url_of_s3_needs_an_address_of_s3(folder: Folder) -> None:  # noqa: F811
    """Which nobody knows of a server whose port of S3 is any that is free; tests/console/test_files_in_a_browser.py."""
    fields = {"csrf": folder.csrf, "action": "sign", "lifetime": "43200", "file": folder.put_one("a")}
    answer = folder.browser.post(f"{folder.where}/links", fields)
    assert answer.status_code == 422 and "endpoint" in answer.text


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"lifetime": "86400000"}, 422),
        ({"max_downloads": "-1"}, 422),
        ({"kind": "none"}, 422),
        ({"action": "explode"}, 422),
        ({"csrf": "0" * 64}, 403),
        ({"file": "00000000-0000-4000-8000-000000000000", "kind": "file"}, 404),
    ],
)
def test_what_is_no_link_is_refused(folder: Folder, fields: dict[str, Any], status: int) -> None:  # noqa: F811
    given = {"csrf": folder.csrf, "action": "share", "lifetime": "3600", "kind": "folder", "prefix": "", **fields}
    assert folder.browser.post(f"{folder.where}/links", given).status_code == status
    assert "There is no link here." in listed(folder)
