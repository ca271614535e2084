"""Zips as they are made: piece by piece, and never whole where a file wasn't."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest

from s3gw.api.zip_answer import Chosen, ZipAnswer
from s3gw.archives import open_archives
from s3gw.archives.open_archives import OpenArchives
from s3gw.archives.zip_stream import Opened, zipped
from s3gw.archives.zip_writer import Entry, ZipWriter
from s3gw.content.open_content import OpenContent, Piece
from s3gw.content.read_pins import ReadPins
from s3gw.errors import SlowDown
from s3gw.metadata.contents import CorruptContent

pytestmark = pytest.mark.anyio
PIECE = bytes(256 * 1024)
MOMENT = datetime(2026, 11, 27, tzinfo=UTC)


async def pieces(count: int, error: Exception | None = None) -> AsyncGenerator[Piece, None]:
    for _ in range(count):
        yield memoryview(PIECE)
    if error is not None:
        raise error


class Files:
    """Each is opened when its turn comes, and has a pin."""

    def __init__(self, *sizes: int, error: Exception | None = None) -> None:
        self.pins, self.opened, self._sizes, self._error = ReadPins(), 0, sizes, error

    async def __call__(self) -> AsyncGenerator[Opened, None]:
        for size in self._sizes:
            self.opened += 1
            body = OpenContent(pieces=pieces(size, self._error), pin=self.pins.open())
            yield Opened(f"{self.opened}", size * len(PIECE), 0, "", body)


async def test_files_are_opened_one_after_the_other_and_closed() -> None:
    files = Files(4, 4, 4)
    data = bytearray()
    async for piece in zipped(files()):
        data += piece
        assert len(piece) <= 2 * len(PIECE) and len(files.pins) <= 1
        assert files.opened <= len(data) // (4 * len(PIECE)) + 1
    assert len(files.pins) == 0
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None and len(archive.infolist()) == 3


async def test_one_that_is_broken_off_keeps_nothing_from_being_deleted() -> None:
    files = Files(4, 4)
    async with aclosing(zipped(files())) as data:
        await anext(data)
        assert len(files.pins) == 1
    assert len(files.pins) == 0 and files.opened == 1


async def test_where_a_file_breaks_off_the_answer_does_too() -> None:
    files, sent, archives = Files(2, error=CorruptContent("bad")), [], OpenArchives()

    async def chosen() -> AsyncGenerator[Chosen, None]:
        yield Chosen("a", {})

    async def get(input: Any) -> Any:
        opened = await anext(files())
        return {"LastModified": MOMENT, "ContentLength": opened.size, "Body": opened.content}

    async def send(message: Any) -> None:
        sent.append(message)
        assert archives.files == 1

    with pytest.raises(CorruptContent):
        await ZipAnswer(archives, chosen(), 1, get).named("x", {})({}, None, send)  # type: ignore[arg-type]
    assert [message.get("more_body") for message in sent] == [None, True, True]
    assert len(files.pins) == 0 and archives.files == 0


async def test_a_zip_has_no_more_files_than_were_counted() -> None:
    async def chosen() -> AsyncGenerator[Chosen, None]:
        for name in "abc":
            yield Chosen(name, {})

    async def get(input: Any) -> Any:
        return {"LastModified": MOMENT, "ContentLength": 0, "Body": OpenContent(whole=b"")}

    async def send(message: Any) -> None:
        """Nobody looks at it."""

    await ZipAnswer(OpenArchives(), chosen(), 3, get).named("x", {})({}, None, send)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="more files"):
        await ZipAnswer(OpenArchives(), chosen(), 2, get).named("x", {})({}, None, send)  # type: ignore[arg-type]


def test_so_many_files_are_in_zips_at_once_and_the_next_one_waits() -> None:
    archives = OpenArchives()
    most = open_archives._MOST
    with archives.holding(most + 1), pytest.raises(SlowDown), archives.holding(1):  # the first is let in
        pass
    with archives.holding(most - 1), archives.holding(1), pytest.raises(SlowDown), archives.holding(1):
        pass
    assert archives.files == 0


def test_a_file_that_may_become_longer_than_4_gib_is_zip64_from_its_beginning() -> None:
    """Its lengths behind it have another form then."""
    for size, version in ((0xF000_0000, 20), (0xF000_0001, 45)):
        archive = ZipWriter()
        archive.begin(Entry("a", 0, size))
        archive.write(b"short all the same")
        archive.end()
        archive.close()
        data = archive.take()
        assert int.from_bytes(data[4:6], "little") == version
        assert zipfile.ZipFile(io.BytesIO(data)).read("a") == b"short all the same"


def test_times_are_kept_as_far_as_a_zip_has_them() -> None:
    archive = ZipWriter()
    moments = {"old": 0, "now": 1_796_000_000_000_000, "late": 250_000_000_000_000_000}
    for name, moment in moments.items():
        archive.begin(Entry(name, moment))
        archive.end()
    archive.close()
    with zipfile.ZipFile(io.BytesIO(archive.take())) as found:
        assert [info.date_time[0] for info in found.infolist()] == [1980, 2026, 2107]
        assert {info.external_attr >> 16 for info in found.infolist()} == {0o100644}
