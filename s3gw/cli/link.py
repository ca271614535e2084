"""`s3gw link`: share links that there are, and taking one back. They are made by the JSON API, as a user."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from s3gw.accounts.share_links import revoke_now
from s3gw.cli.command import Data, DatabaseUrl, Json, group, session, show, when
from s3gw.metadata import share_links
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.database import Connection
from s3gw.metadata.share_links import ShareLink

app = group()

_MOST = 10_000
_COLUMNS = ("id", "bucket", "kind", "prefix", "downloads", "uploads", "expires_at", "revoked_at")
_TIMES = ("created_at", "updated_at", "expires_at", "revoked_at", "last_used_at")


@app.command("list")
def list_(data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """List share links of all buckets, the newest first, with how often they were used."""
    with session(data, database_url, as_json) as metadata:
        show([_described(link) for link in metadata.read(_all)], as_json, _COLUMNS)


def _all(conn: Connection) -> list[ShareLink]:
    return share_links.page(conn, None, None, 0, _MOST).links


@app.command()
def revoke(
    link_id: Annotated[str, typer.Argument(metavar="ID", help="As `s3gw link list` tells it.")],
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Take a share link back, at once and for good."""
    with session(data, database_url, as_json) as metadata:
        show(_described(metadata.write(revoke_now, COMMAND_LINE, link_id)), as_json)


def _described(link: ShareLink) -> dict[str, Any]:
    times = {name: getattr(link, name) for name in _TIMES}
    return link._asdict() | {name: None if at is None else when(at) for name, at in times.items()}
