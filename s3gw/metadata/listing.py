"""SQL of lists: pages of objects, versions and uploads, rolled up by a delimiter.

A page with a delimiter seeks past each common prefix instead of reading what it rolls up, so its cost depends on the
size of the page and not of the bucket. One walk serves all three lists; they differ in the statement that feeds it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select, text, tuple_

from s3gw.metadata import buckets
from s3gw.metadata.database import Connection
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import objects, uploads, users
from s3gw.pages import ObjectRow

Row = Sequence[Any]  # its first column is the key, its second orders the rows of one key
_KEY = 0
_owner_of = itemgetter(ObjectRow._fields.index("owner"))
Rank = Any  # the second column's type; the least and the greatest are BEFORE_… and AFTER_… below

# Rows to ask for after a common prefix: mostly the next row opens the next prefix. Where it doesn't, batches double.
_AFTER_PREFIX = 4
_WITH_DELIMITER = 32
# `key + _LEAST` is the smallest string greater than `key`, since keys contain no NUL.
_LEAST = "\x01"
# Above any key: a key has at most 1024 bytes, and there is no greater code point.
_END = "\U0010ffff" * 257


class ListedVersion(NamedTuple):
    """Columns of `objects` that a page of versions shows."""

    key: str
    sequence: int
    version_id: str
    is_delete_marker: int
    last_modified: int
    etag: str
    size: int
    storage_class: str
    checksum_algorithm: str | None
    checksum_type: str | None
    owner_id: str


class ListedUpload(NamedTuple):
    """Columns of `uploads` that a page of uploads shows."""

    key: str
    upload_id: str
    initiated_at: int
    storage_class: str
    checksum_algorithm: str | None
    checksum_type: str | None
    owner_id: str
    initiator_id: str


class Page(NamedTuple):
    """One page, in the order of keys: rows are ListedVersion, ListedUpload, or a list with the fields of ObjectRow.

    `last` is the row or common prefix (str) it ends with; None when it is empty.
    """

    rows: list[Any]
    common_prefixes: list[str]
    is_truncated: bool
    last: Any


def after_prefix(prefix: str) -> str:
    """The least string that follows every string with this prefix, in the order of UTF-8 bytes."""
    while prefix:
        last = ord(prefix[-1])
        if last < 0x10FFFF:
            return prefix[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)  # UTF-8 has no surrogates
        prefix = prefix[:-1]
    return _END


def list_current(
    conn: Connection, bucket_id: int, *, prefix: str, delimiter: str, after: str, at_least: str, limit: int
) -> Page:
    """Current objects whose keys are > `after` and >= `at_least`. Rows are those of `_current_page`."""

    first = max(at_least, prefix, after + _LEAST)
    end = after_prefix(prefix)
    if not limit:
        return Page([], [], False, None)
    if not delimiter:
        rows = _current_page.all_at_once(conn, bucket_id=bucket_id, key=first, end=end, batch=limit + 1)
        page = rows[:limit]
        return Page(page, [], len(rows) > limit, page[-1] if page else None)
    rows = _seek(
        conn,
        bucket_id=bucket_id,
        first=first,
        end=end,
        delimiter=delimiter,
        behind=after_prefix(delimiter),
        cut=len(prefix),
        batch=limit + 1,
    )
    return _rolled_up(rows, len(prefix), delimiter, limit)


def list_current_with_owners(
    conn: Connection,
    bucket_id: int,
    prefix: str,
    delimiter: str,
    after: str,
    at_least: str,
    limit: int,
    with_owners: bool,
) -> tuple[Page, dict[str, tuple[str, str]]]:
    """`list_current`, and the `object_owners` of what it lists, or none."""
    page = list_current(
        conn, bucket_id, prefix=prefix, delimiter=delimiter, after=after, at_least=at_least, limit=limit
    )
    return page, object_owners(conn, bucket_id, set(map(_owner_of, page.rows))) if with_owners else {}


def _rolled_up(rows: list[Row], cut: int, delimiter: str, limit: int) -> Page:
    """A page of what `_seek` found."""
    kept: list[Row] = []
    prefixes: list[str] = []
    last: Row | str | None = None
    for row in rows[:limit]:
        key: str = row[_KEY]
        stop = key.find(delimiter, cut)
        if stop < 0:
            kept.append(row)
            last = row
        else:
            last = key[: stop + len(delimiter)]
            prefixes.append(last)
    return Page(kept, prefixes, len(rows) > limit, last)


def list_versions(
    conn: Connection, bucket_id: int, *, prefix: str, delimiter: str, start: tuple[str, int], limit: int
) -> Page:
    """Versions and delete markers after `start` (key, sequence), each key's newest first."""

    def fetch(key: str, rank: Rank, end: str, batch: int) -> list[Row]:
        rows = _versions_page.all_at_once(conn, bucket_id=bucket_id, key=key, rank=rank, end=end, batch=batch)
        return [ListedVersion._make(row) for row in rows]

    return _walk(fetch, attrgetter("sequence"), BEFORE_VERSIONS, start, prefix, delimiter, limit)


