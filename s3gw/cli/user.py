"""`s3gw user`: the people and programs that may use the store."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from s3gw.auth.passwords import hash_password
from s3gw.cli import totp
from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, group, session, show, when
from s3gw.metadata import groups, identities, identity_policies
from s3gw.metadata.database import Connection
from s3gw.metadata.identity_policies import Holder

app = group()
app.add_typer(totp.app, name="totp", help="Second factors: show, reset.")

Name = Annotated[str, typer.Argument(help="Name, ID or e-mail address.")]
Email = Annotated[str | None, typer.Option(help="E-mail address, unique.")]
DisplayName = Annotated[str | None, typer.Option(help="What others see; default: the name.")]
Role = Annotated[
    str | None,
    typer.Option(help="user, auditor (as user yet) or admin (may do everything); in another's account: user."),
]
Account = Annotated[
    str | None, typer.Option(metavar="OWNER", help="In this user's account, whose its buckets are; default: its own.")
]
Password = Annotated[str | None, typer.Option(help="Nothing asks for it yet: S3 clients use access keys.")]

_COLUMNS = (
    "name",
    "role",
    "is_enabled",
    "email",
    "account_id",
    "account_owner",
    "created_at",
)  # `user show` tells the rest


def describe(user: identities.User) -> dict[str, Any]:
    times = {name: when(getattr(user, name)) for name in ("created_at", "updated_at", "deleted_at")}
    return user._asdict() | times | {"arn": user.arn}


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="1 to 64 of A-Z a-z 0-9 _ + = , . @ -")],
    email: Email = None,
    display_name: DisplayName = None,
    role: Role = "user",
    account: Account = None,
    password: Password = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Create a user. `s3gw key create NAME` gives it an access key."""
    with session(data, database_url, as_json) as metadata:
        user = metadata.change(
            "user.create",
            identities.create_user,
            name=name,
            email=email,
            display_name=display_name,
            role=role,
            password_hash=None if password is None else _hash(password),
            account=account,
        )
        show(describe(user), as_json)


@app.command("list")
def list_(data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """List the users."""
    with session(data, database_url, as_json) as metadata:
        show([describe(user) for user in metadata.read(identities.list_users)], as_json, _COLUMNS)


@app.command("show")
def show_(name: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Show a user, what policies call it, and its access keys, groups and policies."""
    with session(data, database_url, as_json) as metadata:
        show(metadata.read(_described, name), as_json)


@app.command()
def update(
    name: Name,
    new_name: Annotated[str | None, typer.Option("--name", help="A new name.")] = None,
    email: Annotated[str | None, typer.Option(help="'' takes it away.")] = None,
    display_name: DisplayName = None,
    role: Role = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Change what is given; the rest stays."""
    given = {"name": new_name, "email": email, "display_name": display_name, "role": role}
    changes = {field: value for field, value in given.items() if value is not None}
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.change("user.update", _update, name, changes)), as_json)


@app.command()
def password(
    name: Name,
    password: Annotated[str | None, typer.Option(help="Asked for when it isn't given.")] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Set a user's password: from --password, the terminal, or the first line of standard input."""
    with session(data, database_url, as_json) as metadata:
        password = _ask() if password is None else password
        user = metadata.change("user.password", _update, name, {"password_hash": _hash(password)})
        show(describe(user), as_json)


@app.command()
def disable(name: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Refuse whatever is asked with the user's keys or password."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.change("user.disable", identities.set_user_enabled, name, False)), as_json)


@app.command()
def enable(name: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Undo `disable`."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.change("user.enable", identities.set_user_enabled, name, True)), as_json)


@app.command()
def delete(name: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Delete a user that owns no bucket and has nobody in its account, with its access keys and policies."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.change("user.delete", identities.delete_user, name)) | {"deleted": True}, as_json)


def _described(conn: Connection, name: str) -> dict[str, Any]:
    user = identities.find_user(conn, name)
    policies = identity_policies.of_holder(conn, Holder("user", user.id, user.name))
    return describe(user) | {
        "access_keys": [key.access_key_id for key in identities.list_keys(conn, user.id)],
        "groups": groups.names_of_user(conn, user),
        "policies": [policy.name for policy in policies],
    }


def _update(conn: Connection, name: str, changes: dict[str, str | None]) -> identities.User:
    return identities.update_user(conn, name, **changes)


def _ask() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _hash(password: str) -> str:
    if not password:
        raise Refused("a password can't be empty")
    return hash_password(password)
