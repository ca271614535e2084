"""`s3gw bucket`: buckets, for whoever administers the store. Clients create their own through S3."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, group, session, show, when
from s3gw.config import Settings
from s3gw.errors import NoSuchBucket
from s3gw.metadata import audit, buckets, configurations, deleted_buckets, identities, uploads
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.change import Change, ChangeFacts
from s3gw.metadata.database import Connection, now
from s3gw.metadata.deleted_buckets import DeletedBucket
from s3gw.names import valid_bucket_name

app = group()

Name = Annotated[str, typer.Argument(help="The bucket's name.")]
_COLUMNS = ("name", "owner", "region", "versioning", "created_at")  # `bucket show` tells the rest
_DELETED_COLUMNS = ("id", "name", "owner", "deleted_at", "restorable_until")
_STATES = {"enabled": "Enabled", "suspended": "Suspended"}
_NOT_DISABLED = "a bucket can't be disabled or enabled: disable the keys or users that use it"


def describe(bucket: buckets.Bucket) -> dict[str, Any]:
    return {
        "name": bucket.name,
        "owner": bucket.owner_name,
        "owner_id": bucket.owner_id,
        "region": bucket.region,
        "versioning": bucket.versioning or "Off",
        "created_at": when(bucket.created_at),
    }


@app.command()
def create(
    name: Name,
    owner: Annotated[str | None, typer.Option(metavar="USER", help="Default: the admin of the first start.")] = None,
    versioning: Annotated[str | None, typer.Option(help="Enabled or Suspended; default: never enabled.")] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Create a bucket."""
    with session(data, database_url, as_json) as metadata:
        if not valid_bucket_name(name):
            raise Refused(f"{name} can't be the name of a bucket")
        state = None if versioning is None else _state(versioning)
        show(describe(metadata.write(_create, metadata.settings, name, owner, state)), as_json)


