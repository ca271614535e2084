"""A folder in the console: made, sorted, and what is done with the chosen of it; and the trash."""

from __future__ import annotations

import html
import io
import re
import time
import zipfile
from typing import Any

import pytest

from s3gw.console.files import PER_PAGE
from s3gw.console.sorting import Order, order_of
from tests.console.test_files import Folder, folder  # noqa: F401  (fixture)


def in_trash(folder: Folder, **query: str) -> list[str]:  # noqa: F811
    text = folder.browser.get(f"{folder.where}/trash", params=query).text
    return [html.unescape(path) for path in re.findall(r'<th scope="row"><bdi>(.*?)</bdi>', text)]


def test_a_folder_is_made_and_shown(folder: Folder) -> None:  # noqa: F811
    made = folder.change("make-folder", name=" holiday/2026/ ")
    assert made.headers["Location"] == f"{folder.where}?prefix=holiday%2F2026%2F"
    assert "the folder itself" in folder.text(prefix="holiday/2026/") and folder.names() == ["holiday/"]
    assert folder.change("make-folder", name="/").status_code == 422


def test_a_line_feed_in_the_name_of_a_folder_is_one_after_a_browser_has_sent_it(folder: Folder) -> None:  # noqa: F811
    """Browsers send it as CRLF, which would be another folder: so each hidden field and box has it percent-encoded."""
    (file_id,) = folder.put("a\nb/c")
    assert 'name="folder" value="a%0Ab/"' in folder.text()
    page = folder.text(prefix="a\nb/")
    fields = re.findall(r'value="[^"]+">\s*<input type="hidden" name="prefix" value="([^"]+)"', page)
    prefix, *others = fields
    assert others == [prefix] * 2
    made = folder.change("make-folder", name="d", prefix=prefix)
    assert made.headers["Location"] == f"{folder.where}?prefix=a%0Ab%2Fd%2F"
    shared = folder.browser.get(f"{folder.where}/links", params={"prefix": "a\nb/"}).text
    folder.change("delete", file_id)
    emptied = folder.browser.get(f"{folder.where}/trash", params={"prefix": "a\nb/"}).text
    for text in (shared, emptied):
        assert 'name="prefix" value="a%0Ab/"' in text
    empty = {"csrf": folder.csrf, "action": "empty", "prefix": prefix}
    assert "prefix=a%0Ab%2F&" in folder.browser.post(f"{folder.where}/trash", empty).headers["Location"]
    assert in_trash(folder) == []


def test_a_folder_whose_name_has_a_line_feed_is_filtered_and_searched_itself(folder: Folder) -> None:  # noqa: F811
    folder.put("a\nb/one", "a\nb/two", "one")
    forms = re.findall(r'<form method="get".*?</form>', folder.text(prefix="a\nb/"), re.DOTALL)
    for form, field in zip(forms, ("begins", "q"), strict=True):
        hidden = re.search(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form)
        assert hidden is not None and f'name="{field}"' in form
        sent = html.unescape(hidden[2]).replace("\n", "\r\n")  # as browsers send it
        deadline = time.monotonic() + 20  # what is written is found a little later
        while not (names := folder.names(**{hidden[1]: sent, field: "one"})) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert names in (["one"], ["a[U+000A]b/one"])


def test_the_chosen_are_moved_and_copied_to_a_folder_but_over_nothing(folder: Folder) -> None:  # noqa: F811
    one, two, _ = folder.put("one", "two", "to/two")
    told = folder.browser.get(folder.change("move", one, two, to="/to").headers["Location"]).text
    assert "1 file was moved." in told and "1 was left where it is" in told
    assert folder.names() == ["to/", "two"] and folder.names(prefix="to/") == ["one", "two"]
    folder.change("copy", one, to="", prefix="to/")
    assert folder.names() == ["to/", "one", "two"] and folder.names(prefix="to/") == ["one", "two"]


def test_folders_are_moved_and_deleted_by_jobs_whose_progress_is_shown(folder: Folder) -> None:  # noqa: F811
    folder.put("a/in/1", "a/in/2", "b/1")
    told = after_job(folder, folder.change("move", folder=["a/in/"], to="b", prefix="a/"))
    assert "2 files" in told and folder.names(prefix="b/") == ["in/", "1"]
    assert folder.change("delete", folder=["b/"] * 11).status_code == 422


