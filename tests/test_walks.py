"""The walk of a request: docs/architecture.md lists the files that it enters, and this traces what it really enters.

Counted are functions that are entered, in the task of the request and in the thread that writes for it. A coroutine or
generator that goes on isn't entered again, and a comprehension is no function (since Python 3.12 it has no frame). The
room changes when a function of another room is entered than the one entered last: a call that returns at once changes
it like any other, and so does the next call of the caller, but going back by itself doesn't. A room is a folder of
s3gw/ or a file beside them; none is left out.
"""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest

from s3gw import log
from tests.auth.clients import signed_by_botocore
from tests.crash.client import BUCKET, open_gateway
from tests.servers import ROOT_KEY

ROOT = Path(__file__).parent.parent
PACKAGE = f"{ROOT}/s3gw/"
COMPREHENSIONS = frozenset(("<listcomp>", "<dictcomp>", "<setcomp>"))
BODY = b"x" * 4096


class Case(NamedTuple):
    """A request, and what its walk may have at most: what it has now, so that it can only become less."""

    method: str
    path: str
    body: bytes
    changes: int
    files: int


CASES = {
    "PutObject": Case("PUT", f"/{BUCKET}/key", BODY, 25, 41),
    "GetObject": Case("GET", f"/{BUCKET}/key", b"", 17, 29),
    "ListObjectsV2": Case("GET", f"/{BUCKET}?list-type=2", b"", 16, 25),
}


class Entry(NamedTuple):
    file: str
    by_writer: bool  # the thread that writes to SQLite


class Walk(list[Entry]):
    """The functions that were entered, in their order."""

    @property
    def files(self) -> list[str]:
        return list(dict.fromkeys(entry.file for entry in self))

    def entered_by(self, *, writer: bool) -> list[str]:
        return [entry.file for entry in self if entry.by_writer == writer]

    @property
    def rooms(self) -> list[str]:
        """The writer's thread is in one room, from which it was given its work: see below."""
        return [room for room, _ in groupby(map(room_of, self.entered_by(writer=False)))]


def room_of(file: str) -> str:
    return file.partition("/")[0]


class Tracer:
    """Notes each function of s3gw that is entered while `task` is set."""

    def __init__(self) -> None:
        self.task: asyncio.Task[Any] | None = None
        self._walk = Walk()
        self._known: dict[int, FrameType] = {}  # kept, so that no other frame gets the id of one

    def profile(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or self.task is None or not code.co_filename.startswith(PACKAGE):
            return
        if code.co_name in COMPREHENSIONS or id(frame) in self._known:
            return
        self._known[id(frame)] = frame
        file = code.co_filename.removeprefix(PACKAGE)
        if threading.current_thread().name == "s3gw-writer":
            self._walk.append(Entry(file, True))
        elif threading.current_thread() is threading.main_thread() and asyncio.current_task() is self.task:
            self._walk.append(Entry(file, False))

    def begin(self) -> None:
        self._walk, self._known = Walk(), {}
        self.task = asyncio.current_task()

    def end(self) -> Walk:
        self.task = None
        return self._walk


@contextmanager
def tracing() -> Iterator[Tracer]:
    """Threads that are begun meanwhile are traced as well."""
    tracer = Tracer()
    threading.setprofile(tracer.profile)
    sys.setprofile(tracer.profile)
    try:
        yield tracer
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def scope_of(case: Case) -> dict[str, Any]:
    """Signed in the header, the body too, as SDKs do."""
    _, named = signed_by_botocore(
        "SigV4 header", case.method, f"http://s3.test{case.path}", {"Host": "s3.test"}, data=case.body, pair=ROOT_KEY
    )
    named["Content-Length"] = str(len(case.body))
    path, _, query = case.path.partition("?")
    return {
        "type": "http",
        "method": case.method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in named.items()],
        "client": ("127.0.0.1", 50000),
    }


async def traced(tracer: Tracer, gateway: Any, case: Case) -> Walk:
    scope, statuses = scope_of(case), []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": case.body, "more_body": False}

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    await asyncio.sleep(0)  # requests of one turn of the event loop share what they read
    tracer.begin()
    try:
        await gateway(scope, receive, send)
    finally:
        walk = tracer.end()
    assert statuses[0] == 200
    return walk


async def walk_of(tracer: Tracer, gateway: Any, case: Case) -> Walk:
    """The first fills caches and makes the key. A heartbeat may be written beside one, but hardly beside two."""
    await traced(tracer, gateway, case)
    walks = [await traced(tracer, gateway, case)]
    while len(walks) < 2 or walks[-1].files != walks[-2].files:
        walks.append(await traced(tracer, gateway, case))
        assert len(walks) < 10, "no two walks are the same"
    return walks[-1]


@pytest.fixture(scope="module")
def walks(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Walk]:
    async def all_of_them() -> dict[str, Walk]:
        data = tmp_path_factory.mktemp("walks") / "data"
        async with open_gateway(data, sqlite_template) as gateway:
            return {name: await walk_of(tracer, gateway.gateway, case) for name, case in CASES.items()}

    with pytest.MonkeyPatch.context() as patch, tracing() as tracer:
        patch.setattr(log._access_log, "is_on", True)  # as it is in a server unless S3GW_ACCESS_LOG says otherwise
        return asyncio.run(all_of_them())


def documented(title: str) -> list[str]:
    """The first column of a table of the section "A walk"."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.partition("\n## A walk\n")[2].partition("\n## ")[0]
    table = section.partition(f"\n### {title}\n")[2].partition("\n### ")[0]
    return re.findall(r"^\| `(\S+\.py)` \|", table, re.MULTILINE)


@pytest.mark.parametrize("operation", CASES)
def test_a_request_enters_the_files_that_the_document_lists_in_their_order(
    walks: dict[str, Walk], operation: str
) -> None:
    entered = walks[operation].files
    assert documented("Every request") + documented(operation) == entered, "\n".join(entered)


@pytest.mark.parametrize("operation", CASES)
def test_a_walk_gets_no_longer(walks: dict[str, Walk], operation: str) -> None:
    walk, case = walks[operation], CASES[operation]
    assert len(walk.rooms) - 1 <= case.changes, " → ".join(walk.rooms)
    assert len(walk.files) <= case.files, "\n".join(walk.files)


@pytest.mark.parametrize("operation", CASES)
def test_the_document_says_how_long_a_walk_is(walks: dict[str, Walk], operation: str) -> None:
    walk = walks[operation]
    row = rf"^\| {operation} \| {len(walk.rooms) - 1} \| {len(walk.files)}\b"
    assert re.search(row, (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"), re.MULTILINE), row


@pytest.mark.parametrize("operation", CASES)
def test_nothing_returns_to_the_door_between_resolve_and_encode(walks: dict[str, Walk], operation: str) -> None:
    files = walks[operation].entered_by(writer=False)
    performed = files[files.index("operations/perform.py") : files.index("wire/encode.py")]
    assert [file for file in performed if file.startswith("s3/")] == []


def test_the_thread_that_writes_stays_in_the_metadata(walks: dict[str, Walk]) -> None:
    files = walks["PutObject"].entered_by(writer=True)
    assert "metadata/objects.py" in files
    assert set(map(room_of, files)) == {"metadata"}
