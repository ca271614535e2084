"""SQL of resumable uploads: begin, append what came, make it an object, join partial ones.

What came is a part of an upload (uploads.py), so it counts for quotas, is listed and expires as others do. The row says
how much there is: of two appends at the same place, whichever worker they came to, the row lets one through. The last
append and the object are one transaction, so nobody is told that all is there before the object is.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, select, update

from s3gw.checksums import combine_full_object
from s3gw.errors import NoSuchUpload
from s3gw.metadata import contents, objects, uploads
from s3gw.metadata.change import Change
from s3gw.metadata.contents import Content, CorruptContent, NewContent
from s3gw.metadata.database import Connection
from s3gw.metadata.objects import NewObject, Precondition, Stored
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import resumable_uploads
from s3gw.metadata.uploads import Upload, UploadedPart
from s3gw.problems import Conflict, OffsetMismatch, TooLarge

MOST_PIECES = 10_000  # of an upload, as S3's parts; small ones are joined before they count
_ALL = frozenset(range(1, MOST_PIECES + 1))
_JOINED = 64 * 1024 * 1024  # bytes up to which pieces are joined


class Resumable(NamedTuple):
    """`size` is None until it is known; `kind`: whole, partial (to be joined with others), final (joined of them)
    or archive (that a job unpacks)."""

    id: str
    upload_id: str
    bucket_id: int
    key: str
    created_by: str
    created_at: int
    changed_at: int
    size: int | None
    received: int
    kind: str
    overwrites: int
    described: str
    ended_at: int | None = None
    file_id: bytes | None = None
    final_id: str | None = None
    joined_of: str | None = None  # ids, separated by blanks
    link_id: str | None = None  # of the drop box that it belongs to

    @property
    def is_whole(self) -> bool:
        """Whether all bytes are there."""
        return self.received == self.size


class Whole(NamedTuple):
    """What an object is called and has beside its bytes, and their SHA-256 (base64)."""

    about: Upload
    sha256: str


class Piece(NamedTuple):
    """What came, its content not counted yet. `offset` is where it belongs, `size` that of the whole, if known."""

    offset: int
    size: int | None
    content: NewContent
    etag: str
    checksum_algorithm: str
    checksum: str

    @property
    def length(self) -> int:
        return self.content.size


_this = resumable_uploads.c.id == bindparam("id")
_find = Prepared(select(*resumable_uploads.c).where(_this))
_lock = Prepared(select(*resumable_uploads.c).where(_this).with_for_update())
_insert = Prepared(
    insert(resumable_uploads).values({column.name: bindparam(column.name) for column in resumable_uploads.c})
)
_advance = Prepared(
    update(resumable_uploads)
    .where(_this)
    .values(received=bindparam("so_many"), size=bindparam("of"), changed_at=bindparam("at"))
)
_end = Prepared(
    update(resumable_uploads)
    .where(_this)
    .values(
        received=bindparam("of"),
        size=bindparam("of"),
        changed_at=bindparam("at"),
        ended_at=bindparam("at"),
        file_id=bindparam("file"),
    )
)
_join = Prepared(
    update(resumable_uploads).where(_this).values(ended_at=bindparam("at"), final_id=bindparam("joined_as"))
)
_forget = Prepared(delete(resumable_uploads).where(_this))


def find(conn: Connection, id: str) -> Resumable | None:
    row = _find.one_or_none(conn, id=id)
    return None if row is None else Resumable._make(row)


def begin(change: Change, upload: Upload, made: Resumable) -> None:
    uploads.begin(change, upload)
    _insert.run(change.conn, **made._asdict())


def forget(change: Change, id: str) -> None:
    """Of one that has become an object, which stays."""
    _forget.run(change.conn, id=id)


def content_of(conn: Connection, upload_id: str, number: int) -> Content:
    """Of a piece. Raises NoSuchUpload.

    On PostgreSQL each statement sees what is there when it begins. What was joined to the piece between the two has put
    another content in the place of this one, whose row is gone: then the piece is looked at again.
    """
    gone: int | None = None
    while True:
        part = uploads.find_part(conn, upload_id, number)
        if part is None:
            raise NoSuchUpload(UploadId=upload_id)
        try:
            return contents.load(conn, part.content_id, part.size)
        except CorruptContent:
            if part.content_id == gone:
                raise
            gone = part.content_id


def append(change: Change, found: Resumable, piece: Piece) -> Resumable:
    """Raises OffsetMismatch where the upload has come to another place, NoSuchUpload, and TooLarge."""
    upload, now = _locked(change, found, piece)
    _put_piece(change, upload, piece)
    received = piece.offset + piece.length
    _advance.run(change.conn, id=now.id, so_many=received, of=piece.size, at=change.now)
    return now._replace(received=received, size=piece.size, changed_at=change.now)


def finish(
    change: Change, found: Resumable, piece: Piece, whole: Whole, precondition: Precondition | None
) -> tuple[Resumable, NewObject, Stored]:
    """Append the last bytes and make the upload an object."""
    upload, now = _locked(change, found, piece)
    if piece.length:
        _put_piece(change, upload, piece)
    new, stored = _put(change, whole, [upload], precondition)
    _end.run(change.conn, id=now.id, of=new.size, at=change.now, file=stored.file_id)
    uploads.remove(change, upload, _ALL)
    ended = now._replace(received=new.size, size=new.size, ended_at=change.now, file_id=stored.file_id)
    return ended, new, stored


def join(
    change: Change, made: Resumable, parts: Sequence[Resumable], whole: Whole, precondition: Precondition | None
) -> tuple[Resumable, NewObject, Stored]:
    """One object of partial uploads, in their order. Raises Conflict where one of them isn't whole."""
    conn = change.conn
    change.lock_bucket()
    locked = {
        each.id: uploads.lock_exclusive(conn, change.bucket_id, each.key, each.upload_id, of_any_kind=True)
        for each in sorted(parts, key=lambda each: each.upload_id)
    }
    for each in parts:
        row = _lock.one_or_none(conn, id=each.id)
        if row is None or not (now := Resumable._make(row)).is_whole or now.ended_at is not None:
            raise Conflict("a partial upload isn't whole, or was used before")
        _join.run(conn, id=each.id, at=change.now, joined_as=made.id)
    new, stored = _put(change, whole, [locked[each.id] for each in parts], precondition)
    for upload in locked.values():
        uploads.remove(change, upload, _ALL)
    joined_of = ids_of(parts)
    ended = made._replace(
        received=new.size, size=new.size, ended_at=change.now, file_id=stored.file_id, joined_of=joined_of
    )
    _insert.run(conn, **ended._asdict())
    return ended, new, stored


