"""SQL of previews: what was made of contents by which recipe, or why nothing was.

A preview is that of all contents that were put alike (`Content.same_bytes`), so it is made once and never stale. What
was made is a content as any other, on which its row counts. It lasts for as long as one of the contents for which it
was asked is there (`preview_sources`); who may see it is decided by the object that is named for it, each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import BindParameter, LargeBinary, bindparam, delete, exists, select, update
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same

from s3gw.metadata import contents, jobs
from s3gw.metadata.contents import Content, NewContent
from s3gw.metadata.database import Connection, now
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import contents as contents_table
from s3gw.metadata.schema import preview_sources, previews

State = Literal["pending", "made", "refused"]
PENDING: State = "pending"
MADE: State = "made"
REFUSED: State = "refused"
JOB = "thumbnail"


class Preview(NamedTuple):
    """A row of `previews`. Times are microseconds."""

    source: bytes
    recipe: str
    state: State
    content_id: int | None
    type: str | None
    width: int | None
    height: int | None
    reason: str | None
    limits: str
    attempts: int
    asked_at: int
    made_at: int | None


class Found(NamedTuple):
    """`content` is that of one that was made. `is_noted`: it lasts for as long as the content that was asked of."""

    preview: Preview
    content: Content | None
    is_noted: bool


class Source(NamedTuple):
    """A content of which previews were asked for."""

    content_id: int
    source: bytes


_source: BindParameter[bytes] = bindparam("source", type_=LargeBinary)
_is_this = (previews.c.source == _source, previews.c.recipe == bindparam("recipe"))
_columns = tuple(previews.c[name] for name in Preview._fields)
_width = len(Preview._fields)
_find = Prepared(
    select(
        *_columns,
        *(contents_table.c[name] for name in Content._fields),
        preview_sources.c.content_id,
    )
    .select_from(previews)
    .outerjoin(contents_table, contents_table.c.id == previews.c.content_id)
    .outerjoin(preview_sources, preview_sources.c.content_id == bindparam("of_content"))
    .where(*_is_this)
)
_lock = Prepared(select(*_columns).where(*_is_this).with_for_update())
_lock_all = Prepared(select(*_columns).where(previews.c.source == _source).with_for_update())
_insert = Prepared(
    insert_on_conflict(previews).values({name: bindparam(name) for name in Preview._fields}).on_conflict_do_nothing()
)
_note = Prepared(
    insert_on_conflict(preview_sources)
    .values({name: bindparam(name) for name in ("content_id", "source")})
    .on_conflict_do_nothing()
)
_alive = exists().where(contents_table.c.id == preview_sources.c.content_id, contents_table.c.refs > 0)
_a_content = Prepared(select(preview_sources.c.content_id).where(preview_sources.c.source == _source, _alive).limit(1))
_any_source = Prepared(select(preview_sources.c.content_id).where(preview_sources.c.source == _source).limit(1))
_begin = Prepared(update(previews).where(*_is_this).values(attempts=previews.c.attempts + 1))
_take_back = Prepared(
    update(previews).where(*_is_this, previews.c.attempts > 0).values(attempts=previews.c.attempts - 1)
)
_settle = Prepared(
    update(previews)
    .where(*_is_this)
    .values(
        state=bindparam("new_state"),
        content_id=bindparam("made_content"),
        type=bindparam("new_type"),
        width=bindparam("new_width"),
        height=bindparam("new_height"),
        reason=bindparam("new_reason"),
        made_at=bindparam("at"),
    )
)
_again = Prepared(
    update(previews)
    .where(*_is_this)
    .values(state=PENDING, content_id=None, reason=None, attempts=0, limits=bindparam("new_limits"))
)
_drop = Prepared(delete(previews).where(*_is_this))
_sources_after = Prepared(
    select(preview_sources.c.content_id, preview_sources.c.source, _alive)
    .where(preview_sources.c.content_id > bindparam("after"))
    .order_by(preview_sources.c.content_id)
    .limit(bindparam("batch"))
)
_drop_source = Prepared(delete(preview_sources).where(preview_sources.c.content_id == bindparam("content_id")))


def find(conn: Connection, source: bytes, recipe: str, content_id: int) -> Found | None:
    """In one statement, so that what was made is there where the row says so; open a pin before. `content_id`: of whom
    it is asked. Raises CorruptContent.
    """
    row = _find.one_or_none(conn, source=source, recipe=recipe, of_content=content_id)
    if row is None:
        return None
    preview, content = Preview._make(row[:_width]), row[_width:-1]
    if preview.state != MADE:
        return Found(preview, None, row[-1] is not None)
    return Found(preview, contents.from_row(content), row[-1] is not None)


def ask(conn: Connection, content: Content, recipe: str, limits: str) -> None:
    """Have it made, unless it was, or was refused under these limits; it lasts for as long as this content from now."""
    source = content.same_bytes
    row = _lock.one_or_none(conn, source=source, recipe=recipe)
    _note.run(conn, content_id=content.id, source=source)
    if row is None:
        new = Preview(source, recipe, PENDING, None, None, None, None, None, limits, 0, now(conn), None)
        _insert.run(conn, **new._asdict())
    else:
        known = Preview._make(row)
        if known.state == MADE or (known.state == REFUSED and known.limits == limits):
            return
        if known.state == REFUSED:
            _again.run(conn, source=source, recipe=recipe, new_limits=limits)
    _enqueue(conn, source, recipe)


def _enqueue(conn: Connection, source: bytes, recipe: str) -> None:
    given = {"source": source.hex(), "recipe": recipe}
    jobs.enqueue(conn, JOB, given, singleton=f"{JOB}/{source.hex()}/{recipe}")


def make_again(conn: Connection, damaged: Preview) -> None:
    """What was made isn't what is on the disk any more."""
    row = _lock.one_or_none(conn, source=damaged.source, recipe=damaged.recipe)
    if row is None or Preview._make(row) != damaged or damaged.content_id is None:
        return  # somebody else has had it made again
    contents.release(conn, damaged.content_id)
    _again.run(conn, source=damaged.source, recipe=damaged.recipe, new_limits=damaged.limits)
    _enqueue(conn, damaged.source, damaged.recipe)


