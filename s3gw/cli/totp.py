"""`s3gw user totp`: second factors of users, who enrol themselves at the JSON API."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from s3gw.accounts import second_factor
from s3gw.cli.command import Data, DatabaseUrl, Json, group, session, show, when
from s3gw.metadata import identities, totp
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.database import Connection

app = group()
Name = Annotated[str, typer.Argument(help="Name, ID or e-mail address.")]


@app.command("show")
def show_(name: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Tell whether a user has a second factor, and how many recovery codes are left."""
    with session(data, database_url, as_json) as metadata:
        show(metadata.read(_described, name), as_json)


@app.command()
def reset(name: Name, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Take a user's second factor away: with app and recovery codes lost, the password alone lets in then."""
    with session(data, database_url, as_json) as metadata:
        show(metadata.write(_reset, name), as_json)


def _described(conn: Connection, name: str) -> dict[str, Any]:
    user = identities.find_user(conn, name)
    found = totp.told(conn, user.id)
    return {"name": user.name, "id": user.id} | found | {"confirmed_at": when(found["confirmed_at"])}


def _reset(conn: Connection, name: str) -> dict[str, Any]:
    second_factor.reset(conn, COMMAND_LINE, identities.find_user(conn, name))
    return _described(conn, name)
