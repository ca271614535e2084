"""Share links: who may make, see, change and revoke them. What a link gives is asked of its maker's rights at each use
(operations/link_rights.py), so whoever may read a file may make a link to it, as he could presign its URL.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from s3gw.accounts.etags import etag_of as hashed
from s3gw.accounts.etags import require_match
from s3gw.accounts.grants import find_bucket
from s3gw.accounts.login import Caller, digest_of
from s3gw.accounts.origin import Origin
from s3gw.addresses import share_address
from s3gw.errors import AccessDenied, NoSuchKey
from s3gw.metadata import buckets, objects, share_links
from s3gw.metadata.audit import Actor
from s3gw.metadata.audited import told
from s3gw.metadata.audited_removals import revoke_link
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import Connection, now
from s3gw.metadata.share_links import Kind, NewLink, Page, ShareLink
from s3gw.operations.authorize import may_be_told
from s3gw.operations.call import Call, Input
from s3gw.operations.link_rights import needed
from s3gw.operations.perform import perform
from s3gw.operations.sharing import Rights, rights_on
from s3gw.problems import Conflict, Fault, Invalid, NotFound, PermissionDenied
from s3gw.services import Services

_USAGE = ("downloads", "uploads", "uploaded_bytes", "last_used_at")


class Wanted(NamedTuple):
    kind: Kind
    file_id: str | None = None
    prefix: str = ""
    password: str | None = None
    max_downloads: int | None = None
    max_bytes: int | None = None
    expires_at: int | None = None
    max_uploads: int | None = None


class Made(NamedTuple):
    """`url` has the token, and is told this once."""

    link: ShareLink
    url: str


def etag_of(link: ShareLink) -> str:
    """Of what is set for it, however often it was used."""
    return hashed({name: value for name, value in link._asdict().items() if name not in _USAGE})


async def create(services: Services, caller: Caller, origin: Origin, bucket_id: str, wanted: Wanted) -> Made:
    """Raises NotFound, PermissionDenied where the caller may not do himself what it is for, Invalid and Conflict."""
    bucket, _ = await find_bucket(services, caller, origin, bucket_id)
    file_id = None if wanted.file_id is None else UUID(wanted.file_id).bytes
    await _require_right(services, caller, origin, bucket, wanted, file_id)
    token = secrets.token_urlsafe(32)
    new = NewLink(
        digest_of(token),
        caller.principal.user_id,
        bucket.id,
        wanted.kind,
        file_id,
        wanted.prefix,
        None if wanted.password is None else await services.passwords.hash(wanted.password),
        secrets.token_bytes(16),
        wanted.max_downloads,
        wanted.max_bytes,
        wanted.expires_at,
        wanted.max_uploads,
    )
    link = await services.database.write(_create, caller.actor, new)
    settings = services.settings
    return Made(link, f"{share_address(settings.share_url, settings.share_listen)}/{token}")


def _create(conn: Connection, actor: Actor, new: NewLink) -> ShareLink:
    _require_future(conn, new.expires_at)
    made = share_links.create(conn, new)
    told(conn, actor, "link.create", None, made)
    return made


async def _require_right(
    services: Services, caller: Caller, origin: Origin, bucket: Bucket, wanted: Wanted, file_id: bytes | None
) -> None:
    found: Input = {}
    if file_id is not None:
        version = await services.database.read(objects.find_file, file_id)
        if version is None or version.bucket_id != bucket.id:
            raise NotFound("there is no such file")
        found = {"Key": version.key, "FileId": file_id}
    operation, input, row = needed(wanted.kind, wanted.prefix, found)
    call = Call(
        services,
        caller.principal,
        {"Bucket": bucket.name, **input},
        origin.request_id,
        time.time_ns() // 1000,
        bucket=bucket,
        context=origin.context,
        door="api",
        operation=operation,
    )
    try:
        await perform(call, row)
    except NoSuchKey:
        raise NotFound("there is no such file") from None
    except AccessDenied:
        if file_id is not None and not caller.principal.sees_all and not may_be_told(call):
            raise NotFound("there is no such file") from None  # as of an id that is nobody's
        raise PermissionDenied("you may not do yourself what the link would be for") from None


async def page(services: Services, caller: Caller, origin: Origin, bucket_id: str, offset: int, limit: int) -> Page:
    """Those that the caller made; for the bucket's owner, admins and auditors all. Raises NotFound."""
    bucket, rights = await find_bucket(services, caller, origin, bucket_id)
    sees_all = rights.is_owners or caller.principal.sees_all
    user_id = None if sees_all else caller.principal.user_id
    return await services.database.scan(share_links.page, bucket.id, user_id, offset, limit)