def list_uploads(
    conn: Connection, bucket_id: int, *, prefix: str, delimiter: str, start: tuple[str, str], limit: int
) -> Page:
    """Uploads after `start` (key, upload id), each key's oldest first."""

    def fetch(key: str, rank: Rank, end: str, batch: int) -> list[Row]:
        rows = _uploads_page.all_at_once(conn, bucket_id=bucket_id, key=key, rank=rank, end=end, batch=batch)
        return [ListedUpload._make(row) for row in rows]

    return _walk(fetch, attrgetter("upload_id"), BEFORE_UPLOADS, start, prefix, delimiter, limit)


BEFORE_VERSIONS, AFTER_VERSIONS = -(1 << 63), (1 << 63) - 1
BEFORE_UPLOADS, AFTER_UPLOADS = "", "\U0010ffff"


def _walk(
    fetch: Callable[[str, Rank, str, int], list[Row]],
    rank_of: Callable[[Row], Rank],
    first: Rank,
    start: tuple[str, Rank],
    prefix: str,
    delimiter: str,
    limit: int,
) -> Page:
    rows: list[Row] = []
    prefixes: list[str] = []
    last: Row | str | None = None
    key, rank = start if start[0] >= prefix else (prefix, first)
    end, cut = after_prefix(prefix), len(prefix)
    batch = min(limit + 1, _WITH_DELIMITER) if delimiter else limit + 1
    while limit:
        found = fetch(key, rank, end, batch)
        seek = ""  # rows below it are rolled up in the last common prefix
        for row in found:
            name: str = row[_KEY]
            if name < seek:
                continue
            if len(rows) + len(prefixes) == limit:
                return Page(rows, prefixes, True, last)
            stop = name.find(delimiter, cut) if delimiter else -1
            if stop < 0:
                rows.append(row)
                last, seek = row, ""
            else:
                last = name[: stop + len(delimiter)]
                prefixes.append(last)
                seek = after_prefix(last)
        if len(found) < batch:
            break
        key, rank, batch = (
            (seek, first, _AFTER_PREFIX) if seek else (found[-1][_KEY], rank_of(found[-1]), min(batch * 2, limit + 1))
        )
    return Page(rows, prefixes, False, last)


