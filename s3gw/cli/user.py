"""`s3gw user`: the people and programs that may use the store."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from s3gw.auth.passwords import hash_password
from s3gw.cli import totp
from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, group, session, show, when
from s3gw.metadata import deleted_users, groups, identities, identity_policies
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.database import Connection
from s3gw.metadata.identity_policies import Holder

app = group()
app.add_typer(totp.app, name="totp", help="Second factors: show, reset.")

Name = Annotated[str, typer.Argument(help="Name, ID or e-mail address.")]
Email = Annotated[str | None, typer.Option(help="E-mail address, unique.")]
DisplayName = Annotated[str | None, typer.Option(help="What others see; default: the name.")]
Role = Annotated[
    str | None,
    typer.Option(
        help="user, auditor (sees users and the audit log too) or admin (everything); in another's account: user."
    ),
]
Account = Annotated[
    str | None, typer.Option(metavar="OWNER", help="In this user's account, whose its buckets are; default: its own.")
]
Password = Annotated[str | None, typer.Option(help="For the JSON API; S3 clients use access keys.")]

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
    moments = ("created_at", "updated_at", "deleted_at", "email_verified_at")
    times = {name: when(getattr(user, name)) for name in moments}
    named = {
        "username": user.name,
        "is_active": user.is_enabled,
        "email_verified": user.email_verified_at is not None,
        "owner_id": user.account_owner_id,
    }
    return user._asdict() | times | {"arn": user.arn} | named


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="3 to 50 of A-Z a-z 0-9 _ . -")],
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
        address = None if email is None else _address(email)
        user = metadata.change(
            "user.create",
            identities.create_user,
            name=name,
            email=address,
            display_name=display_name,
            role=role,
            password_hash=None if password is None else _hash(password, name, address),
            account=account,
        )
        show(describe(user), as_json)


@app.command("list")
def list_(
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Those that can be restored, instead of the others.")
    ] = False,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List the users."""
    with session(data, database_url, as_json) as metadata:
        found = [user for user in metadata.read(identities.list_users) if (user.deleted_at is not None) == deleted]
        show([describe(user) for user in found], as_json, (*_COLUMNS, "deleted_at") if deleted else _COLUMNS)


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
    """Change what is given; the rest stays. Nobody has confirmed a new address yet: its user asks for a link to it."""
    given = {"name": new_name, "email": email, "display_name": display_name, "role": role}
    changes = {field: value for field, value in given.items() if value is not None}
    with session(data, database_url, as_json) as metadata:
        if email:
            changes["email"] = _address(email)
        show(describe(metadata.change("user.update", _update, name, changes)), as_json)


@app.command()
def password(
    name: Name,
    password: Annotated[str | None, typer.Option(help="Asked for when it isn't given.")] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Set a user's password: from --password, the terminal, or the first line of standard input. Its sessions end."""
    with session(data, database_url, as_json) as metadata:
        password = _ask() if password is None else password
        user = metadata.read(identities.find_user, name)
        hashed = _hash(password, user.name, user.email)
        user = metadata.change("user.password", identities.set_password, user.id, hashed)
        show(describe(user), as_json)


@app.command()
def disable(name: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Refuse whatever is asked with the user's keys or password, and end its sessions."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.change("user.disable", identities.set_user_enabled, name, False)), as_json)


@app.command()
def enable(name: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Undo `disable`."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.change("user.enable", identities.set_user_enabled, name, True)), as_json)


@app.command()
def delete(
    name: Name,
    data_after: Annotated[
        str,
        typer.Option(
            "--data-after",
            metavar="WHAT",
            help="Of its buckets and objects: keep (an admin has them once it can't be restored), delete (they are"
            " removed then), or transfer:USER (who has them at once).",
        ),
    ] = "keep",
    at_once: Annotated[
        bool, typer.Option("--now", help="For good: it can't be restored. Refused while it owns a bucket.")
    ] = False,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Delete a user. Its access keys, sessions and grants end at once; for a while it can be restored."""
    with session(data, database_url, as_json) as metadata:
        if at_once:
            show(describe(metadata.write(deleted_users.delete_now, COMMAND_LINE, name)) | {"deleted": True}, as_json)
        else:
            show(describe(metadata.write(_delete, name, data_after)) | {"deleted": True}, as_json)


@app.command()
def restore(name: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Undo `delete`, but for access keys, sessions and grants, and for what was transferred."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.write(_restore, name)), as_json)


def _delete(conn: Connection, name: str, data_after: str) -> identities.User:
    """Whom it is transferred to is named here as in all commands."""
    kind, _, heir = data_after.partition(":")
    after = f"transfer:{identities.find_root(conn, heir).id}" if kind == "transfer" and heir else data_after
    user = identities.find_user(conn, name)
    return deleted_users.delete_softly(conn, COMMAND_LINE, user.id, deleted_users.parse_data_after(after))


def _restore(conn: Connection, name: str) -> identities.User:
    return deleted_users.restore(conn, COMMAND_LINE, identities.find_user(conn, name).id)


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


def _address(email: str) -> str:
    from s3gw.accounts.registration import normal_email  # with a library that other commands don't need

    return normal_email(email)


def _ask() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _hash(password: str, *about: str | None) -> str:
    from s3gw.accounts.passwords import check_password_now

    if not password:
        raise Refused("a password can't be empty")
    check_password_now(password, about)
    return hash_password(password)
