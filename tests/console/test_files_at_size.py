"""Files at size: an upload of a gigabyte that is broken off, a folder of 2,000 files, and one of 100,000 keys."""

from __future__ import annotations

import hashlib
import html
import os
import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import insert, select, update

from s3gw.cli.command import session
from s3gw.console.files import PER_PAGE
from s3gw.console.sorting import MOST
from s3gw.metadata.database import Connection
from s3gw.metadata.schema import contents, objects
from tests.console.conftest import Browser
from tests.console.pages import Open, log_in
from tests.console.test_files import Folder, folder  # noqa: F401  (fixture)
from tests.servers import RunningServer

pytestmark = pytest.mark.soak
GIB, MIB = 1 << 30, 1 << 20
KEYS, SAMPLES = 100_000, 40


class Wire:
    """Passes connections on to the server, and breaks one off, once, when so many bytes have gone through."""

    def __init__(self, to: str, breaks_at: int) -> None:
        parts = urlsplit(to)
        self._to, self._left = (str(parts.hostname), int(parts.port or 80)), breaks_at
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.breaks = 0
        self._sockets, self._threads = [self._listener], [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Whoever waits at one of them is woken by that, and ends."""
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)
        for one in self._sockets:
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._to)
                self._sockets += [client, server]
                for given in ((client, server, True), (server, client, False)):
                    self._threads.append(threading.Thread(target=self._pass, args=given, daemon=True))
                    self._threads[-1].start()

    def _pass(self, source: socket.socket, to: socket.socket, is_sent: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(1 << 18):
                if is_sent and not self.breaks:
                    self._left -= len(piece)
                    if self._left < 0:
                        self.breaks += 1
                        break
                to.sendall(piece)
        for one in (source, to):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire_to(server: RunningServer, breaks_at: int) -> Iterator[Wire]:
    made = Wire(server.admin, breaks_at)
    try:
        yield made
    finally:
        made.close()


def test_a_gigabyte_goes_on_where_its_connection_was_broken_off(
    open_page: Open,
    inhabitant: Any,
    bucket: tuple[str, str],
    server: RunningServer,
    tmp_path: Path,
) -> None:
    digest, sent = hashlib.sha256(), []
    with (tmp_path / "large.bin").open("wb") as file:
        for number in range(GIB // MIB):
            piece = hashlib.sha256(b"%d" % number).digest() * (MIB // 32)
            digest.update(piece)
            file.write(piece)
    page = open_page()
    page.on("request", lambda request: sent.append(request) if request.method == "PATCH" else None)
    with wire_to(server, GIB // 2) as wire:
        log_in(page, inhabitant.name, at=wire.origin)
        page.goto(f"{wire.origin}{bucket[1]}")
        began = time.monotonic()
        page.locator("#files").set_input_files(tmp_path / "large.bin")
        page.locator("#progress a").wait_for(timeout=240_000)
        print(f"1 GiB in {time.monotonic() - began:.1f} s, broken off {wire.breaks} time(s)")
        assert wire.breaks == 1 and len(sent) >= 2
        offsets = [int(request.headers["upload-offset"]) for request in sent]
        assert offsets[0] == 0 and max(offsets) > GIB // 4, "it began anew"
    found = inhabitant.ask("GET", f"/buckets/{bucket[0]}/file", params={"key": "large.bin"}).json()
    assert (found["file_size"], found["checksum"]) == (GIB, digest.hexdigest())


def test_a_folder_of_2000_files_is_uploaded(
    open_page: Open,
    inhabitant: Any,
    bucket: tuple[str, str],
    tmp_path: Path,
) -> None:
    for number in range(2000):
        path = tmp_path / "many" / f"{number % 20:02}" / f"{number:04}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"file {number}")
    page = open_page()
    log_in(page, inhabitant.name)
    page.goto(bucket[1])
    began = time.monotonic()
    page.locator("#folder").set_input_files(tmp_path / "many")
    page.locator("#progress a").wait_for(timeout=240_000)
    print(f"2000 files in {time.monotonic() - began:.1f} s")
    assert page.locator("#progress").text_content().startswith("2000 / 2000")
    for number in (0, 7, 19):
        query = {"prefix": f"many/{number:02}/", "per_page": "1000"}
        found = inhabitant.ask("GET", f"/buckets/{bucket[0]}/files", params=query).json()["items"]
        assert [file["filename"] for file in found] == [f"{one:04}.txt" for one in range(number, 2000, 20)]


def _id() -> bytes:
    """As files have them: it tells when it was made."""
    made = bytearray(int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10))
    made[6] = 0x70 | made[6] & 0x0F
    return bytes(made)


def fill(server: RunningServer, name: str, count: int) -> None:
    """With copies of the one object that is in the bucket, straight into the database."""

    def copy(conn: Connection) -> None:
        row = dict(conn.execute(select(objects).where(objects.c.key == f"{name}/0")).one()._mapping)
        row.pop("id", None)
        conn.execute(update(contents).where(contents.c.id == row["content_id"]).values(refs=count + 1))
        for first in range(1, count, 10_000):
            numbers = range(first, min(first + 10_000, count))
            given = [row | {"key": f"{name}/{number:06}", "file_id": _id()} for number in numbers]
            conn.execute(insert(objects), given)

    def run() -> None:
        data = Path(server.facts["data"])
        with session(data, server.settings.get("S3GW_DATABASE_URL"), False) as metadata:
            metadata.write(copy)

    with ThreadPoolExecutor(1) as thread:  # Playwright has an event loop in the tests' own
        thread.submit(run).result()


def first_byte(browser: Browser, path: str) -> list[float]:
    """Seconds."""
    found = []
    for _ in range(SAMPLES):
        began = time.perf_counter()
        with browser.http.stream("GET", path) as answer:
            found.append(time.perf_counter() - began)
            assert answer.status_code == 200
            answer.read()
    return found


def p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def test_a_folder_of_100000_keys_is_browsed_as_a_small_one(
    folder: Folder,  # noqa: F811
    server: RunningServer,
    s3: Any,
) -> None:
    for number in range(PER_PAGE + 1):
        s3.put_object(Bucket=folder.name, Key=f"small/{number:06}", Body=b"x")
    s3.put_object(Bucket=folder.name, Key=f"{folder.name}/0", Body=b"x")
    small = p95(first_byte(folder.browser, f"{folder.where}?prefix=small/"))
    fill(server, folder.name, KEYS)
    where = f"{folder.where}?prefix={folder.name}/"
    page = folder.browser.get(where).text
    following = re.search(r'<tr class="more">.*?href="([^"]+)"', page)
    assert following is not None
    places = {
        "first": where,
        "second": html.unescape(following[1]),
        "filtered": f"{where}&begins=0555",
        "sorted": f"{where}&sort=-name",
    }
    told = {name: p95(first_byte(folder.browser, place)) for name, place in places.items()}
    print(f"p95 to the first byte: small {small * 1000:.0f} ms", {k: f"{v * 1000:.0f} ms" for k, v in told.items()})
    assert max(told["first"], told["second"], told["filtered"]) < 3 * small + 0.05
    assert "More than 1,000 files" in folder.browser.get(places["sorted"]).text and MOST == 1000
    names, seen = places["first"], 0
    for _ in range(5):
        text = folder.browser.get(names).text
        seen += len(re.findall("<bdi>0", text))
        names = html.unescape(re.search(r'<tr class="more">.*?href="([^"]+)"', text)[1])  # type: ignore[index]
    assert seen == 5 * PER_PAGE