def ids_of(parts: Sequence[Resumable]) -> str:
    """As `joined_of` has them."""
    return " ".join(part.id for part in parts)


def _locked(change: Change, found: Resumable, piece: Piece) -> tuple[Upload, Resumable]:
    """The upload's row first, as whoever aborts it does."""
    change.lock_bucket()
    upload = uploads.lock_exclusive(change.conn, change.bucket_id, found.key, found.upload_id, of_any_kind=True)
    row = _lock.one_or_none(change.conn, id=found.id)
    if row is None:
        raise NoSuchUpload(UploadId=found.upload_id)
    now = Resumable._make(row)
    if now.received != piece.offset or now.ended_at is not None or now.size not in (None, piece.size):
        raise OffsetMismatch(f"the upload has come to byte {now.received}")
    return upload, now


def _put_piece(change: Change, upload: Upload, piece: Piece) -> None:
    conn, last = change.conn, uploads.last_part(change.conn, upload.upload_id)
    number = 1 if last is None else last.part_number + 1
    part = UploadedPart(
        upload.upload_id, number, piece.length, piece.etag, change.now, 0, piece.checksum_algorithm, piece.checksum
    )
    content = piece.content
    if last is not None and last.size + piece.length <= _JOINED:
        joined = contents.joined(conn, last.content_id, content)
        if joined is not None:
            part, content = _after(last, part), joined
    if part.part_number > MOST_PIECES:
        raise TooLarge(f"an upload has at most {MOST_PIECES} pieces: send larger ones")
    uploads.put_locked_part(change, upload.key, part._replace(content_id=contents.insert(conn, content)))


def _after(last: UploadedPart, more: UploadedPart) -> UploadedPart:
    """Both as one part. Its entity tag isn't the MD5 of its bytes any more, which shows."""
    checksums = [(base64.b64decode(str(each.checksum)), each.size) for each in (last, more)]
    return more._replace(
        part_number=last.part_number,
        size=last.size + more.size,
        etag=_etag([last, more]),
        checksum=base64.b64encode(combine_full_object(str(more.checksum_algorithm), checksums)).decode(),
    )


def _put(
    change: Change, whole: Whole, taken: Sequence[Upload], precondition: Precondition | None
) -> tuple[NewObject, Stored]:
    """An object of all that the uploads have, whose counts it takes over."""
    conn, about = change.conn, whole.about
    found = [part for upload in taken for part in uploads.list_parts(conn, upload.upload_id)]
    if len(found) > MOST_PIECES:
        raise TooLarge(f"an upload has at most {MOST_PIECES} pieces")
    new = NewObject(
        key=about.key,
        size=sum(part.size for part in found),
        etag=_etag(found),
        owner_id=about.owner_id,
        storage_class=about.storage_class,
        parts_count=None,  # where it was broken off says nothing about it
        checksum_algorithm="SHA256",
        checksum_type="FULL_OBJECT",
        checksum=whole.sha256,
        headers=about.headers,
        acl=about.acl,
        user_metadata=about.user_metadata,
        tags=about.tags,
    )
    stored = objects.put(change, new, partial(_place, found=found), precondition)
    return new._replace(file_id=stored.file_id), stored


def _place(conn: Connection, found: Sequence[UploadedPart]) -> int:
    if len(found) == 1:
        return found[0].content_id
    chosen = [(number, part.content_id, None) for number, part in enumerate(found, 1)]
    new = contents.part_list(contents.parts_from(conn, chosen)) if chosen else contents.inline(b"")
    return contents.insert(conn, new, takes_over=True)


def _etag(found: Sequence[UploadedPart]) -> str:
    """The MD5 of what came in one piece; else one of those of the pieces, as an object in parts has it."""
    if len(found) == 1:
        return found[0].etag
    digests = b"".join(bytes.fromhex(part.etag.partition("-")[0]) for part in found)
    tag = hashlib.md5(digests, usedforsecurity=False).hexdigest()
    return f"{tag}-{len(found)}" if found else tag