async def find(services: Services, caller: Caller, origin: Origin, link_id: str) -> ShareLink:
    """Raises NotFound."""
    link = await services.database.scan(share_links.find, link_id)
    if not caller.principal.role == "auditor" and not await _governs(services, caller, origin, link):
        raise NotFound("there is no such link")
    return link


async def _governs(services: Services, caller: Caller, origin: Origin, link: ShareLink) -> bool:
    """Whether it is the caller's, or of a bucket that is."""
    if link.user_id == caller.principal.user_id:
        return True
    bucket = await services.database.read(buckets.find_by_uuid, link.bucket_uuid)
    if bucket is None:
        return False
    rights: Rights = await rights_on(services, caller.principal, bucket, origin.context, time.time_ns() // 1000)
    return rights.is_owners or caller.principal.role == "admin"


async def _to_change(services: Services, caller: Caller, origin: Origin, link_id: str) -> None:
    link = await find(services, caller, origin, link_id)
    if not await _governs(services, caller, origin, link):
        raise PermissionDenied("only who made it and the bucket's owner may change it")


async def update(
    services: Services, caller: Caller, origin: Origin, link_id: str, fields: Mapping[str, Any], if_match: str | None
) -> ShareLink:
    """`fields`: password (None: none any more), expires_at, max_downloads, max_bytes, max_uploads. Raises Conflict for
    one that was revoked, and PreconditionFailed.
    """
    await _to_change(services, caller, origin, link_id)
    columns = {name: value for name, value in fields.items() if name != "password"}
    if "password" in fields:
        password = fields["password"]
        columns["password_hash"] = None if password is None else await services.passwords.hash(password)
    return await services.database.write(_update, caller.actor, link_id, columns, if_match)


def _update(
    conn: Connection, actor: Actor, link_id: str, columns: Mapping[str, Any], if_match: str | None
) -> ShareLink:
    link = share_links.lock(conn, link_id)
    require_match(if_match, etag_of(link))
    if link.revoked_at is not None:
        raise Conflict("the link was revoked, for good: make another")
    require_limits(link.kind, columns)
    _require_future(conn, columns.get("expires_at"))
    changed = share_links.change(conn, link, columns)
    told(conn, actor, "link.update", link, changed)
    return changed


def require_limits(kind: str, limits: Mapping[str, Any]) -> None:
    """Raises Invalid for one that such a link has no use for."""
    told = f"a link to a {kind} has none" if kind != "drop" else "nothing is downloaded from a drop box"
    for of_others in ("max_downloads",) if kind == "drop" else ("max_bytes", "max_uploads"):
        if limits.get(of_others) is not None:
            raise Invalid(f"{of_others}: {told}", faults=(Fault(of_others, told),))


def _require_future(conn: Connection, expires_at: int | None) -> None:
    if expires_at is not None and expires_at <= now(conn):
        raise Invalid("it would have expired already", faults=(Fault("expires_at", "is over"),))


async def revoke(services: Services, caller: Caller, origin: Origin, link_id: str) -> None:
    """For good. Again it changes nothing."""
    await _to_change(services, caller, origin, link_id)
    await services.database.write(revoke_now, caller.actor, link_id)


def revoke_now(conn: Connection, actor: Actor, link_id: str) -> ShareLink:
    """Raises NotFound."""
    link = share_links.lock(conn, link_id)
    return link if link.revoked_at is not None else revoke_link(conn, actor, link)
