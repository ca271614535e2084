"""SQL of contents: insert, count, load, cut and unwind what objects and parts consist of.

A content is immutable and counted. Inserting one counts its chunks and children in the same transaction; releasing
the last count deletes an inline row at once and leaves the others to the reaper, which unwinds them in small steps.
The digest of form, size and layout is checked on every load; a part list binds the digests of its children.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from blake3 import blake3
from sqlalchemy import bindparam, delete, select, text, update
from sqlalchemy import insert as insert_into

from s3gw.errors import InvalidRequest
from s3gw.metadata import blobs, damaged_blobs, layout, pins, processes
from s3gw.metadata.database import Connection
from s3gw.metadata.layout import INLINE, MANIFEST, PARTS, Extent, Part, content_digest
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import contents

__all__ = ["INLINE", "MANIFEST", "PARTS", "Content", "ContentLost", "CorruptContent", "Extent", "NewContent", "Part"]

_MAX_CHILDREN = 10_000
# Parts of a part list may be part lists themselves. Copies add no levels, because `copy_range` flattens them.
_MAX_DEPTH = 4
_NEVER = 2**63 - 1  # an epoch that no floor passes
_BATCH = 500
_MOST_INLINE = 16 * 1024  # bytes that are joined in a row


class CorruptContent(Exception):
    """What is in the database or on the disk isn't what was stored, so it must not be served."""


class ContentLost(Exception):
    """What the transaction counts on was deleted meanwhile, or its writer was declared dead: try again (503)."""


class NewChunk(NamedTuple):
    """A chunk that a new content counts on.

    `location` is where it was written; None when a stored one was verified and nothing written. `replaces` is the
    location of stored bytes found bad.
    """

    digest: bytes
    location: str | None
    size: int
    replaces: str | None = None


class NewContent(NamedTuple):
    """What `insert` makes a row of. Each chunk is listed once, however often the layout names it."""

    form: int
    size: int
    layout: bytes
    digest: bytes
    chunks: tuple[NewChunk, ...] = ()


class Content(NamedTuple):
    """A verified row of `contents`."""

    id: int
    form: int
    size: int
    layout: bytes
    digest: bytes

    @property
    def extents(self) -> tuple[Extent, ...]:
        return tuple(layout.extents_of(self.layout)) if self.form == MANIFEST else ()

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(layout.parts_of(self.layout)) if self.form == PARTS else ()

    @property
    def same_bytes(self) -> bytes:
        """One for all contents that were put alike. A part list names the rows of its parts, so its digest is another
        each time: of these, the digests of the parts in their order count.
        """
        if self.form != PARTS:
            return self.digest
        return blake3(b"".join(part.size.to_bytes(8, "little") + part.digest for part in self.parts)).digest()


_this_content = contents.c.id == bindparam("content_id")
_columns = (contents.c.id, contents.c.form, contents.c.size, contents.c.layout, contents.c.digest)
_load = Prepared(select(*_columns).where(_this_content))
_insert = Prepared(
    insert_into(contents)
    .values({name: bindparam(name) for name in ("refs", "form", "size", "digest", "layout")})
    .returning(contents.c.id)
)
_insert_as = Prepared(
    insert_into(contents).values({name: bindparam(name) for name in ("id", "refs", "form", "size", "digest", "layout")})
)
_next_ids = Prepared(
    text("SELECT nextval(pg_get_serial_sequence('contents', 'id')) FROM generate_series(1, 32)")  # PostgreSQL's alone
)
_retain = Prepared(update(contents).where(_this_content, contents.c.refs > 0).values(refs=contents.c.refs + 1))
_delete_inline = Prepared(delete(contents).where(_this_content, contents.c.refs == 1, contents.c.form == INLINE))
_release = Prepared(update(contents).where(_this_content, contents.c.refs > 0).values(refs=contents.c.refs - 1))
_load_released = Prepared(select(*_columns).where(_this_content, contents.c.refs == 0).with_for_update())
_shorten = Prepared(
    update(contents)
    .where(_this_content)
    .values(size=bindparam("new_size"), layout=bindparam("new_layout"), digest=bindparam("new_digest"))
)
_mark = Prepared(
    update(contents)
    .where(_this_content, contents.c.refs == 0, contents.c.released_at.is_(None))
    .values(released_at=bindparam("epoch"))
)
_quarantine = Prepared(update(contents).where(_this_content, contents.c.refs == 0).values(released_at=_NEVER))
_delete_released = Prepared(delete(contents).where(_this_content, contents.c.refs == 0))
_unmarked = Prepared(
    select(contents.c.id).where(contents.c.refs == 0, contents.c.released_at.is_(None)).limit(bindparam("batch"))
)
_released_before = Prepared(
    select(contents.c.id)
    .where(contents.c.refs == 0, contents.c.released_at < bindparam("floor"), pins.CONTENT_IS_FREE)
    .order_by(contents.c.released_at)
    .limit(bindparam("batch"))
)


