"""`s3gw scan`: virus scanning: how it stands, what was found, letting a content through, and scanning again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from s3gw.accounts import scans as accounts
from s3gw.accounts.scans import Shown
from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, group, session, show, when
from s3gw.cli.options import Limit
from s3gw.metadata import scan_jobs
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.scans import STATES

app = group()
_COLUMNS = ("digest", "state", "threat", "size", "scanned_at", "error", "objects")


def describe(shown: Shown) -> dict[str, Any]:
    scan = shown.scan
    return {
        "digest": scan.digest.hex(),
        "state": scan.state,
        "threat": scan.threat,
        "size": scan.size,
        "scanner": scan.version,
        "scanned_at": when(scan.scanned_at),
        "noted_at": when(scan.noted_at),
        "attempts": scan.attempts,
        "error": scan.error,
        "objects": [f"{named.bucket}/{named.found.key}" for named in shown.objects],
    }


@app.command()
def status(data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Show whether the scanner can be asked, and how many contents are in which state."""
    with session(data, database_url, as_json) as metadata:
        found = metadata.read(accounts.status)
        told = {"policy": found.policy, "down": found.failing, "signatures": found.version}
        show(told | found.counts, as_json)


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help=f"{', '.join(STATES[:-1])} or {STATES[-1]}; default: all.")] = None,
    limit: Limit = 100,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List contents, with some of the objects that have them."""
    with session(data, database_url, as_json) as metadata:
        if state is not None and state not in STATES:
            raise Refused(f"a state is one of {', '.join(STATES)}")
        found, _ = metadata.read(accounts.page, state, b"", 0, limit)
        show([describe(shown) for shown in found], as_json, _COLUMNS)


@app.command()
def release(
    digest: Annotated[str, typer.Argument(help="Of the content, as `s3gw scan list` tells it.")],
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Have all objects with this content read again, whatever was found in it."""
    with session(data, database_url, as_json) as metadata:
        try:
            wanted = bytes.fromhex(digest)
        except ValueError:
            raise Refused(f"{digest} is no digest: it is 64 of 0-9 a-f") from None
        show(describe(Shown(metadata.write(accounts.release, COMMAND_LINE, wanted), ())), as_json)


@app.command()
def run(data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Have all looked at: what failed or was too large again, what is new, and what older signatures have seen."""
    with session(data, database_url, as_json) as metadata:
        show({"queued": True, "again": metadata.write(scan_jobs.run)}, as_json)