@app.command("list")
def list_(
    owner: Annotated[str | None, typer.Option(metavar="USER", help="Of this user; default: of all.")] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Those that were deleted and can be restored.")] = False,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List the buckets."""
    with session(data, database_url, as_json) as metadata:
        if deleted:
            show([_described(one) for one in metadata.read(_list_deleted, owner)], as_json, _DELETED_COLUMNS)
            return
        show([describe(bucket) for bucket in metadata.read(list_buckets, owner)], as_json, _COLUMNS)


@app.command("show")
def show_(name: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Show a bucket, with the id that the JSON API calls it by."""
    with session(data, database_url, as_json) as metadata:
        show(metadata.read(_show, name), as_json)


@app.command()
def update(
    name: Name,
    owner: Annotated[str | None, typer.Option(metavar="USER", help="Give it to this user.")] = None,
    versioning: Annotated[str | None, typer.Option(help="Enabled or Suspended.")] = None,
    public: Annotated[
        bool | None, typer.Option("--public/--private", help="Whether everybody may read its files; nobody lists them.")
    ] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Change what is given; the rest stays."""
    with session(data, database_url, as_json) as metadata:
        if owner is None and versioning is None and public is None:
            raise Refused("nothing to change: give --owner, --versioning, --public or --private")
        state = None if versioning is None else _state(versioning)
        show(describe(metadata.write(_update, name, owner, state, public)), as_json)


@app.command(hidden=True)
def disable(name: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Refused: only users and keys can be disabled."""
    with session(data, database_url, as_json):
        raise Refused(_NOT_DISABLED)


@app.command(hidden=True)
def enable(name: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Refused: only users and keys can be enabled."""
    with session(data, database_url, as_json):
        raise Refused(_NOT_DISABLED)


@app.command()
def delete(
    name: Name,
    permanent: Annotated[bool, typer.Option("--permanent", help="For good, with its trash.")] = False,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Delete an empty bucket. One that keeps trash can be restored for as long."""
    with session(data, database_url, as_json) as metadata:
        bucket = metadata.read(find_bucket, name)
        while not metadata.write(_delete_step, bucket.id, permanent):
            pass
        show(describe(bucket) | {"deleted": True}, as_json)


@app.command()
def restore(
    bucket_id: Annotated[str, typer.Argument(metavar="ID", help="As `bucket list --deleted` shows it.")],
    name: Annotated[str | None, typer.Option(help="Instead of the one that it had.")] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Bring a deleted bucket back, with its trash."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.write(_restore, bucket_id, name)), as_json)


def _show(conn: Connection, name: str) -> dict[str, Any]:
    bucket = find_bucket(conn, name)
    return {"id": buckets.uuid_of(conn, bucket.id)} | describe(bucket)


def find_bucket(conn: Connection, name: str) -> buckets.Bucket:
    bucket = buckets.find(conn, name)
    if bucket is None:
        raise NoSuchBucket(f"there is no bucket {name}")
    return bucket


def list_buckets(conn: Connection, owner: str | None) -> list[buckets.Bucket]:
    owner_id = None if owner is None else identities.find_root(conn, owner, may_be_deleted=True).id
    found: list[buckets.Bucket] = []
    while page := buckets.list_all(conn, owner_id, after=found[-1].name if found else ""):
        found += page
    return found


def _create(
    conn: Connection, settings: Settings, name: str, owner: str | None, versioning: str | None
) -> buckets.Bucket:
    user = identities.find_root(conn, owner or settings.root_user)
    bucket_id = buckets.create(
        conn, name=name, owner_id=user.id, region=settings.region, defaults=settings.bucket_defaults, now=now(conn)
    )
    audit.record(conn, COMMAND_LINE, "bucket.create", "bucket", name, None, buckets.told(conn, name))
    if versioning is not None:
        configurations.set_versioning(change_of(conn, bucket_id), versioning)
    return find_bucket(conn, name)


def _update(
    conn: Connection, name: str, owner: str | None, versioning: str | None, public: bool | None
) -> buckets.Bucket:
    change = change_of(conn, find_bucket(conn, name).id)
    if owner is not None:
        configurations.set_owner(change, identities.find_root(conn, owner).id)
    if versioning is not None:
        configurations.set_versioning(change, versioning)
    if public is not None:
        from s3gw.accounts.public_bucket import set_public  # the policy language, which other commands don't need

        set_public(change, find_bucket(conn, name), public)
    return find_bucket(conn, name)


def _delete_step(conn: Connection, bucket_id: int, permanent: bool) -> bool:
    return uploads.delete_bucket(change_of(conn, bucket_id), permanent)


def _list_deleted(conn: Connection, owner: str | None) -> list[DeletedBucket]:
    owner_id = None if owner is None else identities.find_root(conn, owner, may_be_deleted=True).id
    return deleted_buckets.list_all(conn, owner_id)


def _described(deleted: DeletedBucket) -> dict[str, Any]:
    times = {"deleted_at": when(deleted.deleted_at), "restorable_until": when(deleted.restorable_until)}
    return {"id": deleted.uuid} | describe(deleted.bucket) | times


def _restore(conn: Connection, bucket_id: str, name: str | None) -> buckets.Bucket:
    deleted = deleted_buckets.find(conn, bucket_id)
    if deleted is None:
        raise NoSuchBucket(f"no bucket of the id {bucket_id} can be restored")
    wanted = name or deleted.bucket.name
    if not valid_bucket_name(wanted):
        raise Refused(f"{wanted} can't be the name of a bucket")
    deleted_buckets.restore(change_of(conn, deleted.bucket.id), wanted)
    return find_bucket(conn, wanted)


def change_of(conn: Connection, bucket_id: int) -> Change:
    """Of whoever may run commands beside the database: no user and no request."""
    return Change(conn, ChangeFacts(bucket_id, COMMAND_LINE, "", now(conn)), ())


def _state(text: str) -> str:
    state = _STATES.get(text.lower())
    if state is None:
        raise Refused("versioning is Enabled or Suspended")
    return state