def inline(data: bytes) -> NewContent:
    return NewContent(INLINE, len(data), data, content_digest(INLINE, len(data), data))


def manifest(extents: Sequence[Extent], chunks: Iterable[NewChunk]) -> NewContent:
    size, encoded = sum(extent.length for extent in extents), layout.encode_extents(extents)
    return NewContent(MANIFEST, size, encoded, content_digest(MANIFEST, size, encoded), tuple(chunks))


def part_list(parts: Sequence[Part]) -> NewContent:
    size, encoded = sum(part.size for part in parts), layout.encode_parts(parts)
    return NewContent(PARTS, size, encoded, content_digest(PARTS, size, encoded))


def joined(conn: Connection, content_id: int, more: NewContent) -> NewContent | None:
    """A content of the bytes of both, in this order; moves none. None where they can't be one row."""
    before = load(conn, content_id)
    if before.form != more.form:
        return None
    if more.form == INLINE:
        return inline(before.layout + more.layout) if before.size + more.size <= _MOST_INLINE else None
    if more.form != MANIFEST:
        return None
    extents = (*before.extents, *layout.extents_of(more.layout))
    stored = {extent.digest for extent in before.extents} - {chunk.digest for chunk in more.chunks}
    return manifest(extents, (*more.chunks, *(NewChunk(digest, None, 0) for digest in stored)))


def insert(conn: Connection, new: NewContent, *, takes_over: bool = False) -> int:
    """Insert a content with a count of one, counting its chunks and children; give its id.

    With `takes_over` a part list gets the counts that its caller has on the children, instead of new ones.
    Raises ContentLost when a chunk or child is gone or the process that wrote a chunk was declared dead.
    """
    if new.chunks:
        _count_chunks(conn, new.chunks)
    if new.form == PARTS and not takes_over:
        for part in layout.parts_of(new.layout):
            retain(conn, part.content_id)
    row = {"refs": 1, "form": new.form, "size": new.size, "digest": new.digest, "layout": new.layout}
    content_id = conn.take_number(_next_ids)
    if content_id is None:
        return int(_insert.value(conn, **row))
    _insert_as.run_later(conn, id=content_id, **row)
    return content_id


def _count_chunks(conn: Connection, chunks: tuple[NewChunk, ...]) -> None:
    for process in {blobs.process_of(chunk.location) for chunk in chunks if chunk.location is not None}:
        # The sweep removes what the dead wrote and no row names.
        if processes.is_dead(conn, process):
            raise ContentLost("this process was declared dead")
    for chunk in sorted(chunks, key=lambda chunk: chunk.digest):  # one order, or two transactions could deadlock
        if chunk.location is None:
            if not blobs.count(conn, chunk.digest):
                raise ContentLost("a stored chunk was deleted before it could be counted")
        elif chunk.replaces is not None and blobs.repoint(conn, chunk.digest, chunk.replaces, chunk.location):
            damaged_blobs.heal(conn, chunk.replaces)
        else:
            blobs.insert_or_count(conn, chunk.digest, chunk.location, chunk.size)


def retain(conn: Connection, content_id: int) -> None:
    """Count once more. Raises ContentLost when nothing counts on the content any more."""
    if _retain.run(conn, content_id=content_id) != 1:
        raise ContentLost("the content was released")


