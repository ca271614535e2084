"""The end of a writer: what was submitted is written, and nothing more is taken."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import bindparam, insert

from s3gw.metadata import sqlite_writer
from s3gw.metadata.database import Connection, DatabaseUnavailable
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import settings
from s3gw.metadata.sqlite import SQLiteDatabase

pytestmark = pytest.mark.anyio

_set = Prepared(insert(settings).values(name=bindparam("name"), value=bindparam("value")))


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


def _put(conn: Connection, name: str) -> str:
    _set.run(conn, name=name, value="v")
    return name


async def test_what_was_submitted_before_the_end_is_written(path: Path) -> None:
    opened, count = SQLiteDatabase(path), sqlite_writer.MAX_GROUP + 1
    writing = [asyncio.ensure_future(opened.write(_put, f"n{n}")) for n in range(count)]
    await asyncio.sleep(0)  # they are gathered, and no turn of the event loop has handed them over
    opened._writer.stop()
    assert len(await asyncio.wait_for(asyncio.gather(*writing), 10)) == count
    await opened.close()


async def test_the_end_waits_for_the_writer(path: Path) -> None:
    opened, ended = SQLiteDatabase(path), threading.Event()

    def slow(conn: Connection) -> None:
        time.sleep(0.3)
        ended.set()

    writing = asyncio.ensure_future(opened.write(slow))
    await asyncio.sleep(0)
    opened._writer.stop()
    opened._writer.join()
    assert ended.is_set()
    await writing
    await opened.close()


async def test_a_write_after_closing_is_refused(path: Path) -> None:
    database = SQLiteDatabase(path)
    await database.close()
    with pytest.raises(DatabaseUnavailable):
        await database.write(_put, "a")