def pending(conn: Connection, source: bytes, recipe: str) -> tuple[Preview, Content] | None:
    """What is to be made, and a content that it is to be made of; None: nothing is. Open a pin before."""
    row = _lock.one_or_none(conn, source=source, recipe=recipe)
    if row is None or Preview._make(row).state != PENDING:
        return None
    content_id = _a_content.value(conn, source=source)
    if content_id is None:  # nobody is left who could ask for it
        _drop.run(conn, source=source, recipe=recipe)
        return None
    return Preview._make(row), contents.load(conn, content_id)


def begin(conn: Connection, preview: Preview) -> None:
    """An attempt, which counts however it ends."""
    _begin.run(conn, source=preview.source, recipe=preview.recipe)


def take_back(conn: Connection, preview: Preview) -> None:
    """An attempt of which the picture is innocent."""
    _take_back.run(conn, source=preview.source, recipe=preview.recipe)


def made(conn: Connection, preview: Preview, new: NewContent, type: str, size: tuple[int, int]) -> bool:
    """Whether it is still wanted; else nothing was stored."""
    if not _is_pending(conn, preview):
        return False
    width, height = size
    _settle_as(conn, preview, MADE, contents.insert(conn, new), type, width, height)
    return True


def refuse(conn: Connection, preview: Preview, reason: str) -> None:
    if _is_pending(conn, preview):
        _settle_as(conn, preview, REFUSED, reason=reason)


def _is_pending(conn: Connection, preview: Preview) -> bool:
    row = _lock.one_or_none(conn, source=preview.source, recipe=preview.recipe)
    return row is not None and Preview._make(row).state == PENDING


def _settle_as(
    conn: Connection,
    preview: Preview,
    state: State,
    content_id: int | None = None,
    type: str | None = None,
    width: int | None = None,
    height: int | None = None,
    reason: str | None = None,
) -> None:
    values: dict[str, Any] = {"new_state": state, "made_content": content_id, "new_type": type, "at": now(conn)}
    values |= {"new_width": width, "new_height": height, "new_reason": reason}
    _settle.run(conn, source=preview.source, recipe=preview.recipe, **values)


def unused_after(conn: Connection, after: int, limit: int) -> tuple[list[Source], int | None]:
    """Among the next sources behind a content, those that are gone, which is for good; and where to go on, None: there
    are no more.
    """
    rows: Sequence[Any] = _sources_after.all(conn, after=after, batch=limit)
    gone = [Source(int(content_id), bytes(source)) for content_id, source, is_alive in rows if not is_alive]
    return gone, (int(rows[-1][0]) if len(rows) == limit else None)


def release(conn: Connection, gone: Sequence[Source]) -> int:
    """Drop these sources; with its last one a preview goes. How many previews went."""
    return sum(_release(conn, source) for source in gone)


def _release(conn: Connection, gone: Source) -> int:
    # Locked first, as by `ask`: whoever notes another source has done so, or makes a new row.
    found = [Preview._make(row) for row in _lock_all.all(conn, source=gone.source)]
    _drop_source.run(conn, content_id=gone.content_id)
    if _any_source.all(conn, source=gone.source):
        return 0
    for preview in found:
        _drop.run(conn, source=gone.source, recipe=preview.recipe)
        if preview.content_id is not None:
            contents.release(conn, preview.content_id)
    return len(found)
