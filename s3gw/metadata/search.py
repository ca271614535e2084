"""SQL of search: words of the current files, and the index on them, kept by a reader of the outbox.

What is found by: words of key, tags and metadata, as a whole or as beginnings. SQLite's index is FTS5, PostgreSQL's a
GIN index of tsvectors; both get the same words from us, so both find the same. Each word begins with its bucket, so a
bucket's files are found without looking at those of others.

A beginning that many words have is slow in either index, because all that they stand for is put together before the
first is given. So the first files of a bucket are looked at by themselves: what is common is found among them.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, insert, select, text, tuple_, update

from s3gw.metadata import objects
from s3gw.metadata.database import Connection
from s3gw.metadata.objects import ObjectVersion
from s3gw.metadata.outbox import ChangeRow
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import objects as objects_table
from s3gw.metadata.schema import search_files

READER = "search"
_LOOKED_AT = 2000  # files of a bucket, before the index is asked
_MOST_WORDS = 1024  # of a file; a key has fewer
_LONGEST_WORD = 64
_WORD = re.compile(r"[^\W_]+")
_CHANGING = frozenset(("created", "removed", "hidden", "tagged"))


class FoundFile(NamedTuple):
    """`id` is its place in the order of pages."""

    id: int
    file_id: bytes
    key: str


class _Row(NamedTuple):
    id: int
    bucket_id: int
    key: str
    words: str


_this = search_files.c.file_id == bindparam("file_id")
_find_row = Prepared(select(*(search_files.c[name] for name in _Row._fields)).where(_this))
_insert = Prepared(
    insert(search_files)
    .values({name: bindparam(name) for name in ("file_id", "bucket_id", "key", "words")})
    .returning(search_files.c.id)
)
_update = Prepared(
    update(search_files)
    .where(search_files.c.id == bindparam("of_row"))
    .values(bucket_id=bindparam("of_bucket"), key=bindparam("new_key"), words=bindparam("new_words"))
)
_delete = Prepared(delete(search_files).where(search_files.c.id == bindparam("of_row")))
_after = Prepared(
    select(search_files.c.id, search_files.c.file_id)
    .where(search_files.c.id > bindparam("after"))
    .order_by(search_files.c.id)
    .limit(bindparam("batch"))
)
_index = Prepared(text("INSERT INTO search_index (rowid, words) VALUES (:id, :words)"))
_unindex = Prepared(text("INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', :id, :words)"))
_columns = "f.id, f.file_id, f.key"
_below = "substr(f.key, 1, length(:prefix)) = :prefix"
_find = {
    "sqlite": text(
        f"SELECT {_columns} FROM search_index CROSS JOIN search_files AS f ON f.id = search_index.rowid"
        f" WHERE search_index MATCH :query AND search_index.rowid > :after AND f.bucket_id = :bucket_id AND {_below}"
        " ORDER BY search_index.rowid LIMIT :limit"
    ),
    "postgresql": text(
        f"SELECT {_columns} FROM search_files AS f WHERE array_to_tsvector(string_to_array(words, ' '))"
        f" @@ CAST(:query AS tsquery) AND f.id > :after AND f.bucket_id = :bucket_id AND {_below}"
        " ORDER BY f.id LIMIT :limit"
    ),
}
_next = Prepared(
    select(search_files.c.id, search_files.c.file_id, search_files.c.key, search_files.c.words)
    .where(search_files.c.bucket_id == bindparam("bucket_id"), search_files.c.id > bindparam("after"))
    .order_by(search_files.c.id)
    .limit(bindparam("batch"))
)


def words_of(text_: str) -> list[str]:
    """Letters and digits between anything else, without accents and case."""
    plain = unicodedata.normalize("NFKD", text_.casefold())
    kept = "".join(char for char in plain if not unicodedata.combining(char)) if not plain.isascii() else plain
    return [word[:_LONGEST_WORD] for word in _WORD.findall(kept)]


def find(
    conn: Connection, bucket_id: int, words: Sequence[str], prefix: str = "", *, after: int = 0, limit: int
) -> list[FoundFile]:
    """Files below a prefix that have a word beginning with each of `words` (as `words_of` gives them), in the order of
    their ids.
    """
    first = _next.all(conn, bucket_id=bucket_id, after=after, batch=_LOOKED_AT)
    tagged = [f" {_tag(bucket_id)}{word}" for word in words]
    found = [
        FoundFile(row_id, bytes(file_id), key)
        for row_id, file_id, key, text_ in first
        if key.startswith(prefix) and all(word in f" {text_}" for word in tagged)
    ]
    if len(found) >= limit or len(first) < _LOOKED_AT:
        return found[:limit]
    return found + _find_in_index(conn, bucket_id, words, prefix, first[-1][0] if first else after, limit - len(found))


def _find_in_index(
    conn: Connection, bucket_id: int, words: Sequence[str], prefix: str, after: int, limit: int
) -> list[FoundFile]:
    # Words of the prefix are words of the key: so fewer files are to be looked at.
    tagged = [f"{_tag(bucket_id)}{word}" for word in (*words, *words_of(prefix)) or ("",)]
    if conn.dialect == "sqlite":
        query = " AND ".join(f'"{word}" *' for word in tagged)
    else:
        query = " & ".join(f"'{word}':*" for word in tagged)
    asked = {"query": query, "after": after, "bucket_id": bucket_id, "prefix": prefix, "limit": limit}
    rows: Iterable[Any] = conn.execute(_find[conn.dialect], asked).all()
    return [FoundFile(row_id, bytes(file_id), key) for row_id, file_id, key in rows]


def read(conn: Connection, changes: Sequence[ChangeRow]) -> None:
    """As a reader of the outbox: whatever became of the files, the index gets what is there now."""
    keys = dict.fromkeys((one.bucket_id, one.key) for one in changes if one.kind in _CHANGING)
    current = [version for bucket_id, key in keys if (version := objects.find(conn, bucket_id, key)) is not None]
    for version in current:
        if version.is_current:
            _put(conn, version)
    seen = {version.file_id for version in current if version.is_current}
    refresh(conn, {one.file_id for one in changes if one.kind in _CHANGING and one.file_id is not None} - seen)


def refresh(conn: Connection, file_ids: Collection[bytes | None]) -> None:
    """Of these files: what is there now, or nothing."""
    for file_id in file_ids:
        version = objects.find_file(conn, file_id)
        if version is not None:
            _put(conn, version)
        elif (row := _find_row.one_or_none(conn, file_id=file_id)) is not None:
            _remove(conn, _Row._make(row))


def put_after(conn: Connection, bucket_id: int, key: str, limit: int) -> tuple[int, str] | None:
    """A step of building the index anew: the next current files in the order of buckets and keys; where to go on."""
    versions = select(*objects_table.c).where(
        objects_table.c.is_current == 1,
        tuple_(objects_table.c.bucket_id, objects_table.c.key) > tuple_(bucket_id, key),
    )
    rows = conn.execute(versions.order_by(objects_table.c.bucket_id, objects_table.c.key).limit(limit)).all()
    found = [ObjectVersion._make(row) for row in rows]
    for version in found:
        _put(conn, version)
    return (found[-1].bucket_id, found[-1].key) if len(found) == limit else None


def check_after(conn: Connection, after: int, limit: int) -> int | None:
    """Another step: of rows of the index in the order of their ids, those of files that are gone are removed."""
    rows = _after.all(conn, after=after, batch=limit)
    refresh(conn, [bytes(row[1]) for row in rows])
    return rows[-1][0] if len(rows) == limit else None


def _put(conn: Connection, version: ObjectVersion) -> None:
    words, found = _text_of(version), _find_row.one_or_none(conn, file_id=version.file_id)
    if found is None:
        values = {"file_id": version.file_id, "bucket_id": version.bucket_id, "key": version.key, "words": words}
        row_id = _insert.value(conn, **values)
        _add_to_index(conn, row_id, words)
        return
    row = _Row._make(found)
    if (row.bucket_id, row.key, row.words) == (version.bucket_id, version.key, words):
        return
    if row.words != words:
        _remove_from_index(conn, row)
    _update.run(conn, of_row=row.id, of_bucket=version.bucket_id, new_key=version.key, new_words=words)
    if row.words != words:
        _add_to_index(conn, row.id, words)


def _remove(conn: Connection, row: _Row) -> None:
    _remove_from_index(conn, row)
    _delete.run(conn, of_row=row.id)


def _add_to_index(conn: Connection, row_id: int, words: str) -> None:
    """PostgreSQL's index follows its table."""
    if conn.dialect == "sqlite":
        _index.run(conn, id=row_id, words=words)


def _remove_from_index(conn: Connection, row: _Row) -> None:
    if conn.dialect == "sqlite":
        _unindex.run(conn, id=row.id, words=row.words)


def _tag(bucket_id: int) -> str:
    """What the words of a bucket begin with."""
    return f"b{bucket_id}x"


def _text_of(version: ObjectVersion) -> str:
    told: Iterable[Any] = (
        version.key,
        *(part for pair in json.loads(version.tags or "[]") for part in pair),
        *(part for pair in json.loads(version.user_metadata or "{}").items() for part in pair),
    )
    words = dict.fromkeys(word for each in told for word in words_of(str(each)))
    tag = _tag(version.bucket_id)
    return " ".join(f"{tag}{word}" for word in list(words)[:_MOST_WORDS])
