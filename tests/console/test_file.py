"""The page of a file: what it tells, what its forms do, and for whom."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import httpx

from tests.api.askers import new_person
from tests.cli.commands import Ask
from tests.console.conftest import Browser
from tests.console.test_files import Folder, folder  # noqa: F401  (fixture)

_HOSTILE = '"><img src=x onerror=alert(1)>\u202e{{ 7*191 }}'


class Page:
    """Of one file."""

    def __init__(self, folder: Folder, file_id: str) -> None:  # noqa: F811
        self.folder, self.id = folder, file_id
        self.where = f"{folder.where}/files/{file_id}/about"

    def text(self) -> str:
        answer = self.folder.browser.get(self.where)
        assert answer.status_code == 200, answer.text
        return answer.text

    def change(self, action: str, **fields: Any) -> httpx.Response:
        return self.folder.browser.post(self.where, {"csrf": self.folder.csrf, "action": action, **fields})

    def field(self, name: str) -> str:
        found = re.search(rf'name="{name}" value="([^"]*)"', self.text())
        assert found is not None
        return html.unescape(found[1])


def test_a_file_is_described_moved_copied_and_deleted(folder: Folder) -> None:  # noqa: F811
    page = Page(folder, folder.put_one("in/a.txt"))
    names, values = ["", "trip", ""], ["", "summer", "ignored"]
    fields = {"tags_name": names, "tags_value": values, "metadata_name": "Camera", "metadata_value": "x100"}
    etag = page.field("etag")
    done = page.change("describe", mime_type="text/x-plan", etag=etag, **fields)
    assert done.status_code == 303 and done.headers["Location"].endswith("about?done=described")
    text = page.text()
    assert all(told in text for told in ("text/x-plan", 'value="summer"', 'value="camera"', 'value="x100"'))
    late = page.change("describe", mime_type="text/x-late", etag=etag)
    assert late.status_code == 412 and "changed meanwhile" in late.text
    copy = folder.browser.get(page.change("copy", path="out/b").headers["Location"]).text
    assert "this is the copy" in copy and "out/b" in copy and 'value="summer"' in copy
    assert page.change("copy", path="out/b").status_code == 409
    assert page.change("copy", path="out/b", overwrite="true").status_code == 303
    page.change("move", path="out/c")
    assert folder.names(prefix="out/") == ["b", "c"]
    left = folder.browser.get(page.change("delete").headers["Location"]).text
    assert "1 file was deleted." in left and folder.names(prefix="out/") == ["b"]


def test_a_version_is_saved_restored_and_deleted(folder: Folder, person: Any) -> None:  # noqa: F811
    person.ask("PUT", f"/buckets/{folder.id}", json={"versioning": "enabled"})
    query = {"path": "a", "overwrite": "true"}
    for body in (b"one", b"two"):
        file = person.ask("POST", f"/buckets/{folder.id}/files", params=query, content=body).json()
    page = Page(folder, file["id"])
    newest, oldest = dict.fromkeys(re.findall(r'name="version" value="([^"]+)"', page.text()))
    saved = folder.browser.get(f"{folder.where}/files/{file['id']}?version={oldest}")
    assert saved.content == b"one" and saved.headers["Content-Disposition"].startswith("attachment")
    assert page.change("restore-version", version=oldest).status_code == 303
    assert folder.browser.get(f"{folder.where}/files/{file['id']}").content == b"one"
    page.change("delete-version", version=newest)
    assert newest not in page.text() and oldest in page.text()


def test_what_a_file_is_called_and_has_is_text(folder: Folder, person: Any) -> None:  # noqa: F811
    page = Page(folder, folder.put_one(_HOSTILE))
    person.ask("PUT", f"/buckets/{folder.id}/files/{page.id}", json={"metadata": {"a": _HOSTILE[:20]}})
    text = page.text()
    assert "<img" not in text and "1337" not in text and "[U+202E]" in text


def test_nobody_else_sees_it_and_no_other_page_changes_it(
    folder: Folder,  # noqa: F811
    open_browser: Any,
    api: httpx.Client,
    ask: Ask,
) -> None:
    page = Page(folder, folder.put_one("a"))
    other = open_browser()
    other.log_in(new_person(api, ask, "console-stranger").name)
    assert other.get(page.where).status_code == 404
    assert folder.browser.post(page.where, {"action": "delete", "csrf": "0" * 64}).status_code == 403
    assert page.change("explode").status_code == 422
    assert folder.names() == ["a"]


def test_the_acl_of_a_file_is_told_in_words_and_set(folder: Folder) -> None:  # noqa: F811
    page = Page(folder, folder.put_one("a.txt"))
    at = f"/buckets/{folder.id}"
    folder.person.ask("PUT", f"{at}/ownership", json={"object_ownership": "BucketOwnerEnforced"})
    assert "ACLs are disabled in this bucket" in page.text() and 'name="canned"' not in page.text()
    folder.person.ask("PUT", f"{at}/ownership", json={"object_ownership": "ObjectWriter"})
    blocks = ("block_public_acls", "ignore_public_acls", "block_public_policy", "restrict_public_buckets")
    folder.person.ask("PUT", f"{at}/public-access-block", json=dict.fromkeys(blocks, False))

    def set_acl(canned: str, **more: str) -> httpx.Response:
        etag = folder.person.ask("GET", f"{at}/files/{page.id}/acl").headers["ETag"]
        return page.change("acl", **{"etag": etag, "canned": canned, **more})

    assert set_acl("public-read").headers["Location"] == f"{page.where}?done=acl"
    words = re.sub(r"\s+", " ", page.text())
    assert "everybody, without a login too: read the file" in words and "(the owner): everything" in words
    assert set_acl("private", etag='"x"').status_code == 412 and set_acl("private", csrf="0").status_code == 403
    set_acl("private")
    assert "without a login too: read the file" not in re.sub(r"\s+", " ", page.text())


def test_who_may_only_read_is_shown_no_form_that_would_be_refused(
    folder: Folder,  # noqa: F811
    person: Any,
    friend: Any,
    open_browser: Callable[[], Browser],
) -> None:
    (file_id,) = folder.put("shared/a.txt")
    about, place = f"{folder.where}/files/{file_id}/about", {"prefix": "shared/"}
    writes = ('value="make-folder"', 'id="drop"', 'value="copy"')
    deletes = ('value="delete"', 'value="rename"', 'value="move"')
    reader, granted = open_browser(), f"/buckets/{folder.id}/access/{friend.id}"
    reader.log_in(friend.name)
    body = {"user_id": friend.id, "permission": "read"}
    assert person.ask("POST", f"/buckets/{folder.id}/share", json=body).status_code == 201
    for permission, told, shown in (
        ("read", "You may only read here.", ()),
        ("write", "You may delete nothing here.", writes),
        ("admin", "", (*writes, *deletes)),
    ):
        assert person.ask("PUT", granted, json={"permission": permission}).status_code == 200
        page = reader.get(folder.where, params=place).text
        assert [form for form in (*writes, *deletes) if form in page] == list(shown)
        assert told in page and ("Show all forms" in page) == (permission != "admin") and 'value="zip"' in page
        one = reader.get(about).text
        offered = [form for form in ('value="describe"', 'value="delete"', 'value="move"') if form in one]
        assert len(offered) == {"read": 0, "write": 1, "admin": 3}[permission] and "Download" in one
    person.ask("PUT", granted, json={"permission": "read"})
    all_forms = reader.get(folder.where, params=place | {"forms": "all"}).text
    assert all(form in all_forms for form in (*writes, *deletes))
    assert all(form in folder.text(**place) for form in (*writes, *deletes))
