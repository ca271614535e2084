"""SQL of share links: who made one, of what, with which limits, and how often it was used.

A token is stored as its SHA-256. What counts a use decides in the same transaction whether there may be one more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ColumnElement, Select, bindparam, cast, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_on_conflict  # SQLite has the same

from s3gw.metadata import audit, buckets
from s3gw.metadata.active_users import IS_ACTIVE
from s3gw.metadata.audit import Actor
from s3gw.metadata.buckets import Bucket, bucket_columns, owners
from s3gw.metadata.database import Connection, now
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.schema import buckets as buckets_table
from s3gw.metadata.schema import link_visits, links, resumable_uploads, users
from s3gw.metadata.sessions import SessionUser
from s3gw.problems import Conflict, NotFound, RateLimited, TooLarge

Kind = Literal["file", "folder", "drop"]
MOST_OF_USER = 1000  # that one user has at a time, revoked ones aside
MOST_UNFINISHED = 500  # uploads of a drop box
UNFINISHED_FOR = 86_400_000_000  # microseconds that one is kept to which nothing comes
IDLE_FROM = 3_600_000_000  # after which it gives way where a drop box has no room for others
_HOUR = 3_600_000_000  # microseconds in which a visitor's downloads are one
_accounts = users.alias("accounts")


class ShareLink(NamedTuple):
    """What may be told of one; times in microseconds since the epoch."""

    id: str
    user_id: str
    bucket_id: int
    bucket_uuid: str
    bucket: str
    kind: str
    file_id: str | None
    prefix: str
    has_password: bool
    max_downloads: int | None
    max_bytes: int | None
    max_uploads: int | None
    downloads: int
    uploads: int
    uploaded_bytes: int
    last_used_at: int | None
    created_at: int
    updated_at: int
    expires_at: int | None
    revoked_at: int | None


class NewLink(NamedTuple):
    token_digest: bytes
    user_id: str
    bucket_id: int
    kind: Kind
    file_id: bytes | None
    prefix: str
    password_hash: str | None
    salt: bytes
    max_downloads: int | None
    max_bytes: int | None
    expires_at: int | None
    max_uploads: int | None = None


class LiveLink(NamedTuple):
    """One that may be used now, as far as it says itself, with its maker and its bucket."""

    id: str
    kind: str
    file_id: bytes | None
    prefix: str
    password_hash: str | None
    salt: bytes
    max_downloads: int | None
    max_bytes: int | None
    max_uploads: int | None
    downloads: int
    uploads: int
    uploaded_bytes: int
    expires_at: int | None
    maker: SessionUser
    bucket: Bucket


class Unfinished(NamedTuple):
    """Uploads of a drop box, and the bytes that there are of them."""

    uploads: int
    bytes: int


class BoxFull(TooLarge):
    """A drop box, of files and of what there is of unfinished uploads."""


class Page(NamedTuple):
    links: list[ShareLink]
    total: int


_select: Select[Any] = select(
    links.c.id,
    links.c.user_id,
    links.c.bucket_id,
    buckets_table.c.uuid,
    buckets_table.c.name,
    links.c.kind,
    links.c.file_id,
    links.c.prefix,
    links.c.password_hash.is_not(None),
    links.c.max_downloads,
    links.c.max_bytes,
    links.c.max_uploads,
    links.c.downloads,
    links.c.uploads,
    links.c.uploaded_bytes,
    links.c.last_used_at,
    links.c.created_at,
    links.c.updated_at,
    links.c.expires_at,
    links.c.revoked_at,
).join_from(links, buckets_table, buckets_table.c.id == links.c.bucket_id)
_of_link = tuple(links.c[name] for name in LiveLink._fields[:-2])
_of_maker = (
    users.c.id.label("maker_id"),
    _accounts.c.canonical_id,
    _accounts.c.account_id,
    users.c.name,
    users.c.role,
    _accounts.c.id.label("account_owner_id"),
    users.c.rules_revision,
)
_live = Prepared(
    select(*_of_link, *_of_maker, *bucket_columns)
    .select_from(
        links.join(users, users.c.id == links.c.user_id)
        .join(_accounts, _accounts.c.id == func.coalesce(users.c.account_owner_id, users.c.id))
        .join(buckets_table, buckets_table.c.id == links.c.bucket_id)
        .join(owners, owners.c.id == buckets_table.c.owner_id)
    )
    .where(
        links.c.token_digest == bindparam("digest"),
        links.c.revoked_at.is_(None),
        or_(links.c.expires_at.is_(None), links.c.expires_at > bindparam("at")),
        IS_ACTIVE,
    )
)
_visited = Prepared(
    select(link_visits.c.visitor).where(
        link_visits.c.link_id == bindparam("link_id"),
        link_visits.c.visitor == bindparam("visitor"),
        link_visits.c.counted_at > bindparam("since"),
    )
)
_unfinished = Prepared(
    select(func.count(), cast(func.coalesce(func.sum(resumable_uploads.c.received), 0), BigInteger)).where(
        resumable_uploads.c.link_id == bindparam("link_id"),
        resumable_uploads.c.link_id.is_not(None),
        resumable_uploads.c.ended_at.is_(None),
    )
)


def create(conn: Connection, new: NewLink) -> ShareLink:
    """Raises NotFound where the bucket or its maker is gone by now, and Conflict where he has too many."""
    buckets.lock_exclusive(conn, new.bucket_id)
    maker = select(users.c.id).where(users.c.id == new.user_id, users.c.deleted_at.is_(None)).with_for_update()
    bucket = select(buckets_table.c.id).where(buckets_table.c.id == new.bucket_id)
    if not conn.execute(maker).all() or not conn.execute(bucket).all():
        raise NotFound("there is no such bucket")
    mine = select(func.count()).select_from(links).where(links.c.user_id == new.user_id, links.c.revoked_at.is_(None))
    if conn.execute(mine).scalar_one() >= MOST_OF_USER:
        raise Conflict(f"a user has {MOST_OF_USER} links at most: revoke some")
    at, link_id = now(conn), str(uuid4())
    counts = {"downloads": 0, "uploads": 0, "uploaded_bytes": 0}
    conn.execute(insert(links).values(id=link_id, created_at=at, updated_at=at, **counts, **new._asdict()))
    return find(conn, link_id)


def find(conn: Connection, link_id: str) -> ShareLink:
    """Raises NotFound."""
    row = conn.execute(_select.where(links.c.id == link_id)).one_or_none()
    if row is None:
        raise NotFound("there is no such link")
    return _link(row)


def lock(conn: Connection, link_id: str) -> ShareLink:
    """As it is under the lock. Raises NotFound."""
    conn.execute(select(links.c.id).where(links.c.id == link_id).with_for_update())
    return find(conn, link_id)


def page(conn: Connection, bucket_id: int | None, user_id: str | None, offset: int, limit: int) -> Page:
    """The newest first; None: of all buckets, of all users."""
    wanted = {links.c.bucket_id: bucket_id, links.c.user_id: user_id}
    where: list[ColumnElement[bool]] = [column == value for column, value in wanted.items() if value is not None]
    total = conn.execute(select(func.count()).select_from(links).where(*where)).scalar_one()
    order = (links.c.created_at.desc(), links.c.id)
    rows = conn.execute(_select.where(*where).order_by(*order).offset(offset).limit(limit)).all()
    return Page([_link(row) for row in rows], total)


def change(conn: Connection, link: ShareLink, fields: Mapping[str, Any]) -> ShareLink:
    """Of a locked one; `fields` are columns."""
    at = max(now(conn), link.updated_at + 1)
    conn.execute(update(links).where(links.c.id == link.id).values(**fields, updated_at=at))
    return find(conn, link.id)


def live_of_user(conn: Connection, user_id: str) -> list[ShareLink]:
    return _unrevoked(conn, links.c.user_id == user_id)


def live_of_bucket(conn: Connection, bucket_id: int) -> list[ShareLink]:
    return _unrevoked(conn, links.c.bucket_id == bucket_id)


def _unrevoked(conn: Connection, where: ColumnElement[bool]) -> list[ShareLink]:
    rows = conn.execute(_select.where(where, links.c.revoked_at.is_(None)).order_by(links.c.created_at, links.c.id))
    return [_link(row) for row in rows.all()]


def forget_of(conn: Connection, user_id: str) -> None:
    """All that somebody made who is about to go for good."""
    _forget(conn, links.c.user_id == user_id)


def forget_in(conn: Connection, bucket_id: int) -> None:
    """All of a bucket that is about to be deleted."""
    _forget(conn, links.c.bucket_id == bucket_id)


def forget(conn: Connection, before: int, limit: int) -> int:
    """Delete at most `limit` that expired or were revoked before a time; how many."""
    ended = or_(links.c.expires_at < before, links.c.revoked_at < before)
    found = conn.execute(select(links.c.id).where(ended).order_by(links.c.id).limit(limit)).scalars().all()
    _forget(conn, links.c.id.in_(found))
    return len(found)


def _forget(conn: Connection, which: ColumnElement[bool]) -> None:
    conn.execute(delete(link_visits).where(link_visits.c.link_id.in_(select(links.c.id).where(which))))
    conn.execute(delete(links).where(which))


# Using one


def find_live(conn: Connection, digest: bytes) -> LiveLink | None:
    """None for one that is unknown, revoked, expired or of a user who isn't active."""
    row = _live.one_or_none(conn, digest=digest, at=now(conn))
    if row is None:
        return None
    own, maker = len(_of_link), len(_of_link) + len(_of_maker)
    return LiveLink._make((*row[:own], SessionUser._make(row[own:maker]), Bucket._make(row[maker:])))


