"""`s3gw audit`: who changed what, and whether the log of that is whole."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from s3gw import kept_head
from s3gw.accounts import audit
from s3gw.auth.audit_key import audit_key_now
from s3gw.auth.key_file import open_keyring
from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, group, session, show, when
from s3gw.cli.options import Limit, Since, Until, time_of
from s3gw.metadata import audit_lines
from s3gw.metadata.audit_chain import Line, parse_place
from s3gw.metadata.audit_lines import Wanted

app = group()

Actor = Annotated[str | None, typer.Option(metavar="USER", help="By this user: name or ID.")]
Action = Annotated[str | None, typer.Option(help="This action, or all that begin with it: user, bucket.policy.put.")]
Resource = Annotated[str | None, typer.Option(help="Of this user, group, key or bucket: its name.")]
Outcome = Annotated[str | None, typer.Option(help="done, refused or failed.")]
Head = Annotated[str | None, typer.Option("--head", metavar="VALUE", help="What `s3gw audit head` printed before.")]

_COLUMNS = ("id", "at", "actor", "door", "address", "action", "resource", "outcome", "count")  # export tells the rest


@app.command("list")
def list_(
    actor: Actor = None,
    action: Action = None,
    resource: Resource = None,
    outcome: Outcome = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List lines of the log, the newest first."""
    with session(data, database_url, as_json) as metadata:
        wanted = _wanted(actor, action, resource, outcome, since, until)
        found, _ = metadata.read(audit_lines.page_of, wanted, before_id=None, offset=0, limit=limit)
        show([_told(line) for line in found], as_json, _COLUMNS)


@app.command()
def export(
    actor: Actor = None,
    action: Action = None,
    resource: Resource = None,
    outcome: Outcome = None,
    since: Since = None,
    until: Until = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Print lines of the log, the oldest first, a JSON document each."""
    with session(data, database_url, as_json) as metadata:
        wanted = _wanted(actor, action, resource, outcome, since, until)

        async def print_all(database: Any) -> None:
            async for lines in audit.lines(database, wanted):
                for line in lines:
                    print(json.dumps(_told(line)))

        metadata.run(print_all)


@app.command()
def verify(head: Head = None, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Tell whether lines were changed or removed since they were sealed. Exit status 1 if so.

    Who can write to the database can put back an older state of all of it, unless a head is compared that is kept
    elsewhere. The one that servers keep in the data folder (audit.head) always is: after a restore of an older
    database, remove that file.
    """
    with session(data, database_url, as_json) as metadata:
        keys, kept = open_keyring(metadata.settings), None if head is None else parse_place(head)
        file = kept_head.file_of(metadata.settings)
        verdict = metadata.run(lambda database: audit.verify_now(database, keys, kept, file))
        told = {"lines": verdict.lines, "head": str(verdict.head), "faults": verdict.faults}
        show(told, as_json)
    if verdict.faults:
        raise typer.Exit(1)


@app.command("head")
def head_(data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Print up to where the log is sealed: a value to keep elsewhere, for `verify --head`."""
    with session(data, database_url, as_json) as metadata:
        key = metadata.read(audit_key_now, open_keyring(metadata.settings))
        head = metadata.run(lambda database: audit.head(database, key))
        if as_json:
            show({"head": str(head)}, as_json)
        else:
            print(head)


def _wanted(
    actor: str | None,
    action: str | None,
    resource: str | None,
    outcome: str | None,
    since: str | None,
    until: str | None,
) -> Wanted:
    if outcome not in (None, "done", "refused", "failed"):
        raise Refused("an outcome is done, refused or failed")
    return Wanted(actor, action, None, resource, outcome, time_of(since), time_of(until))


def _told(line: Line) -> dict[str, Any]:
    return audit.document(line) | {"at": when(line.at)}
