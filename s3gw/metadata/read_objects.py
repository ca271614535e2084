"""SQL of reading an object: its row with its content, and with what the virus scanner says of that, of one moment."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import FromClause, bindparam, select

from s3gw.metadata import contents, scans
from s3gw.metadata.contents import Content
from s3gw.metadata.database import Connection
from s3gw.metadata.objects import ObjectVersion, find, latest
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.scans import State
from s3gw.metadata.schema import contents as contents_table
from s3gw.metadata.schema import objects
from s3gw.metadata.schema import scans as scans_table


class Scanned(NamedTuple):
    """A version with what the scanner says of its content; the content is None of delete markers, and where it wasn't
    asked for.
    """

    version: ObjectVersion
    content: Content | None
    state: State


_columns = tuple(objects.c)
_width = len(_columns)
_of_content = (
    contents_table.c.id,
    contents_table.c.form,
    contents_table.c.size,
    contents_table.c.layout,
    contents_table.c.digest,
)
# What `scanned` makes one of, without its content and with it.
COLUMNS = (*_columns, scans_table.c.state)
COLUMNS_WITH_CONTENT = (*_columns, *_of_content, scans_table.c.state)
_this_key = (objects.c.bucket_id == bindparam("bucket_id"), objects.c.key == bindparam("key"))
_is_current = (*_this_key, objects.c.is_current == 1)
_is_version = (*_this_key, objects.c.sequence == bindparam("sequence"))


def _joined_to_content(source: FromClause) -> FromClause:
    return source.outerjoin(contents_table, contents_table.c.id == objects.c.content_id)


def joined(source: FromClause) -> FromClause:
    """`source` has the objects."""
    return _joined_to_content(source).outerjoin(scans_table, scans_table.c.digest == contents_table.c.digest)


_current = Prepared(select(*_columns, *_of_content).select_from(_joined_to_content(objects)).where(*_is_current))
_version = Prepared(select(*_columns, *_of_content).select_from(_joined_to_content(objects)).where(*_is_version))
_scanned = Prepared(select(*COLUMNS).select_from(joined(objects)).where(*_is_current))
_scanned_content = Prepared(select(*COLUMNS_WITH_CONTENT).select_from(joined(objects)).where(*_is_current))


def scanned(row: tuple[Any, ...]) -> Scanned:
    """Of a row of either of the COLUMNS."""
    version, content = _split(row[:-1])
    return Scanned(version, content, row[-1] or scans.PENDING)


def _split(row: tuple[Any, ...]) -> tuple[ObjectVersion, Content | None]:
    version, content = ObjectVersion._make(row[:_width]), row[_width:]
    if version.content_id is None or not content:
        return version, None
    if not any(content):  # every column of the outer join is NULL
        raise contents.CorruptContent(f"content {version.content_id} is missing")
    return version, contents.from_row(content, version.size)


def find_with_content(
    conn: Connection, bucket_id: int, key: str, version_id: str | None = None
) -> tuple[ObjectVersion | None, Content | None]:
    """As objects.find, with the content of the very same row version (one statement, one snapshot)."""
    if version_id is None:
        row = _current.one_or_none(conn, bucket_id=bucket_id, key=key)
        return (latest(conn, bucket_id, key), None) if row is None else _split(row)
    found = find(conn, bucket_id, key, version_id)
    if found is None:
        return None, None
    row = _version.one_or_none(conn, bucket_id=bucket_id, key=key, sequence=found.sequence)
    return (None, None) if row is None else _split(row)


def find_with_verdict(
    conn: Connection, bucket_id: int, key: str, version_id: str | None, is_scanned: bool
) -> tuple[ObjectVersion | None, Content | None, State | None]:
    """As `find_with_content`, with what the virus scanner says of the content; None where nothing is scanned."""
    if version_id is None and is_scanned:
        row = _scanned_content.one_or_none(conn, bucket_id=bucket_id, key=key)
        if row is not None:
            return scanned(row)
    version, content = find_with_content(conn, bucket_id, key, version_id)
    return version, content, scans.state_of(conn, content.digest) if is_scanned and content is not None else None


def find_with_state(
    conn: Connection, bucket_id: int, key: str, version_id: str | None
) -> tuple[ObjectVersion | None, State | None]:
    """What is scanned, without its content."""
    row = None if version_id is not None else _scanned.one_or_none(conn, bucket_id=bucket_id, key=key)
    if row is not None:
        found = scanned(row)
        return found.version, found.state
    version, _, state = find_with_verdict(conn, bucket_id, key, version_id, True)
    return version, state
