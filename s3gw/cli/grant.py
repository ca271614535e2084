"""`s3gw grant`: what of a bucket users and groups were granted. It counts from their next request on."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, group, session, show, when
from s3gw.cli.options import Expires, NewExpiry, Permission, new_expiry, time_of
from s3gw.metadata import buckets, grants, identities
from s3gw.metadata import groups as groups_table
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.audited import told
from s3gw.metadata.database import Connection
from s3gw.metadata.grants import Grant, Grantee
from s3gw.problems import NotFound

app = group()

_COLUMNS = ("id", "bucket", "resource_type", "path", "grantee", "permission", "expires_at")
_EVERY = 1_000_000
GrantId = Annotated[str, typer.Argument(metavar="GRANT_ID", help="As `s3gw grant list` tells it.")]


@app.command()
def create(
    bucket: Annotated[str, typer.Argument()],
    permission: Annotated[Permission, typer.Option(help="read; write, which uploads too; admin, which deletes too.")],
    user: Annotated[str | None, typer.Option(metavar="NAME", help="To this user, of whatever account.")] = None,
    to_group: Annotated[
        str | None, typer.Option("--group", metavar="NAME", help="To the members of this group.")
    ] = None,
    prefix: Annotated[str | None, typer.Option(help="Only of keys that begin with it.")] = None,
    key: Annotated[str | None, typer.Option(help="Only of this file.")] = None,
    expires: Expires = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Grant something of a bucket, in its owner's name."""
    with session(data, database_url, as_json) as metadata:
        if (user is None) == (to_group is None):
            raise Refused("give one of --user and --group")
        if prefix and key is not None:
            raise Refused("give --prefix or --key, not both")
        kind = "file" if key is not None else "prefix" if prefix else "bucket"
        path, until = key or prefix or "", time_of(expires)
        made = metadata.write(_create, bucket, user, to_group, kind, path, permission, until)
        show(_described(made), as_json)


@app.command("list")
def list_(
    bucket: Annotated[str | None, typer.Argument(help="Of this bucket; default: of all.")] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List what was granted, what has expired too."""
    with session(data, database_url, as_json) as metadata:
        show([_described(grant) for grant in metadata.read(_list, bucket)], as_json, _COLUMNS)


@app.command()
def update(
    grant_id: GrantId,
    permission: Annotated[Permission | None, typer.Option(help="read, write or admin.")] = None,
    expires: NewExpiry = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Change what is given; the rest stays."""
    with session(data, database_url, as_json) as metadata:
        if permission is None and expires is None:
            raise Refused("nothing to change: give --permission or --expires")
        show(_described(metadata.write(_update, grant_id, permission, expires)), as_json)


@app.command()
def delete(grant_id: GrantId, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Take a grant back. It counts from the next request on."""
    with session(data, database_url, as_json) as metadata:
        show(_described(metadata.write(_delete, grant_id)) | {"deleted": True}, as_json)


def _described(grant: Grant) -> dict[str, Any]:
    document = grant._asdict() | {"expires_at": when(grant.expires_at), "created_at": when(grant.created_at)}
    document["bucket_id"] = document.pop("bucket_uuid")
    document["resource_id"] = document["bucket_id"] if grant.resource_type == "bucket" else grant.path
    return document


def _bucket(conn: Connection, name: str) -> buckets.Bucket:
    found = buckets.find(conn, name)
    if found is None:
        raise NotFound(f"there is no bucket {name}")
    return found


def _create(
    conn: Connection,
    name: str,
    user: str | None,
    group: str | None,
    kind: str,
    path: str,
    permission: str,
    expires_at: int | None,
) -> Grant:
    bucket = _bucket(conn, name)
    if user is not None:
        found = identities.find_user(conn, user)
        if found.deleted_at is not None:
            raise identities.Deleted(found.name)
        grantee = Grantee("user", found.id, found.name)
    else:
        assert group is not None
        members = groups_table.find(conn, group)
        grantee = Grantee("group", members.id, members.name)
    made = grants.create(
        conn,
        bucket.id,
        grantee,
        resource_type=kind,
        path=path,
        permission=permission,
        granted_by=bucket.owner_id,
        expires_at=expires_at,
    )
    told(conn, COMMAND_LINE, "grant.create", None, made)
    return made


def _list(conn: Connection, name: str | None) -> list[Grant]:
    return grants.page(conn, None if name is None else _bucket(conn, name).id, None, 0, _EVERY).grants


def _update(conn: Connection, grant_id: str, permission: str | None, expires: str | None) -> Grant:
    grant = grants.find(conn, None, grant_id)
    until = grant.expires_at if expires is None else new_expiry(expires)
    changed = grants.change(conn, grant, permission or grant.permission, until)
    told(conn, COMMAND_LINE, "grant.update", grant, changed)
    return changed


def _delete(conn: Connection, grant_id: str) -> Grant:
    grant = grants.find(conn, None, grant_id)
    grants.remove(conn, grant)
    told(conn, COMMAND_LINE, "grant.delete", grant, None)
    return grant
