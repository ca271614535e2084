"""`s3gw group`: users of one account who hold policies together. `s3gw policy put --group` gives a group a policy."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from s3gw.cli.command import Data, DatabaseUrl, Json, group, session, show, when
from s3gw.metadata import audited_removals, groups, identity_policies
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.database import Connection
from s3gw.metadata.identity_policies import Holder

app = group()

_COLUMNS = ("name", "account_owner", "members", "created_at")  # `group show` tells the rest
Name = Annotated[
    str, typer.Argument(metavar="GROUP", help="Name, or ID where groups of several accounts have the name.")
]
User = Annotated[str, typer.Argument(help="Name, ID or e-mail address of a user of the group's account.")]


def describe(group: groups.Group) -> dict[str, Any]:
    return {
        "id": group.id,
        "name": group.name,
        "owner_id": group.account_owner_id,
        "account_owner": group.account_owner,
        "members": list(group.members),
        "created_at": when(group.created_at),
    }


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="1 to 64 of A-Z a-z 0-9 _ + = , . @ -")],
    account: Annotated[
        str | None, typer.Option(metavar="OWNER", help="For users of this user's account; needed if there are several.")
    ] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Create a group without members."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.change("group.create", groups.create, name, account)), as_json)


@app.command()
def add(name: Name, user: User, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Add a user, who from the next request on may what the group's policies allow."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.change("group.add", groups.add, name, user)), as_json)


@app.command()
def remove(name: Name, user: User, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Undo `add`."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.change("group.remove", groups.remove, name, user)), as_json)


@app.command("list")
def list_(
    account: Annotated[str | None, typer.Option(metavar="OWNER", help="Of this account; default: of all.")] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List the groups and their members."""
    with session(data, database_url, as_json) as metadata:
        show([describe(found) for found in metadata.read(groups.list_all, account)], as_json, _COLUMNS)


@app.command("show")
def show_(name: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Show a group, its members and the names of its policies."""
    with session(data, database_url, as_json) as metadata:
        show(metadata.read(_described, name), as_json)


@app.command()
def update(
    name: Name,
    new_name: Annotated[str, typer.Option("--name", help="A new name.")],
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Rename a group. Its policies and grants stay its own."""
    with session(data, database_url, as_json) as metadata:
        show(describe(metadata.change("group.update", groups.rename, name, new_name)), as_json)


@app.command()
def delete(name: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Delete a group with its policies. Its members stay users, without what these allowed."""
    with session(data, database_url, as_json) as metadata:
        show(metadata.write(_delete, name), as_json)


def _described(conn: Connection, name: str) -> dict[str, Any]:
    group = groups.find(conn, name)
    policies = identity_policies.of_holder(conn, Holder("group", group.id, group.name))
    return describe(group) | {"policies": [policy.name for policy in policies]}


def _delete(conn: Connection, name: str) -> dict[str, Any]:
    """The members and policies too that it had."""
    described = _described(conn, name)
    audited_removals.delete_group(conn, COMMAND_LINE, name)
    return described | {"deleted": True}
