"""The walk behind all lists, against the plain definition of a page, on both databases."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from s3gw.metadata import listing
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.listing import after_prefix
from s3gw.metadata.schema import buckets, objects, uploads, usage, users
from s3gw.metadata.usage import begin as begin_usage

_USER = {
    "id": "u",
    "canonical_id": "c",
    "account_id": "a",
    "name": "n",
    "display_name": "n",
    "role": "user",
    "is_enabled": 1,
    "created_at": 0,
}
_BUCKET = {"id": 1, "name": "b", "owner_id": "u", "region": "r", "versioning": "", "created_at": 0}


def _row(key: str, sequence: int = -1, **columns: object) -> dict[str, object]:
    return {
        "bucket_id": 1,
        "key": key,
        "sequence": sequence,
        "version_id": "null",
        "is_current": 1,
        "is_delete_marker": 0,
        "size": 0,
        "etag": "e",
        "last_modified": 0,
        "owner_id": "u",
        "storage_class": "STANDARD",
        **columns,
    }


def fill(conn: Connection, rows: list[dict[str, object]]) -> None:
    for emptied in (objects, uploads, usage):
        conn.execute(delete(emptied))
    conn.execute(delete(buckets))
    conn.execute(delete(users))
    conn.execute(insert(users).values(_USER))
    conn.execute(insert(buckets).values(_BUCKET))
    begin_usage(conn, 1)
    for row in rows:
        conn.execute(insert(objects).values(row))


def _expected(keys: list[str], prefix: str, delimiter: str) -> list[str]:
    """All of a list: keys and common prefixes in the order of their bytes."""
    found: list[str] = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix):
            continue
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        name = key if end < 0 else key[: end + len(delimiter)]
        if not found or found[-1] != name:
            found.append(name)
    return found


async def _pages(database: Database, prefix: str, delimiter: str, limit: int) -> list[str]:
    found: list[str] = []
    after, at_least = "", ""
    while True:
        page = await database.scan(
            listing.list_current,
            1,
            prefix=prefix,
            delimiter=delimiter,
            after=after,
            at_least=at_least,
            limit=limit,
        )
        names = [row[0] for row in page.rows] + page.common_prefixes
        assert len(names) <= limit
        assert names or not found, "a page said that more follows"
        found += sorted(names, key=str.encode)
        if not page.is_truncated:
            return found
        assert page.last is not None
        if isinstance(page.last, str):
            after, at_least = "", after_prefix(page.last)
        else:
            after, at_least = page.last[0], ""


_key = st.text(alphabet="ab/-é\ud7ff\U0010ffff", min_size=1, max_size=6)
_keys = st.lists(_key, unique=True, max_size=25)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=_keys,
    prefix=st.text(alphabet="ab/", max_size=3),
    delimiter=st.sampled_from(["", "/", "a", "b/"]),
    limit=st.integers(1, 7),
)
def test_pages_put_together_are_the_list(
    database: Database, keys: list[str], prefix: str, delimiter: str, limit: int
) -> None:
    async def scenario() -> None:
        await database.write(fill, [_row(key) for key in keys])
        assert await _pages(database, prefix, delimiter, limit) == _expected(keys, prefix, delimiter)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("prefix", "following"), [("a", "b"), ("a/", "a0"), ("\ud7ff", "\ue000"), ("a\U0010ffff", "b")]
)
def test_after_prefix_is_the_least_string_behind_it(prefix: str, following: str) -> None:
    assert after_prefix(prefix) == following


def test_after_prefix_of_last_code_points_is_behind_every_key() -> None:
    assert after_prefix("\U0010ffff") > "\U0010ffff" * 256


def _entries(rows: list[tuple[str, Any]], prefix: str, delimiter: str) -> list[tuple[str, Any] | str]:
    """All of a list of versions or uploads: those of each key in their order, and common prefixes."""
    of_key: dict[str, list[tuple[str, Any]]] = {}
    for row in rows:
        of_key.setdefault(row[0], []).append(row)
    found: list[tuple[str, Any] | str] = []
    for name in _expected(list(of_key), prefix, delimiter):
        is_rolled_up = delimiter and delimiter in name[len(prefix) :]
        found += [name] if is_rolled_up else sorted(of_key[name])
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.dictionaries(_key, st.integers(1, 3), max_size=25),
    prefix=st.text(alphabet="ab/", max_size=2),
    delimiter=st.sampled_from(["", "/", "a", "b/"]),
    limit=st.integers(1, 9),
    of_uploads=st.booleans(),
)
# A key with the name of the prefix goes on at the next page; a key follows a common prefix at once.
@example(counts={"a": 2}, prefix="a", delimiter="", limit=1, of_uploads=False)
@example(counts={"a": 1, "b": 1}, prefix="", delimiter="a", limit=2, of_uploads=False)
def test_pages_of_versions_and_uploads_put_together_are_the_list(
    database: Database, counts: dict[str, int], prefix: str, delimiter: str, limit: int, of_uploads: bool
) -> None:
    """Each but the last is as long as it may be."""
    lister: Any = listing.list_uploads if of_uploads else listing.list_versions
    before: Any = listing.BEFORE_UPLOADS if of_uploads else listing.BEFORE_VERSIONS
    rows = [
        (key, f"{key}{number}" if of_uploads else number - 3)
        for key, count in counts.items()
        for number in range(count)
    ]

    async def scenario() -> None:
        await database.write(fill, [_row(*row, version_id=str(row[1]), is_current=0) for row in rows if not of_uploads])
        await database.write(_fill_uploads, rows if of_uploads else [])
        found: list[tuple[str, Any] | str] = []
        start = ("", before)
        while True:
            page = await database.scan(lister, 1, prefix=prefix, delimiter=delimiter, start=start, limit=limit)
            here = [tuple(row[:2]) for row in page.rows] + page.common_prefixes
            assert here or not found, "a page said that more follows"
            found += sorted(here, key=lambda entry: (entry if isinstance(entry, str) else entry[0]).encode())
            last = page.last if isinstance(page.last, str | None) else tuple(page.last[:2])
            assert last == (found[-1] if found else None)
            if not page.is_truncated:
                break
            assert len(here) == limit
            start = (after_prefix(last), before) if isinstance(last, str) else last
        assert found == _entries(rows, prefix, delimiter)

    asyncio.run(scenario())


def _fill_uploads(conn: Connection, rows: list[tuple[str, str]]) -> None:
    for key, upload_id in rows:
        values = {"upload_id": upload_id, "bucket_id": 1, "key": key, "initiated_at": 0}
        values |= dict.fromkeys(("owner_id", "initiator_id", "storage_class"), "u")
        conn.execute(insert(uploads).values(values))


@pytest.mark.parametrize("delimiter", ["", "/"])
def test_a_page_without_room_is_empty_and_nothing_follows_it(database: Database, delimiter: str) -> None:
    async def scenario() -> None:
        await database.write(fill, [_row("a"), _row("b/c")])
        current, page = {"after": "", "at_least": ""}, {"prefix": "", "delimiter": delimiter, "limit": 0}
        assert await database.scan(listing.list_current, 1, **current, **page) == ([], [], False, None)
        start = ("", listing.BEFORE_VERSIONS)
        assert await database.scan(listing.list_versions, 1, start=start, **page) == ([], [], False, None)

    asyncio.run(scenario())


def test_versions_of_a_key_come_newest_first_and_pages_continue_inside_a_key(database: Database) -> None:
    async def scenario() -> None:
        rows = [
            _row(key, -age, version_id=f"{key}{age}", is_current=int(age == 3))
            for key in ("a", "b")
            for age in (1, 2, 3)
        ]
        await database.write(fill, rows)
        found: list[str] = []
        start = ("", listing.BEFORE_VERSIONS)
        while True:
            page = await database.scan(listing.list_versions, 1, prefix="", delimiter="", start=start, limit=2)
            found += [row[2] for row in page.rows]
            if not page.is_truncated:
                break
            start = (page.rows[-1][0], page.rows[-1][1])
        assert found == ["a3", "a2", "a1", "b3", "b2", "b1"]

    asyncio.run(scenario())
