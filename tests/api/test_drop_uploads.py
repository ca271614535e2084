"""Drop boxes that take uploads which resume: on any worker, beside what is there, and by their link alone."""

from __future__ import annotations

import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from s3gw.cli.command import session
from s3gw.metadata import schema
from s3gw.metadata.share_links import IDLE_FROM
from tests.api.askers import new_person
from tests.api.files import Filed, people, share
from tests.api.files import filed as filed
from tests.api.test_resumable import BYTES, LONG, TUS, described, stored
from tests.api.test_share_links import get, make, now_of
from tests.browser import browser
from tests.cli.commands import Ask
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


def test_of_uploads_at_the_same_time_exactly_as_many_are_files_as_may_be(filed: Filed) -> None:
    link = make(filed, kind="drop", prefix="in", max_uploads=3)
    places = [begun(link, 5) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda where: append(link, where, 0, b"hello").status_code, places))
    assert sorted(statuses) == [204] * 3 + [404] * 5
    assert len(filed.listed()) == now_of(filed, link)["uploads"] == 3


def test_who_made_the_drop_box_loses_his_right_in_the_middle(filed: Filed, api: httpx.Client, ask: Ask) -> None:
    filed.people["maker"] = maker = new_person(api, ask, "maker")
    share(filed, "maker", {"permission": "write"})
    link = make(filed, "maker", kind="drop", prefix="in")
    where = begun(link, 10)
    assert append(link, where, 0, b"01234").status_code == 204
    assert filed.owner.ask("DELETE", f"/buckets/{filed.id}/access/{maker.id}").status_code == 204
    for answer in (append(link, where, 5, b"56789"), begin(link, 1), get(link, where, method="HEAD", headers=TUS)):
        assert answer.status_code == 404
    assert filed.listed() == []
    share(filed, "maker", {"permission": "write"})
    assert append(link, where, 5, b"56789").status_code == 204
    assert stored(filed, "in/a.txt") == b"0123456789"


@pytest.mark.parametrize(
    "metadata",
    [
        "filename %%%",
        "filename YQ",
        "filename YQ=, x",
        "filename /w==",
        "filename YQ==,filename YQ==",
        "a YQ==,,b YQ==",
        "f\x01 YQ==",
    ],
)
def test_what_is_no_metadata_is_refused_and_nothing_is_begun(filed: Filed, metadata: str) -> None:
    link = make(filed, kind="drop", prefix="in")
    headers = {**TUS, "Upload-Length": "1", "Upload-Metadata": metadata}
    answer = get(link, "/uploads", method="POST", headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert "Location" not in answer.headers
    assert filed.s3.list_multipart_uploads(Bucket=filed.name).get("Uploads", []) == []


def test_with_a_password_nothing_is_sent_before_it_was_given(filed: Filed) -> None:
    link = make(filed, kind="drop", prefix="in", password="open sesame")
    assert begin(link, 1).status_code == 403
    opened = get(link, method="POST", data={"password": "open sesame"})
    cookie = {"Cookie": opened.headers["Set-Cookie"].partition(";")[0]}
    headers = {**TUS, "Upload-Length": "1", "Upload-Metadata": described(filename="a.txt"), **cookie}
    made = get(link, "/uploads", method="POST", headers=headers)
    assert made.status_code == 201
    where = made.headers["Location"].removeprefix(httpx.URL(link["url"]).path)
    assert append(link, where, 0, b"x").status_code == 403
    for method in ("HEAD", "DELETE"):
        assert get(link, where, method=method, headers=TUS).status_code == 403
    assert get(link, "/upload", method="POST", files={"file": ("b", b"x")}).status_code == 403
    assert filed.listed() == []
    given = {**BYTES, **cookie, "Upload-Offset": "0"}
    assert get(link, where, method="PATCH", content=b"x", headers=given).status_code == 204
    assert filed.listed() == ["in/a.txt"]


def test_an_upload_is_gone_on_with_in_another_process(filed: Filed, server: RunningServer) -> None:
    """A connection that is there keeps a worker busy, so the next one is given to the other."""
    link = make(filed, kind="drop", prefix="in")
    third = len(LONG) // 3
    with httpx.Client(timeout=60) as one, httpx.Client(timeout=60) as other:
        headers = {**TUS, "Upload-Length": str(len(LONG)), "Upload-Metadata": described(filename="a.txt")}
        made = one.post(f"{link['url']}/uploads", headers=headers)
        url = httpx.URL(link["url"]).join(made.headers["Location"])
        for client, offset, end in ((one, 0, third), (other, third, 2 * third), (one, 2 * third, len(LONG))):
            given = {**BYTES, "Upload-Offset": str(offset)}
            answer = client.patch(url, content=LONG[offset:end], headers=given)
            assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(end))
    assert stored(filed, "in/a.txt") == LONG
    assert filed.find("in/a.txt")["checksum"] == hashlib.sha256(LONG).hexdigest()


def test_uploads_that_nobody_goes_on_with_give_way_after_an_hour(filed: Filed, server: RunningServer) -> None:
    link = make(filed, kind="drop", prefix="in", max_bytes=10)
    left, goes_on = begun(link, 10), begun(link, 10)
    for where in (left, goes_on):
        assert append(link, where, 0, b"0123").status_code == 204
    new = begun(link, 6)
    assert append(link, new, 0, b"012345").status_code == 413
    assert get(link, "/upload", method="POST", files={"file": ("b", b"012345")}).status_code == 413
    old = update(schema.resumable_uploads).where(schema.resumable_uploads.c.id == left.rpartition("/")[2])
    with session(Path(server.facts["data"]), server.settings["S3GW_DATABASE_URL"], False) as metadata:
        aged = old.values(changed_at=schema.resumable_uploads.c.changed_at - IDLE_FROM)
        metadata.write(lambda conn: conn.execute(aged) and None)
    assert append(link, new, 0, b"012345").status_code == 204
    assert get(link, left, method="HEAD", headers=TUS).status_code == 404
    assert get(link, goes_on, method="HEAD", headers=TUS).headers["Upload-Offset"] == "4"
    assert stored(filed, "in/a.txt") == b"012345"
    assert append(link, goes_on, 4, b"4").status_code == 413


_CHOOSE = """
(() => {
  const chosen = new DataTransfer();
  for (const [name, size] of %s) chosen.items.add(new File([new Uint8Array(size).fill(7)], name, {type: "text/plain"}));
  document.querySelector("form input[type=file]").files = chosen.files;
  document.querySelector("form button").click();
})()
"""


@pytest.mark.soak
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
