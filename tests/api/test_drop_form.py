"""The plain form of a drop box, for who runs no script, and what bounds the pages of links."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from s3gw.share.drop import MOST_FILES
from s3gw.share.unlock import _LARGEST
from tests.api.files import Filed, people
from tests.api.files import filed as filed
from tests.api.test_share_links import get, make, now_of

__all__ = ["filed", "people"]
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def send(link: dict[str, Any], files: list[tuple[str, bytes]]) -> httpx.Response:
    return get(link, "/upload", method="POST", files=[("files", file) for file in files])


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_of_a_form_with_too_many_files_the_first_hundred_arrive(filed: Filed) -> None:
    """However many of them come in one piece; the page says from where on none has."""
    link = make(filed, kind="drop", prefix="in")
    names = [f"{number:03}" for number in range(MOST_FILES + 2)]
    answer = send(link, [(name, b"x") for name in names])
    assert answer.status_code == 413
    assert filed.listed() == [f"in/{name}" for name in names[:MOST_FILES]]
    assert all(f"“{name}” has arrived" in answer.text for name in names[:MOST_FILES])
    assert "“100” has not arrived" in answer.text and "100 files are sent at once at most" in answer.text
    assert "101" not in answer.text and now_of(filed, link)["uploads"] == MOST_FILES


@pytest.mark.parametrize("limit", ["type", "bytes", "uploads"])
def test_where_a_file_is_refused_those_before_it_have_arrived(filed: Filed, limit: str) -> None:
    filed.owner.ask("PUT", f"/buckets/{filed.id}", json={"allowed_types": ["image/*"] if limit == "type" else None})
    bounds = {"bytes": {"max_bytes": 3 * len(PNG) - 1}, "uploads": {"max_uploads": 2}}.get(limit, {})
    link = make(filed, kind="drop", prefix="in", **bounds)
    third = b"text, and no image" if limit == "type" else PNG
    answer = send(link, [("1.png", PNG), ("2.png", PNG), ("3.png", third), ("4.png", PNG)])
    assert answer.status_code == {"type": 415, "bytes": 413, "uploads": 404}[limit]
    assert "“2.png” has arrived" in answer.text and "“3.png” has not arrived" in answer.text
    assert "Nothing was stored" not in answer.text and "“4.png”" not in answer.text
    assert filed.listed() == ["in/1.png", "in/2.png"]
    assert now_of(filed, link)["uploads"] == 2


def test_a_form_that_is_broken_in_the_middle_says_what_has_arrived(filed: Filed) -> None:
    link = make(filed, kind="drop", prefix="in")
    part = '--x\r\nContent-Disposition: form-data; name="files"; filename="{}"\r\n\r\nbytes\r\n'
    body = "".join(part.format(name) for name in "ab") + "--x\r\nContent-Disposition: nothing\r\n\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = get(link, "/upload", method="POST", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    arrived = [f"in/{name}" for name in "ab" if f"“{name}” has arrived" in answer.text]
    assert filed.listed() == arrived


def test_a_form_for_a_password_has_4096_bytes_at_most(filed: Filed) -> None:
    link = make(filed, file_id=filed.put("a")["id"], password="open sesame")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for more, status in ((0, 303), (1, 404)):
        body = "password=open+sesame&x=".ljust(_LARGEST + more, "x")
        assert get(link, method="POST", content=body, headers=headers).status_code == status


def test_of_a_cookie_100_characters_are_looked_at(filed: Filed) -> None:
    """A number of thousands of digits is an error in itself, where it is read as one."""
    link = make(filed, file_id=filed.put("a")["id"], password="open sesame")
    for until in ("9" * 98, "9" * 5000):
        answer = get(link, "/download", headers={"Cookie": f"s3gw_link={until}.0"})
        assert answer.status_code == 403