_page = (objects.c.bucket_id == bindparam("bucket_id"), objects.c.key < bindparam("end"))
_current_columns = select(
    objects.c.key,
    objects.c.last_modified,
    objects.c.etag,
    objects.c.size,
    objects.c.storage_class,
    objects.c.checksum_algorithm,
    objects.c.checksum_type,
    objects.c.owner_id,
).where(*_page, objects.c.is_current == 1)
_current_page = Prepared(
    _current_columns.where(objects.c.key >= bindparam("key")).order_by(objects.c.key).limit(bindparam("batch"))
)
# From each key the database itself seeks the next one that isn't rolled up with it, so a page is one statement. Of a
# key that is rolled up nothing but the key is read: its row is somewhere else in the file.
_SEEKS = """
WITH RECURSIVE seeks(key, number) AS (
    SELECT (SELECT key FROM objects WHERE bucket_id = :bucket_id AND is_current = 1 AND key >= :first AND key < :end
            ORDER BY key LIMIT 1), 1
    UNION ALL
    SELECT (SELECT next.key FROM objects AS next WHERE next.bucket_id = :bucket_id AND next.is_current = 1
            AND next.key >= CASE {found} WHEN 0 THEN seeks.key || {character}(1)
                ELSE substr(seeks.key, 1, CAST(:cut AS INTEGER) - 1 + {found}) || :behind END
            AND next.key < :end ORDER BY next.key LIMIT 1), number + 1
    FROM seeks WHERE key IS NOT NULL AND number < :batch
)
"""
# SQLite puts the rows together itself, as in `Prepared.all_at_once`. The + makes it take the primary key: the index of
# current keys would lead there by a second search.
_SEEKS_OF_SQLITE = """
SELECT json_group_array(CASE {found} WHEN 0 THEN json((
    SELECT json_array({columns}) FROM objects
    WHERE objects.bucket_id = :bucket_id AND objects.key = seeks.key AND +objects.is_current = 1
)) ELSE json_array(key) END) FROM seeks WHERE key IS NOT NULL
"""
# Because of its LIMIT the join is made row by row. A plain one is a hash of the whole bucket where the planner takes it
# for small, as it does of rows that it has no statistics of yet.
_SEEKS_OF_POSTGRESQL = """
SELECT seeks.key, {columns} FROM seeks LEFT JOIN LATERAL (
    SELECT * FROM objects WHERE {found} = 0 AND objects.bucket_id = :bucket_id
    AND objects.key = seeks.key AND objects.is_current = 1 LIMIT 1
) AS objects ON TRUE WHERE seeks.key IS NOT NULL ORDER BY number
"""


def _prepare_seeks(page: str, position: str, character: str, columns: list[str]) -> Prepared:
    # Where the delimiter stands behind the prefix, from 1; 0 if it doesn't.
    found = f"{position}(substr(seeks.key, CAST(:cut AS INTEGER) + 1), :delimiter)"
    names = ", ".join(f"objects.{name}" for name in columns)
    return Prepared(text((_SEEKS + page).format(found=found, character=character, columns=names)))


_names = [column.name for column in _current_columns.selected_columns]
_current_seeks = {
    "sqlite": _prepare_seeks(_SEEKS_OF_SQLITE, "instr", "char", _names),
    "postgresql": _prepare_seeks(_SEEKS_OF_POSTGRESQL, "strpos", "chr", _names[1:]),
}


def _seek(conn: Connection, **parameters: Any) -> list[Row]:
    """The first key of each common prefix, as the beginning of a row, and the rows of keys without a delimiter."""
    statement = _current_seeks[conn.dialect]
    if conn.dialect != "sqlite":
        return list(statement.all(conn, **parameters))
    rows: list[Row] = json.loads(statement.value(conn, **parameters))
    return rows


_versions_page = Prepared(
    select(*(objects.c[name] for name in ListedVersion._fields))
    .where(*_page, tuple_(objects.c.key, objects.c.sequence) > tuple_(bindparam("key"), bindparam("rank")))
    .order_by(objects.c.key, objects.c.sequence)
    .limit(bindparam("batch"))
)
_uploads_page = Prepared(
    select(*(uploads.c[name] for name in ListedUpload._fields))
    .where(
        uploads.c.bucket_id == bindparam("bucket_id"),
        uploads.c.key < bindparam("end"),
        tuple_(uploads.c.key, uploads.c.upload_id) > tuple_(bindparam("key"), bindparam("rank")),
    )
    .order_by(uploads.c.key, uploads.c.upload_id)
    .limit(bindparam("batch"))
)
_owner = Prepared(select(users.c.canonical_id, users.c.display_name).where(users.c.id == bindparam("user_id")))


def owners(conn: Connection, user_ids: set[str]) -> dict[str, tuple[str, str]]:
    """user id -> (canonical id, display name)."""
    rows = {user_id: _owner.all(conn, user_id=user_id) for user_id in user_ids}
    return {user_id: (canonical_id, name) for user_id, found in rows.items() for canonical_id, name in found}


def object_owners(conn: Connection, bucket_id: int, writers: set[str]) -> dict[str, tuple[str, str]]:
    """As `owners`, for the Owner elements of a page: whom an object belongs to, by the user id of who wrote it."""
    of_all = buckets.owner_of_objects(conn, bucket_id)
    return owners(conn, writers) if of_all is None else dict.fromkeys(writers, of_all)
