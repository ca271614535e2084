"""`s3gw event-target`: whom events of buckets can be told to, and what they couldn't be told.

A bucket names a target by its ARN, in the notification configuration that S3 clients put.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from s3gw.accounts import event_targets as accounts
from s3gw.accounts.event_targets import Changes, Made
from s3gw.auth.credentials import Credentials
from s3gw.auth.key_file import open_keyring
from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, Session, group, session, show, when
from s3gw.metadata import event_deliveries, event_targets, identities
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.database import Connection
from s3gw.metadata.event_targets import Target

app = group()

_COLUMNS = ("name", "arn", "kind", "address", "is_shared", "is_enabled", "failing_since", "last_error")
_DEAD_COLUMNS = ("id", "event", "key", "attempts", "error", "created_at")
Name = Annotated[str, typer.Argument(metavar="TARGET", help="Name or ID.")]


def describe(target: Target, region: str) -> dict[str, Any]:
    times = {name: when(getattr(target, name)) for name in ("failing_since", "created_at", "updated_at")}
    return {"id": target.id, "name": target.name, "arn": accounts.arn(target, region)} | target._asdict() | times


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="1 to 80 of A-Z a-z 0-9 _ -")],
    url: Annotated[str, typer.Argument(help="https://… of a webhook, redis://…, or amqp://…")],
    owner: Annotated[str | None, typer.Option(metavar="USER", help="Default: the admin of the first start.")] = None,
    secret: Annotated[
        str | None, typer.Option(help="What a webhook is signed with, whsec_…; default: made up.")
    ] = None,
    shared: Annotated[bool, typer.Option("--shared", help="Buckets of all users may name it.")] = False,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Create a target, and print the ARN by which buckets name it."""
    with session(data, database_url, as_json) as metadata:
        made = metadata.write(
            _create, _credentials(metadata), owner or metadata.settings.root_user, name, url, secret, shared
        )
        _show_made(metadata, made, as_json)


@app.command("list")
def list_(
    owner: Annotated[str | None, typer.Option(metavar="USER", help="Of this user; default: of all.")] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List targets, and since when one can't be told anything."""
    with session(data, database_url, as_json) as metadata:
        found = metadata.read(_list, owner)
        show([describe(target, metadata.settings.region) for target in found], as_json, _COLUMNS)


@app.command("show")
def show_(target: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Show a target, and how much it is still to be told."""
    with session(data, database_url, as_json) as metadata:
        show(metadata.read(_show, target, metadata.settings.region), as_json)


@app.command()
def update(
    target: Name,
    url: Annotated[str | None, typer.Option(help="Another URL. What waits is told there.")] = None,
    new_secret: Annotated[bool, typer.Option("--new-secret", help="Make up another secret, and print it.")] = False,
    shared: Annotated[
        bool | None, typer.Option("--shared/--not-shared", help="Whether buckets of all users may name it.")
    ] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether it is told anything; else all of it waits.")
    ] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Change what is given; the rest stays."""
    with session(data, database_url, as_json) as metadata:
        changes = Changes(url, new_secret, shared, enabled)
        if changes == Changes():
            raise Refused("nothing to change: give --url, --new-secret, --shared, --not-shared, --enable or --disable")
        _show_made(metadata, metadata.write(_update, _credentials(metadata), target, changes), as_json)


@app.command()
def delete(target: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Delete a target, with all that it is still to be told."""
    with session(data, database_url, as_json) as metadata:
        gone = metadata.write(_delete, target)
        show(describe(gone, metadata.settings.region) | {"deleted": True}, as_json)


@app.command()
def dead(target: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """List what a target couldn't be told within S3GW_EVENT_RETRY, the oldest first."""
    with session(data, database_url, as_json) as metadata:
        found = metadata.read(_dead, target)
        listed = [one._asdict() | {"created_at": when(one.created_at)} for one in found]
        show(listed, as_json, _DEAD_COLUMNS)


@app.command()
def retry(target: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Tell a target again what it couldn't be told."""
    with session(data, database_url, as_json) as metadata:
        count = 0
        while done := metadata.write(_retry, target):
            count += done
        show({"target": target, "retried": count}, as_json)


def _credentials(metadata: Session) -> Credentials:
    return Credentials(open_keyring(metadata.settings))


def _show_made(metadata: Session, made: Made, as_json: bool) -> None:
    described = describe(made.target, metadata.settings.region)
    show(described | ({"secret": made.secret} if made.secret else {}), as_json)
    if made.secret and not as_json:
        print("The secret isn't shown again: keep it.", file=sys.stderr)


def _create(
    conn: Connection, credentials: Credentials, owner: str, name: str, url: str, secret: str | None, shared: bool
) -> Made:
    user = identities.find_root(conn, owner)
    return accounts.create(conn, COMMAND_LINE, credentials, user.id, name, url, secret, shared)


def _list(conn: Connection, owner: str | None) -> list[Target]:
    return event_targets.list_all(conn, None if owner is None else identities.find_root(conn, owner).id)


def _show(conn: Connection, target: str, region: str) -> dict[str, Any]:
    found = event_targets.find_named(conn, target)
    return describe(found, region) | event_targets.counts(conn, found.id)._asdict()


def _update(conn: Connection, credentials: Credentials, target: str, changes: Changes) -> Made:
    found = event_targets.find_named(conn, target)
    return accounts.update(conn, COMMAND_LINE, credentials, found.id, changes)


def _delete(conn: Connection, target: str) -> Target:
    return accounts.delete(conn, COMMAND_LINE, event_targets.find_named(conn, target).id)


def _dead(conn: Connection, target: str) -> list[event_deliveries.Delivery]:
    return event_deliveries.list_dead(conn, event_targets.find_named(conn, target).id, limit=event_deliveries.MOST_DEAD)


def _retry(conn: Connection, target: str) -> int:
    return accounts.retry(conn, COMMAND_LINE, event_targets.find_named(conn, target).id)
