"""`s3gw key`: access keys, with which S3 requests are signed. A secret is printed once, when its key is made."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from s3gw.auth.credentials import Credentials, new_access_key_id, new_secret_access_key
from s3gw.auth.master_key import find_master_key
from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, group, parse_time, session, show, when
from s3gw.metadata import identities
from s3gw.metadata.database import Connection

app = group()

KeyId = Annotated[str, typer.Argument(metavar="ACCESS_KEY_ID")]
Description = Annotated[str | None, typer.Option(help="What the key is for.")]
Expires = Annotated[str | None, typer.Option(metavar="TIME", help="2030-12-31 or 2030-12-31T12:00:00Z.")]


def describe(key: identities.Key) -> dict[str, Any]:
    return key._asdict() | {"expires_at": when(key.expires_at), "created_at": when(key.created_at)}


@app.command()
def create(
    user: Annotated[str, typer.Argument(help="The user's name, ID or e-mail address.")],
    access_key_id: Annotated[str | None, typer.Option(help="A given one; default: made up.")] = None,
    secret_access_key: Annotated[str | None, typer.Option(help="A given one; default: made up.")] = None,
    description: Description = None,
    expires: Expires = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Create an access key for a user. Works at once: no restart is needed."""
    with session(data, database_url, as_json) as metadata:
        access_key_id = access_key_id or new_access_key_id()
        secret = secret_access_key or new_secret_access_key()
        identities.check_access_key(access_key_id, secret)
        key = metadata.change(
            "key.create",
            _create,
            Credentials(find_master_key(metadata.settings)),
            secret,
            user=user,
            access_key_id=access_key_id,
            description=description or "",
            expires_at=None if expires is None else parse_time(expires),
        )
        document = describe(key)
        identifier = document.pop("access_key_id")
        show({"access_key_id": identifier, "secret_access_key": secret} | document, as_json)
        if not as_json:
            print("The secret access key isn't shown again: keep it.", file=sys.stderr)


@app.command("list")
def list_(
    user: Annotated[str | None, typer.Argument(help="Of this user; default: of all.")] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List access keys, without their secrets."""
    with session(data, database_url, as_json) as metadata:
        show([describe(key) for key in metadata.read(identities.list_keys, user)], as_json)


@app.command("show")
def show_(access_key_id: KeyId, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Show an access key, without its secret."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.read(identities.find_key, access_key_id)), as_json)


@app.command()
def update(
    access_key_id: KeyId,
    description: Description = None,
    expires: Annotated[str | None, typer.Option(metavar="TIME", help="A time, or 'never'.")] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Change what is given; the rest stays."""
    with session(data, database_url, as_json) as metadata:
        changes: dict[str, Any] = {} if description is None else {"description": description}
        if expires is not None:
            changes["expires_at"] = None if expires == "never" else parse_time(expires)
        if not changes:
            raise Refused("nothing to change: give --description or --expires")
        show(describe(metadata.change("key.update", identities.update_key, access_key_id, **changes)), as_json)


@app.command()
def disable(access_key_id: KeyId, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Refuse requests signed with the key, from the next one on."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.change("key.disable", identities.update_key, access_key_id, is_enabled=False)), as_json)


@app.command()
def enable(access_key_id: KeyId, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Undo `disable`."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.change("key.enable", identities.update_key, access_key_id, is_enabled=True)), as_json)


@app.command()
def delete(access_key_id: KeyId, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Delete an access key."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.change("key.delete", identities.delete_key, access_key_id)) | {"deleted": True}, as_json)


def _create(conn: Connection, credentials: Credentials, secret: str, **fields: Any) -> identities.Key:
    sample = identities.any_sealed_secret(conn)
    if sample is not None:
        credentials.unseal(*sample)  # raises if the master key is another: the server couldn't read what we seal
    sealed = credentials.seal(fields["access_key_id"], secret)
    return identities.create_key(conn, sealed_secret=sealed, **fields)
