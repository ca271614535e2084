"""`s3gw invite`: who may register where registration isn't open. An invitation works once, and is shown once."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from s3gw.accounts import links
from s3gw.cli.command import Data, DatabaseUrl, Json, group, session, show, when
from s3gw.metadata import one_time_tokens
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.one_time_tokens import Invitation

app = group()

_COLUMNS = ("id", "email", "created_by", "created_at", "expires_at")


@app.command()
def create(
    email: Annotated[
        str | None, typer.Option(help="Where it is sent, and who alone may use it; default: whoever has it.")
    ] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Invite somebody, for a week."""
    with session(data, database_url, as_json) as metadata:
        settings = metadata.settings
        made = metadata.run(lambda database: links.invite(database, settings, COMMAND_LINE, email))
        told = {"id": made.id, "invitation": made.token, "email": made.email, "expires_at": when(made.expires_at)}
        show(told, as_json)
        if not as_json:
            print("The invitation isn't shown again: pass it on.", file=sys.stderr)


@app.command("list")
def list_(data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """List invitations that can still be used."""
    with session(data, database_url, as_json) as metadata:
        show([_described(found) for found in metadata.read(one_time_tokens.list_invitations)], as_json, _COLUMNS)


@app.command()
def revoke(
    invitation_id: Annotated[str, typer.Argument(metavar="ID", help="As `s3gw invite list` tells it.")],
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Take an invitation back."""
    with session(data, database_url, as_json) as metadata:
        revoked = metadata.write(links.revoke_invitation, COMMAND_LINE, invitation_id)
        show(_described(revoked) | {"revoked": True}, as_json)


def _described(found: Invitation) -> dict[str, Any]:
    return found._asdict() | {"created_at": when(found.created_at), "expires_at": when(found.expires_at)}