def was_counted(conn: Connection, link_id: str, visitor: bytes) -> bool:
    """Whether a download of this visitor was counted within the hour."""
    return _visited.one_or_none(conn, link_id=link_id, visitor=visitor, since=now(conn) - _HOUR) is not None


def count_download(conn: Connection, actor: Actor, link_id: str, visitor: bytes, key: str) -> bool:
    """Whether there may be this one, which is counted then. To be written with `turn_of(link_id)`."""
    link = _still_live(conn, link_id)
    if link is None:
        return False
    if was_counted(conn, link_id, visitor):
        return True
    if link.max_downloads is not None and link.downloads >= link.max_downloads:
        return False
    at, downloads = now(conn), link.downloads + 1
    conn.execute(update(links).where(links.c.id == link_id).values(downloads=downloads, last_used_at=at))
    visit = insert_on_conflict(link_visits).values(link_id=link_id, visitor=visitor, counted_at=at)
    conn.execute(
        visit.on_conflict_do_update(index_elements=list(link_visits.primary_key.columns), set_={"counted_at": at})
    )
    audit.record(conn, actor, "link.download", "link", link_id, None, {"key": key, "downloads": downloads})
    return True


def count_upload(conn: Connection, actor: Actor, link_id: str, key: str, size: int) -> None:
    """In the transaction that puts the file, when what there was of it as an upload is gone. Raises NotFound where the
    drop box ended meanwhile or took its last file, and BoxFull where it has no room.
    """
    link = require_room(conn, link_id, size)
    if link.max_uploads is not None and link.uploads >= link.max_uploads:
        raise NotFound("the link isn't good any more")
    used = {"uploads": link.uploads + 1, "uploaded_bytes": link.uploaded_bytes + size, "last_used_at": now(conn)}
    conn.execute(update(links).where(links.c.id == link_id).values(used))
    audit.record(conn, actor, "link.upload", "link", link_id, None, {"key": key, "size": size})


