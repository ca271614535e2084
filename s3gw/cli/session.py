"""`s3gw session`: where people are logged in. What is ended ends at once, on every worker and node."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, group, session, show, when
from s3gw.metadata import audit, identities, sessions
from s3gw.metadata.database import Connection
from s3gw.metadata.sessions import Session
from s3gw.problems import NotFound

app = group()

_COLUMNS = ("id", "user", "address", "user_agent", "last_used_at", "expires_at")


@app.command("list")
def list_(
    user: Annotated[str | None, typer.Argument(help="Name, ID or e-mail address; default: of all.")] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List sessions that last, the one that was used last first."""
    with session(data, database_url, as_json) as metadata:
        show(metadata.read(_list, user), as_json, _COLUMNS)


@app.command()
def end(
    session_id: Annotated[
        str | None, typer.Argument(metavar="[SESSION_ID]", help="As `s3gw session list` tells it.")
    ] = None,
    user: Annotated[str | None, typer.Option(metavar="NAME", help="All sessions of this user.")] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """End a session, or all of a user. Access keys go on."""
    with session(data, database_url, as_json) as metadata:
        if (session_id is None) == (user is None):
            raise Refused("give the ID of a session, or --user and a name")
        ended = metadata.write(_end_all, user) if user is not None else [metadata.write(_end, session_id)]
        show(ended if user is not None else ended[0], as_json, _COLUMNS)


def _described(found: Session, name: str) -> dict[str, Any]:
    times = {field: when(getattr(found, field)) for field in ("created_at", "last_used_at", "expires_at", "ended_at")}
    return {"id": found.id, "user": name} | found._asdict() | times


def _list(conn: Connection, user: str | None) -> list[dict[str, Any]]:
    user_id = None if user is None else identities.find_user(conn, user).id
    found = sessions.list_active(conn, user_id)
    names = {one.user_id: identities.find_user_by_id(conn, one.user_id).name for one in found}
    return [_described(one, names[one.user_id]) for one in found]


def _end(conn: Connection, session_id: str) -> dict[str, Any]:
    found = sessions.find(conn, session_id)
    if found is None or not sessions.end(conn, session_id, "revoked"):
        raise NotFound(f"there is no session {session_id} that lasts")
    audit.record(conn, audit.COMMAND_LINE, "session.end", "session", session_id, {"user_id": found.user_id})
    ended = sessions.find(conn, session_id)
    assert ended is not None, "it was there"
    return _described(ended, identities.find_user_by_id(conn, found.user_id).name)


def _end_all(conn: Connection, user: str) -> list[dict[str, Any]]:
    user_id = identities.find_user(conn, user).id
    return [_end(conn, found.id) for found in sessions.list_active(conn, user_id)]
