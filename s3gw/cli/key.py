"""`s3gw key`: access keys, with which S3 requests are signed. A secret is printed once, when its key is made."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from s3gw.auth.credentials import Credentials, new_access_key_id, new_secret_access_key
from s3gw.auth.key_file import open_keyring
from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, group, session, show, when
from s3gw.cli.options import Expires, NewExpiry, new_expiry, time_of
from s3gw.metadata import audited_removals, identities, identity_policies
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.audited import policy_told, told
from s3gw.metadata.database import Connection
from s3gw.metadata.identity_policies import Holder

if TYPE_CHECKING:
    from s3gw.cli.policy_file import PolicyFile

app = group()

_COLUMNS = ("access_key_id", "user", "description", "is_enabled", "expires_at", "last_used_at", "policies")
KeyId = Annotated[str, typer.Argument(metavar="ACCESS_KEY_ID")]
Description = Annotated[str | None, typer.Option(help="What the key is for.")]


def describe(key: identities.Key) -> dict[str, Any]:
    times = {name: when(getattr(key, name)) for name in ("expires_at", "created_at", "last_used_at")}
    return key._asdict() | times | {"is_active": key.is_enabled}


def _narrowed(conn: Connection, keys: list[identities.Key]) -> list[dict[str, Any]]:
    """With the names of the policies that narrow each, if any do."""
    names = identity_policies.names_of_keys(conn, keys[0].access_key_id if len(keys) == 1 else None)
    return [describe(key) | {"policies": names.get(key.access_key_id, [])} for key in keys]


@app.command()
def create(
    user: Annotated[str, typer.Argument(help="The user's name, ID or e-mail address.")],
    access_key_id: Annotated[str | None, typer.Option(help="A given one; default: made up.")] = None,
    secret_access_key: Annotated[str | None, typer.Option(help="A given one; default: made up.")] = None,
    description: Description = None,
    expires: Expires = None,
    policy: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Narrow it from the beginning by this policy; - is standard input."),
    ] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Create an access key for a user. Works at once: no restart is needed."""
    with session(data, database_url, as_json) as metadata:
        access_key_id = access_key_id or new_access_key_id()
        secret = secret_access_key or new_secret_access_key()
        identities.check_access_key(access_key_id, secret)
        narrowed = None
        if policy is not None:
            from s3gw.cli.policy_file import read_checked  # the policy language, which most keys don't need

            narrowed = read_checked(policy, as_json)
        document = metadata.write(
            _create,
            Credentials(open_keyring(metadata.settings)),
            secret,
            narrowed,
            user=user,
            access_key_id=access_key_id,
            description=description or "",
            expires_at=time_of(expires),
        )
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
        show(metadata.read(_list, user), as_json, _COLUMNS)


@app.command("show")
def show_(access_key_id: KeyId, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Show an access key, without its secret."""
    with session(data, database_url, as_json) as metadata:
        show(metadata.read(_show, access_key_id), as_json)


@app.command()
def update(
    access_key_id: KeyId,
    description: Description = None,
    expires: NewExpiry = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Change what is given; the rest stays."""
    with session(data, database_url, as_json) as metadata:
        changes: dict[str, Any] = {} if description is None else {"description": description}
        if expires is not None:
            changes["expires_at"] = new_expiry(expires)
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
        show(
            describe(metadata.write(audited_removals.delete_key, COMMAND_LINE, access_key_id)) | {"deleted": True},
            as_json,
        )


def _list(conn: Connection, user: str | None) -> list[dict[str, Any]]:
    return _narrowed(conn, identities.list_keys(conn, user))


def _show(conn: Connection, access_key_id: str) -> dict[str, Any]:
    return _narrowed(conn, [identities.find_key(conn, access_key_id)])[0]


def _create(
    conn: Connection, credentials: Credentials, secret: str, narrowed: PolicyFile | None, **fields: Any
) -> dict[str, Any]:
    sample = identities.any_sealed_secret(conn)
    if sample is not None:
        credentials.unseal(*sample)  # raises if the master key is another: the server couldn't read what we seal
    sealed = credentials.seal_in(conn, fields["access_key_id"], secret)
    key = identities.create_key(conn, sealed_secret=sealed, **fields)
    told(conn, COMMAND_LINE, "key.create", None, key)
    if narrowed is not None:
        holder = Holder("key", key.access_key_id, key.access_key_id)
        policy_told(conn, COMMAND_LINE, holder, None, identity_policies.put(conn, holder, *narrowed))
    return _narrowed(conn, [key])[0]