def require_room(conn: Connection, link_id: str, more: int) -> ShareLink:
    """Of a drop box, locked: for so many bytes beside its files and what there is of unfinished ones, which are bounded
    in number. Raises NotFound where it ended meanwhile, and BoxFull.
    """
    link = _still_live(conn, link_id)
    if link is None:
        raise NotFound("the link isn't good any more")
    if link.max_bytes is not None and link.uploaded_bytes + unfinished_of(conn, link_id).bytes + more > link.max_bytes:
        raise BoxFull("there isn't so much room in the drop box")
    return link


def begin_upload(conn: Connection, link_id: str) -> None:
    """In the transaction that has begun one at a drop box. Raises NotFound, and RateLimited where too many go on."""
    require_room(conn, link_id, 0)
    if unfinished_of(conn, link_id).uploads > MOST_UNFINISHED:
        raise RateLimited("too many uploads are going on at this drop box", retry_after=60)


def unfinished_of(conn: Connection, link_id: str) -> Unfinished:
    return Unfinished._make(_unfinished.one_or_none(conn, link_id=link_id) or (0, 0))


def note_wrong_password(conn: Connection, actor: Actor, link_id: str) -> None:
    audit.record(conn, actor, "link.password", "link", link_id, outcome="failed")


def turn_of(link_id: str) -> str:
    """What those have in common who count for the same link."""
    return f"link/{link_id}"


def _still_live(conn: Connection, link_id: str) -> ShareLink | None:
    """Locked."""
    conn.execute(select(links.c.id).where(links.c.id == link_id).with_for_update())
    rows = conn.execute(_select.where(links.c.id == link_id, links.c.revoked_at.is_(None))).all()
    found = [_link(row) for row in rows]
    at = now(conn)
    return next((link for link in found if link.expires_at is None or link.expires_at > at), None)


def _link(row: Any) -> ShareLink:
    link = ShareLink._make(row)
    file_id = None if link.file_id is None else str(UUID(bytes=bytes(row.file_id)))
    return link._replace(file_id=file_id, has_password=bool(link.has_password))
