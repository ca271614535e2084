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
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, delete, exists, func, insert, select, text, tuple_, update

from s3gw.metadata import outbox
from s3gw.metadata.database import Connection
from s3gw.metadata.outbox import WITHIN, Span
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import changes, objects, search_files

READER = "search"
_LOOKED_AT = 2000  # files of a bucket, before the index is asked
_MOST_WORDS = 1024  # of a file; a key has fewer
_LONGEST_WORD = 64
_WORD = re.compile(r"[^\W_]+")
_KEEPING = ("acl", "counted", "quota", "scanned")  # kinds of changes after which a file has the same words


class FoundFile(NamedTuple):
    """`id` is its place in the order of pages."""

    id: int
    file_id: bytes
    key: str


class _File(NamedTuple):
    """A current file, and what the index has of it: None where it isn't there."""

    file_id: bytes
    bucket_id: int
    key: str
    tags: str | None
    user_metadata: str | None
    row_id: int | None
    row_bucket_id: int | None
    row_key: str | None
    row_words: str | None


class _Gone(NamedTuple):
    id: int
    words: str


_file_columns = (
    objects.c.file_id,
    objects.c.bucket_id,
    objects.c.key,
    objects.c.tags,
    objects.c.user_metadata,
    search_files.c.id,
    search_files.c.bucket_id,
    search_files.c.key,
    search_files.c.words,
)
_with_row = objects.outerjoin(search_files, search_files.c.file_id == objects.c.file_id)
_is_gone = ~exists().where(objects.c.file_id == search_files.c.file_id, objects.c.is_current == 1)
_insert = Prepared(
    insert(search_files).values({name: bindparam(name) for name in ("file_id", "bucket_id", "key", "words")})
)
_update = Prepared(
    update(search_files)
    .where(search_files.c.id == bindparam("of_row"))
    .values(bucket_id=bindparam("of_bucket"), key=bindparam("new_key"), words=bindparam("new_words"))
)
_delete = Prepared(delete(search_files).where(search_files.c.id == bindparam("of_row")))
_last = Prepared(select(func.coalesce(func.max(search_files.c.id), 0)))
_index = Prepared(text("INSERT INTO search_index (rowid, words) VALUES (:id, :words)"))
_index_after = Prepared(
    text("INSERT INTO search_index (rowid, words) SELECT id, words FROM search_files WHERE id > :after")
)
_unindex = Prepared(text("INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', :id, :words)"))


def _changed_within(within: ColumnElement[bool]) -> tuple[Prepared, Prepared]:
    """Of what changed: the files that are current now, and rows of the index whose files are gone."""
    told = (within, *(changes.c.kind != kind for kind in _KEEPING))
    keys = select(changes.c.bucket_id, changes.c.key).where(*told).distinct().subquery()
    this_key = (keys.c.bucket_id == objects.c.bucket_id, keys.c.key == objects.c.key)
    current = select(*_file_columns).select_from(keys.join(_with_row, and_(*this_key))).where(objects.c.is_current == 1)
    ids = select(changes.c.file_id).where(*told)
    gone = select(search_files.c.id, search_files.c.words).where(search_files.c.file_id.in_(ids), _is_gone)
    return Prepared(current), Prepared(gone)


_changed = {dialect: _changed_within(within) for dialect, within in WITHIN.items()}
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


def read(conn: Connection, span: Span) -> None:
    """As a reader of the outbox: whatever became of the files, the index gets what is there now."""
    current, gone = _changed[conn.dialect]
    _put(conn, map(_File._make, current.all(conn, **span.parameters(conn))))
    _remove(conn, [_Gone._make(row) for row in gone.all(conn, **span.parameters(conn))])


def put_after(conn: Connection, bucket_id: int, key: str, limit: int) -> tuple[int, str] | None:
    """A step of building the index anew: the next current files in the order of buckets and keys; where to go on."""
    outbox.lock_reader(conn, READER)  # it would put the same files at the same time
    following = tuple_(objects.c.bucket_id, objects.c.key) > tuple_(bucket_id, key)
    files = select(*_file_columns).select_from(_with_row).where(objects.c.is_current == 1, following)
    rows = conn.execute(files.order_by(objects.c.bucket_id, objects.c.key).limit(limit)).all()
    found = [_File._make(row) for row in rows]
    _put(conn, found)
    return (found[-1].bucket_id, found[-1].key) if len(found) == limit else None


def check_after(conn: Connection, after: int, limit: int) -> int | None:
    """Another step: of rows of the index in the order of their ids, those of files that are gone are removed."""
    outbox.lock_reader(conn, READER)
    rows = select(search_files.c.id, search_files.c.words, _is_gone).where(search_files.c.id > after)
    found: Sequence[Any] = conn.execute(rows.order_by(search_files.c.id).limit(limit)).all()
    _remove(conn, [_Gone(row_id, words) for row_id, words, is_gone in found if is_gone])
    return found[-1][0] if len(found) == limit else None


def _put(conn: Connection, files: Iterable[_File]) -> None:
    new: list[dict[str, Any]] = []
    other: list[tuple[_Gone, _File, str]] = []
    for file in files:
        words = _text_of(file)
        if file.row_id is None or file.row_words is None:
            new.append({"file_id": file.file_id, "bucket_id": file.bucket_id, "key": file.key, "words": words})
        elif (file.row_bucket_id, file.row_key, file.row_words) != (file.bucket_id, file.key, words):
            other.append((_Gone(file.row_id, file.row_words), file, words))
    if new:
        last = _last.value(conn)
        _insert.run_for_each(conn, sorted(new, key=lambda row: row["file_id"]))  # neighbours in the index of ids
        if conn.dialect == "sqlite":  # PostgreSQL's index follows its table
            _index_after.run(conn, after=last)
    _unindex_all(conn, [row for row, *_ in other])
    for row, file, words in other:
        _update.run(conn, of_row=row.id, of_bucket=file.bucket_id, new_key=file.key, new_words=words)
        if conn.dialect == "sqlite":
            _index.run(conn, id=row.id, words=words)


def _remove(conn: Connection, rows: list[_Gone]) -> None:
    _unindex_all(conn, rows)
    for row in rows:
        _delete.run(conn, of_row=row.id)


def _unindex_all(conn: Connection, rows: list[_Gone]) -> None:
    for row in rows if conn.dialect == "sqlite" else ():
        _unindex.run(conn, id=row.id, words=row.words)


def _tag(bucket_id: int) -> str:
    """What the words of a bucket begin with."""
    return f"b{bucket_id}x"


def _text_of(file: _File) -> str:
    words = dict.fromkeys(words_of(file.key))
    if file.tags is not None or file.user_metadata is not None:
        tags, user_metadata = json.loads(file.tags or "[]"), json.loads(file.user_metadata or "{}")
        for told in (*chain.from_iterable(tags), *chain.from_iterable(user_metadata.items())):
            words |= dict.fromkeys(words_of(str(told)))
    tag = _tag(file.bucket_id)
    return " ".join(f"{tag}{word}" for word in list(words)[:_MOST_WORDS])
