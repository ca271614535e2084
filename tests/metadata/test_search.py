"""Search finds the current files by words of key, tags and metadata, the same on both databases."""

from __future__ import annotations

import json
import random
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text

from s3gw.jobs.progress import Progress
from s3gw.jobs.rebuild_search import rebuild_search
from s3gw.metadata import configurations, contents, jobs, objects, outbox, schema, search, usage
from s3gw.metadata.change import ChangeFacts, KeyLock, change
from s3gw.metadata.contents import inline
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.objects import NewObject
from tests.metadata.changes import ACTOR, of_bucket
from tests.metadata.test_listing import fill

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[2000, 1, 0], ids=["looked at", "one looked at", "index"])
async def files(database: Database, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Found by looking at files, by the index, and by both."""
    monkeypatch.setattr(search, "_LOOKED_AT", request.param)

    def begin(conn: Connection) -> None:
        for table in (schema.search_files, schema.changes):
            conn.execute(delete(table))
        if conn.dialect == "sqlite":
            conn.execute(text("INSERT INTO search_index (search_index) VALUES ('rebuild')"))
        fill(conn, [])
        outbox.register(conn, [search.READER])

    await database.write(begin)
    return database


async def do(database: Database, key: str, fn: Any, *args: Any, bucket_id: int = 1) -> Any:
    facts = ChangeFacts(bucket_id, ACTOR, "u", 5)
    return await change(database, facts, [KeyLock(bucket_id, key)], fn, *args)


async def put(database: Database, key: str, bucket_id: int = 1, **fields: Any) -> None:
    new = NewObject(key, 1, "", "u", **{name: json.dumps(value) for name, value in fields.items()})
    await do(database, key, objects.put, new, partial(contents.insert, new=inline(b"x")), bucket_id=bucket_id)


async def found(database: Database, words: str, prefix: str = "", bucket_id: int = 1) -> list[str]:
    def read(conn: Connection) -> list[str]:
        span = outbox.advance(conn, search.READER, 1000)
        if span is not None:
            search.read(conn, span)
        return [file.key for file in search.find(conn, bucket_id, search.words_of(words), prefix, limit=1000)]

    return await database.write(read)


async def test_files_are_found_by_beginnings_of_words_of_key_tags_and_metadata(files: Database) -> None:
    await put(files, "photos/2026/Beach_Party.JPG")
    await put(files, "café/menü.pdf", tags=[["project", "Apollo-11"]], user_metadata={"author": "Ada Lovelace"})
    beach, menu = "photos/2026/Beach_Party.JPG", "café/menü.pdf"
    for words, expected in {
        "beach": [beach], "BEACH party": [beach], "pho 2026 jpg": [beach], "arty": [], "beach menu": [],
        "cafe": [menu], "Café": [menu], "menu pdf": [menu], "apollo": [menu], "11": [menu], "lovelace ada": [menu],
        "author": [menu], "p": [beach, menu], "": [beach, menu], "'\"&|!():*": [beach, menu],
    }.items():  # fmt: skip
        assert sorted(await found(files, words)) == sorted(expected), words
    assert await found(files, "p", "photos/") == [beach]
    assert await found(files, "p", "photos/%") == []


async def test_what_was_changed_moved_or_removed_is_found_as_it_is_now(files: Database) -> None:
    await put(files, "one")
    assert await found(files, "one") == ["one"]
    await do(files, "one", objects.set_tags, "one", None, json.dumps([["colour", "red"]]))
    assert await found(files, "red") == ["one"]
    await put(files, "one")
    assert await found(files, "red") == []
    assert await found(files, "one") == ["one"]
    await do(files, "one", objects.delete_latest, "one")
    assert await found(files, "one") == []
    await files.write(lambda conn: configurations.set_versioning(of_bucket(conn, 1), "Enabled"))
    await put(files, "two")
    marker = await do(files, "two", objects.delete_latest, "two")
    assert await found(files, "two") == []
    await do(files, "two", objects.delete_version, "two", marker.version_id)
    assert await found(files, "two") == ["two"]


async def test_of_other_buckets_nothing_is_found(files: Database) -> None:
    def other(conn: Connection) -> None:
        row = {"id": 11, "name": "other", "owner_id": "u", "region": "r", "versioning": "", "created_at": 1}
        conn.execute(insert(schema.buckets).values(row))
        usage.begin(conn, 11)

    await files.write(other)
    await put(files, "same")
    await put(files, "same", bucket_id=11)
    for bucket_id in (1, 11):
        assert await found(files, "same", bucket_id=bucket_id) == ["same"]
    assert await found(files, "b11x") == []


async def test_pages_go_on_behind_an_id(files: Database) -> None:
    for number in range(5):
        await put(files, f"key{number}")
    await found(files, "")

    def pages(conn: Connection) -> list[list[str]]:
        first = search.find(conn, 1, ["key0"[:3]], limit=3)
        rest = search.find(conn, 1, ["key"], after=first[-1].id, limit=3)
        return [[file.key for file in page] for page in (first, rest)]

    first, rest = await files.read(pages)
    assert (len(first), len(rest)) == (3, 2)
    assert sorted(first + rest) == [f"key{number}" for number in range(5)]


async def test_long_and_many_words_are_cut(files: Database) -> None:
    assert search.words_of("x" * 1000) == ["x" * 64]
    await put(files, "key", user_metadata={f"m{n}": f"n{n}" for n in range(600)})
    assert await found(files, "n510") == ["key"]
    assert await found(files, "n511") == []


def _a_job(conn: Connection) -> jobs.Job:
    number = jobs.enqueue(conn, "rebuild_search", None)
    assert number is not None
    return jobs.get(conn, number)


async def test_built_anew_it_is_what_the_outbox_would_have_made(files: Database) -> None:
    chance = random.Random("search")
    for number in range(30):
        key = f"key{chance.randrange(9)}"
        if chance.random() < 0.3:
            await do(files, key, objects.delete_latest, key)
        else:
            await put(files, key, tags=[["number", str(number)]])
    expected = await found(files, "key")
    numbers = {number: sorted(await found(files, f"{number}")) for number in range(30)}

    def damage(conn: Connection) -> None:
        row = conn.execute(select(schema.search_files).where(schema.search_files.c.key == expected[0])).one()
        search._remove(conn, [search._Gone(row.id, row.words)])
        search._put(conn, [search._File(b"g" * 16, 1, "key/gone", None, None, None, None, None, None)])

    await files.write(damage)
    assert sorted(await found(files, "key")) == sorted({*expected[1:], "key/gone"})
    services: Any = SimpleNamespace(database=files)
    row = await files.write(_a_job)
    progress = Progress(row)
    await rebuild_search(services, None, progress)
    assert sorted(await found(files, "key")) == sorted(expected)
    assert {number: sorted(await found(files, f"{number}")) for number in range(30)} == numbers
    assert progress.told["pass"] == "check"
