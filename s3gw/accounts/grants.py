"""Sharing: who is given read, write or admin on a bucket, a prefix or a file, and by whom."""

from __future__ import annotations

import time
from typing import NamedTuple

from s3gw.access.grants import Kind
from s3gw.accounts.etags import etag_of, require_match
from s3gw.accounts.login import Caller
from s3gw.accounts.origin import Origin
from s3gw.metadata import buckets, grants
from s3gw.metadata.audit import Actor
from s3gw.metadata.audited import told
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import Connection
from s3gw.metadata.grants import Grant, Page
from s3gw.operations.sharing import Rights, rights_on
from s3gw.problems import Conflict, NotFound, PermissionDenied
from s3gw.services import Services


class Share(NamedTuple):
    """`grantee` is whom it is for, by `column`: user_id, username or group_id. `path` is the prefix or the key."""

    column: str
    grantee: str
    permission: str
    kind: Kind = "bucket"
    path: str = ""
    expires_at: int | None = None


class Change(NamedTuple):
    """None: as it is. `sets_expiry`: it expires then, or never."""

    permission: str | None
    sets_expiry: bool = False
    expires_at: int | None = None


async def find_bucket(
    services: Services, caller: Caller, origin: Origin, wanted: str, *, by_name: bool = False
) -> tuple[Bucket, Rights]:
    """`wanted` is its id, or its name. Raises NotFound, also where the caller may not see it."""
    find = buckets.find if by_name else buckets.find_by_uuid
    bucket = await services.database.read_shared(find, wanted)
    if bucket is None:
        raise NotFound("there is no such bucket")
    rights = await rights_on(services, caller.principal, bucket, origin.context, time.time_ns() // 1000)
    if not rights.is_seen:
        raise NotFound("there is no such bucket")
    return bucket, rights


async def share(services: Services, caller: Caller, origin: Origin, bucket_id: str, wanted: Share) -> Grant:
    """Raises NotFound, PermissionDenied, Invalid, and Conflict where the same was granted before."""
    bucket, rights = await find_bucket(services, caller, origin, bucket_id)
    _require(rights, wanted.kind, wanted.path, wanted.expires_at)
    return await services.database.write(_share, caller, bucket, wanted)


def _share(conn: Connection, caller: Caller, bucket: Bucket, wanted: Share) -> Grant:
    grantee = grants.find_grantee(conn, wanted.column, wanted.grantee)
    principal = caller.principal
    is_own = grantee.kind == "user" or grants.account_of_group(conn, grantee.id) == principal.account_owner_id
    if not is_own and principal.role != "admin":
        raise NotFound("there is no such group")
    made = grants.create(
        conn,
        bucket.id,
        grantee,
        resource_type=wanted.kind,
        path=wanted.path,
        permission=wanted.permission,
        granted_by=principal.user_id,
        expires_at=wanted.expires_at,
    )
    told(conn, caller.actor, "grant.create", None, made)
    return made


async def page(services: Services, caller: Caller, origin: Origin, bucket_id: str, offset: int, limit: int) -> Page:
    """For who may share; of an admin of a prefix or file, what lies in it. Auditors see all. Raises NotFound,
    PermissionDenied.
    """
    bucket, rights = await find_bucket(services, caller, origin, bucket_id)
    below = None if _sees_all(rights, caller) else [(grant.kind, grant.path) for grant in rights.by_grant]
    return await services.database.scan(grants.page, bucket.id, below, offset, limit)


def _sees_all(rights: Rights, caller: Caller) -> bool:
    """Who doesn't, sees what lies in what he was granted admin on. Raises PermissionDenied."""
    sees_all = rights.is_owners or caller.principal.sees_all or rights.may_share("bucket", "")
    if not sees_all and not rights.by_grant:
        raise PermissionDenied("only who may share the bucket sees who has access to it")
    return sees_all


async def find(
    services: Services, caller: Caller, origin: Origin, bucket_id: str, grantee_id: str, grant_id: str | None
) -> Grant:
    """One of those that `page` tells the caller of. Raises NotFound, PermissionDenied, and Conflict where there are
    several and none is named.
    """
    bucket, rights = await find_bucket(services, caller, origin, bucket_id)
    sees_all = _sees_all(rights, caller)
    found = await services.database.scan(_named, bucket.id, grantee_id, grant_id)
    return _only([grant for grant in found if sees_all or rights.may_share(_kind(grant), grant.path)])


def _only(found: list[Grant]) -> Grant:
    if not found:
        raise NotFound("there is no such grant")
    if len(found) > 1:
        raise Conflict("there are several grants: say which by grant_id")
    return found[0]


async def change(
    services: Services,
    caller: Caller,
    origin: Origin,
    bucket_id: str,
    grantee_id: str,
    grant_id: str | None,
    wanted: Change,
    if_match: str | None,
) -> Grant:
    """Raises Conflict where there are several and none is named, and PreconditionFailed."""
    bucket, rights = await find_bucket(services, caller, origin, bucket_id)
    which = bucket.id, grantee_id, grant_id
    return await services.database.write(_change, caller.actor, rights, *which, wanted, if_match)


def _change(
    conn: Connection,
    actor: Actor,
    rights: Rights,
    bucket_id: int,
    grantee_id: str,
    grant_id: str | None,
    wanted: Change,
    if_match: str | None,
) -> Grant:
    buckets.lock_exclusive(conn, bucket_id)
    grant = _only(_find(conn, rights, bucket_id, grantee_id, grant_id))
    require_match(if_match, etag_of(grant))
    expires_at = wanted.expires_at if wanted.sets_expiry else grant.expires_at
    _require(rights, _kind(grant), grant.path, expires_at)
    changed = grants.change(conn, grant, wanted.permission or grant.permission, expires_at)
    told(conn, actor, "grant.update", grant, changed)
    return changed


async def revoke(
    services: Services, caller: Caller, origin: Origin, bucket_id: str, grantee_id: str, grant_id: str | None
) -> None:
    """All grants of a user or group in the bucket, or one."""
    bucket, rights = await find_bucket(services, caller, origin, bucket_id)
    await services.database.write(_revoke, caller.actor, rights, bucket.id, grantee_id, grant_id)


def _revoke(
    conn: Connection, actor: Actor, rights: Rights, bucket_id: int, grantee_id: str, grant_id: str | None
) -> None:
    buckets.lock_exclusive(conn, bucket_id)  # else each of two who revoke the same at once would tell of it
    for grant in _find(conn, rights, bucket_id, grantee_id, grant_id):
        grants.remove(conn, grant)
        told(conn, actor, "grant.delete", grant, None)


def _find(conn: Connection, rights: Rights, bucket_id: int, grantee_id: str, grant_id: str | None) -> list[Grant]:
    """One or more, which the caller may all change."""
    if not rights.is_owners and not rights.by_grant:
        raise PermissionDenied("only who may share the bucket changes who has access to it")
    found = _named(conn, bucket_id, grantee_id, grant_id)
    if not found:
        raise NotFound("there is no such grant")
    if not all(rights.may_share(_kind(grant), grant.path) for grant in found):
        raise PermissionDenied("it isn't yours to change: it lies outside of what you administer")
    return found


def _named(conn: Connection, bucket_id: int, grantee_id: str, grant_id: str | None) -> list[Grant]:
    return [grant for grant in grants.of_grantee(conn, bucket_id, grantee_id) if grant_id in (None, grant.id)]


def _require(rights: Rights, kind: Kind, path: str, expires_at: int | None) -> None:
    if not rights.may_share(kind, path):
        raise PermissionDenied("you may not share this")
    if not rights.may_share_until(kind, path, expires_at):
        raise PermissionDenied("you may not share this for longer than you have it: give an earlier expires_at")


def _kind(grant: Grant) -> Kind:
    return grant.resource_type  # type: ignore[return-value]