def after_job(folder: Folder, answer: Any) -> str:  # noqa: F811
    """What is told when it is done: by a page for who has no scripts, and by a part of one for htmx."""
    (job,) = re.findall(r'hx-get="(/console/jobs/[^"]+)"', folder.browser.get(answer.headers["Location"]).text)
    where, ends_at = html.unescape(job), time.monotonic() + 30
    while "Done." not in (told := folder.browser.get(where).text):
        assert "At work" in told and "Look again" in told and time.monotonic() < ends_at
        time.sleep(0.05)
    part = folder.browser.get(where, headers={"HX-Request": "true"}).text
    assert told.startswith("<!DOCTYPE html>") and f'href="{folder.where}' in told
    assert "<html" not in part and "Done." in part
    return told


def test_a_folder_is_renamed_by_a_job_but_not_into_one_that_is_there(folder: Folder) -> None:  # noqa: F811
    folder.put("in/a/1", "in/a/b/2", "in/c/3")
    assert 'value="a"' in folder.text(prefix="in/a/") and "rename-folder" not in folder.text()
    for there in ("c", "/in/c/"):
        refused = folder.change("rename-folder", name=there, prefix="in/a/")
        assert refused.status_code == 409 and folder.names(prefix="in/a/") == ["b/", "1"]
    assert folder.change("rename-folder", name="/", prefix="in/a/").status_code == 422
    renamed = folder.change("rename-folder", name="new ü/", prefix="in/a/")
    assert renamed.headers["Location"].startswith(f"{folder.where}?prefix=in%2Fnew+%C3%BC%2F&jobs=")
    after_job(folder, renamed)
    assert folder.names(prefix="in/") == ["c/", "new ü/"] and folder.names(prefix="in/new ü/") == ["b/", "1"]
    after_job(folder, folder.change("rename", folder=["in/c/"], prefix="in/", name="elsewhere/d"))
    assert folder.names(prefix="elsewhere/d/") == ["3"]


def test_the_chosen_are_saved_as_a_zip(folder: Folder) -> None:  # noqa: F811
    one, two, _ = folder.put("in/one", "in/two", "in/three")
    saved = folder.change("zip", one, two)
    assert zipfile.ZipFile(io.BytesIO(saved.content)).namelist() == ["one", "two"]
    assert saved.headers["Content-Disposition"].startswith("attachment")
    gone = folder.change("zip", "00000000-0000-4000-8000-000000000000")
    assert gone.status_code == 404 and "There is nothing here" in gone.text
    assert folder.change("zip").status_code == 422


@pytest.mark.soak
def test_a_list_is_sorted_up_and_down(folder: Folder, s3: Any) -> None:  # noqa: F811
    for number in range(PER_PAGE + 2):
        s3.put_object(Bucket=folder.name, Key=f"{number:03}", Body=b"x" * (number * 7 % 103))
    by_name = folder.names(sort="-name")
    assert by_name == [f"{number:03}" for number in range(PER_PAGE + 1, 1, -1)]
    page = folder.text(sort="-name")
    following = re.search(r'<tr class="more">.*?href="([^"]+)"', page)
    assert following is not None and 'aria-sort="descending"' in page
    rest = folder.browser.get(html.unescape(following[1])).text
    assert re.findall(r"<bdi>(\d+)</bdi>", rest) == ["001", "000"]
    sizes = [int(name) * 7 % 103 for name in folder.names(sort="size")]
    assert sizes == sorted(sizes) and len(sizes) == PER_PAGE


def test_an_order_is_told_in_an_address_and_in_the_heads_of_columns() -> None:
    assert order_of("-size") == Order("size", True) and order_of("bad").is_natural
    assert order_of("name").next_of("name") == "-name" and order_of("-size").aria("size") == "descending"


def test_what_was_deleted_is_listed_restored_and_dropped(folder: Folder) -> None:  # noqa: F811
    one, two, three = folder.put("one", "two", "three")
    folder.change("delete", one, two, three)
    assert in_trash(folder) == ["three", "two", "one"] and in_trash(folder, prefix="t") == ["three", "two"]

    def change(action: str, **fields: str) -> Any:
        return folder.browser.post(f"{folder.where}/trash", {"csrf": folder.csrf, "action": action, **fields})

    page = folder.browser.get(f"{folder.where}/trash?prefix=one").text
    trash_id = re.findall(r'name="trash_id" value="(\d+)"', page)[0]
    assert change("restore", file=one, trash_id=trash_id).status_code == 303
    assert folder.names() == ["one"] and change("delete", file=one).status_code == 409
    change("delete", file=two)
    assert in_trash(folder) == ["three"]
    assert change("empty").headers["Location"].endswith("?done=emptied")
    assert in_trash(folder) == [] and folder.names() == ["one"]
    assert folder.browser.post(f"{folder.where}/trash", {"action": "empty"}).status_code == 403