def release(conn: Connection, content_id: int) -> None:
    """Count once less; at zero an inline row is deleted and another one left to the reaper."""
    if not _delete_inline.run_later(conn, content_id=content_id):
        _release.run_later(conn, content_id=content_id)


def from_row(row: Sequence[Any], size: int | None = None) -> Content:
    """The content of a row (id, form, size, layout, digest).

    Raises CorruptContent when its digest doesn't match, or its size isn't the one that its object knows.
    """
    content = Content._make(row)
    if content_digest(content.form, content.size, content.layout) != content.digest:
        raise CorruptContent(f"content {content.id}: its layout doesn't match its digest")
    if size is not None and size != content.size:
        raise CorruptContent(f"content {content.id} has {content.size} bytes, its object {size}")
    return content


def load(conn: Connection, content_id: int, size: int | None = None) -> Content:
    """As `from_row`."""
    row = _load.one_or_none(conn, content_id=content_id)
    if row is None:
        raise CorruptContent(f"content {content_id} is missing")
    return from_row(row, size)


def load_children(conn: Connection, parts: Sequence[Part]) -> list[Content]:
    """The contents of these parts, each proven to be the one that the part list was made with."""
    children = [load(conn, part.content_id) for part in parts]
    for part, child in zip(parts, children, strict=True):
        if child.digest != part.digest or child.size != part.size:
            raise CorruptContent(f"content {child.id} isn't the one that its part list names")
    return children


def parts_from(conn: Connection, chosen: Iterable[tuple[int, int, str | None]]) -> list[Part]:
    """Parts for `part_list` from (part number, content id, checksum): adds each content's size and digest."""
    wanted = list(chosen)
    known: dict[int, tuple[int, bytes]] = {}
    for first in range(0, len(wanted), _BATCH):
        ids = [content_id for _, content_id, _ in wanted[first : first + _BATCH]]
        rows = conn.execute(select(contents.c.id, contents.c.size, contents.c.digest).where(contents.c.id.in_(ids)))
        known.update((row.id, (row.size, row.digest)) for row in rows.all())
    if missing := [content_id for _, content_id, _ in wanted if content_id not in known]:
        raise CorruptContent(f"content {missing[0]} is missing")
    return [
        Part(number, content_id, size, digest, checksum)
        for number, content_id, checksum in wanted
        for size, digest in (known[content_id],)
    ]


class _Range(NamedTuple):
    """Of an inline content or a manifest. `part` is how a part list would name that content."""

    part: Part
    offset: int
    length: int

    @property
    def is_whole(self) -> bool:
        return self.length == self.part.size


def copy_range(conn: Connection, content_id: int, offset: int, length: int) -> Content:
    """A content, counted once for the caller, of the bytes of a range of another one. Moves no bytes of chunks.

    Of a manifest that is a manifest. A range across parts becomes a part list of their contents, in which
    only the two ends are new.
    """
    source = load(conn, content_id)
    if offset < 0 or length < 0 or offset + length > source.size or (source.size and not length):
        raise ValueError(f"no bytes {offset}+{length} in a content of {source.size}")
    ranges = list(_ranges(conn, source, offset, length))
    if len(ranges) > _MAX_CHILDREN:
        raise InvalidRequest("The range of the copy source consists of too many pieces.")
    if len(ranges) == 1:
        return _copy(conn, *ranges)
    if length == source.size and {one.part.content_id for one in ranges} <= {part.content_id for part in source.parts}:
        retain(conn, source.id)
        return source
    children = [_copy_as_part(conn, number, one) for number, one in enumerate(ranges, 1)]
    return _inserted(conn, part_list(children), takes_over=True)


def _ranges(conn: Connection, content: Content, offset: int, length: int, depth: int = 0) -> Iterator[_Range]:
    if content.form != PARTS:
        yield _Range(Part(1, content.id, content.size, content.digest), offset, length)
        return
    if depth == _MAX_DEPTH:
        raise CorruptContent(f"content {content.id}: part lists are nested too deeply")
    covered = list(layout.parts_between(content.layout, offset, length))
    nested = _part_lists_among(conn, [one.part.content_id for one in covered])
    for part, start, count in covered:
        if part.content_id in nested:
            (child,) = load_children(conn, [part])
            yield from _ranges(conn, child, start, count, depth + 1)
        else:
            yield _Range(part, start, count)


def _part_lists_among(conn: Connection, ids: Sequence[int]) -> set[int]:
    found: set[int] = set()
    for first in range(0, len(ids), _BATCH):
        batch = ids[first : first + _BATCH]
        found.update(
            conn.execute(select(contents.c.id).where(contents.c.id.in_(batch), contents.c.form == PARTS)).scalars()
        )
    return found


def _copy(conn: Connection, copied: _Range) -> Content:
    (content,) = load_children(conn, [copied.part])
    if copied.is_whole:
        retain(conn, content.id)
        return content
    if content.form == INLINE:
        return _inserted(conn, inline(content.layout[copied.offset : copied.offset + copied.length]))
    extents = list(layout.extents_between(content.layout, copied.offset, copied.length))
    chunks = [NewChunk(digest, None, 0) for digest in {extent.digest for extent in extents}]
    return _inserted(conn, manifest(extents, chunks))


def _copy_as_part(conn: Connection, number: int, copied: _Range) -> Part:
    if copied.is_whole:
        retain(conn, copied.part.content_id)
        return copied.part._replace(part_number=number)
    content = _copy(conn, copied)
    return Part(number, content.id, content.size, content.digest)


def _inserted(conn: Connection, new: NewContent, *, takes_over: bool = False) -> Content:
    return Content(insert(conn, new, takes_over=takes_over), new.form, new.size, new.layout, new.digest)


def unmarked(conn: Connection, limit: int) -> list[int]:
    """Contents that nothing counts on and that the reaper hasn't marked. None of them is ever counted again."""
    return _unmarked.values(conn, batch=limit)


def mark(conn: Connection, content_ids: Iterable[int], epoch: int) -> None:
    """Note in which epoch the reaper saw them released."""
    for content_id in content_ids:
        _mark.run(conn, content_id=content_id, epoch=epoch)


def contents_released_before(conn: Connection, floor: int, limit: int) -> list[int]:
    """Contents marked in an epoch before `floor` and not pinned, oldest first, for `unwind`."""
    return _released_before.values(conn, floor=floor, batch=limit)


def unwind(conn: Connection, content_id: int, limit: int = 200) -> bool:
    """Lower the counts of up to `limit` chunks or children of a released content; True when its row is gone.

    A longer layout is cut back from its end, so that a part list of 10 000 is many short transactions. Raises
    CorruptContent when the layout can't be trusted (then `quarantine`).
    """
    row = _load_released.one_or_none(conn, content_id=content_id)
    if row is None:
        return True
    content = from_row(row)
    shorter = _unwind_parts(conn, content, limit) if content.form == PARTS else None
    if content.form == MANIFEST:
        shorter = _unwind_extents(conn, content, limit)
    if shorter is None:
        _delete_released.run(conn, content_id=content_id)
        return True
    _shorten.run(
        conn, content_id=content_id, new_size=shorter.size, new_layout=shorter.layout, new_digest=shorter.digest
    )
    return False


def quarantine(conn: Connection, content_id: int) -> None:
    """Take a released content that can't be unwound out of the reaper's way. What it counts on is kept for ever."""
    _quarantine.run(conn, content_id=content_id)


def _unwind_parts(conn: Connection, content: Content, limit: int) -> NewContent | None:
    kept, dropped = content.parts[:-limit], content.parts[-limit:]
    for part in dropped:
        release(conn, part.content_id)
    return part_list(kept) if kept else None  # not by their size: parts may be empty


def _unwind_extents(conn: Connection, content: Content, limit: int) -> NewContent | None:
    kept, dropped = content.extents[:-limit], content.extents[-limit:]
    blobs.uncount(conn, {extent.digest for extent in dropped} - {extent.digest for extent in kept})
    return manifest(kept, ()) if kept else None
