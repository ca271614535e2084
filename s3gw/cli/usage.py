"""`s3gw usage`: how much is in buckets, and whether that is counted right."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Annotated, Any

import typer

from s3gw.cli.bucket import find_bucket, list_buckets
from s3gw.cli.command import Data, DatabaseUrl, Json, group, session, show
from s3gw.errors import NoSuchBucket
from s3gw.metadata import audit, usage, usage_check
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import Connection
from s3gw.metadata.usage_check import Difference

app = group()

Name = Annotated[str | None, typer.Argument(metavar="[BUCKET]", help="Of this bucket; default: of all.")]


@app.command("list")
def list_(name: Name = None, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Print how much is in each bucket: bytes of all versions and of parts, and how many of what."""
    with session(data, database_url, as_json) as metadata:
        show(metadata.read(_list, name), as_json)


@app.command()
def check(
    name: Name = None,
    repair: Annotated[bool, typer.Option("--repair", help="Set what is kept to what was counted.")] = False,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Compare what is kept of buckets with what is in them, all of it counted. Exit status 1 where they differ.

    Servers go on. Who writes into a bucket that differs waits while it is counted again.
    """
    with session(data, database_url, as_json) as metadata:
        found = []
        for bucket in metadata.read(_buckets, name):
            if metadata.read(usage_check.differences, bucket.id):
                with suppress(NoSuchBucket):  # deleted meanwhile
                    differences = metadata.write(_check, bucket, repair)
                    found += [{"bucket": bucket.name, **one._asdict(), "repaired": repair} for one in differences]
        show(found, as_json)
        if not found and not as_json:
            print("Nothing differs.", file=sys.stderr)
    if found and not repair:
        raise typer.Exit(1)


def _buckets(conn: Connection, name: str | None) -> list[Bucket]:
    return list_buckets(conn, None) if name is None else [find_bucket(conn, name)]


def _list(conn: Connection, name: str | None) -> list[dict[str, Any]]:
    return [{"bucket": bucket.name, **usage.of_bucket(conn, bucket.id)._asdict()} for bucket in _buckets(conn, name)]


def _check(conn: Connection, bucket: Bucket, repair: bool) -> list[Difference]:
    found = usage_check.check(conn, bucket.id, repair)
    if found and repair:
        before, after = (
            {f"{one.prefix or ''}:{one.what}": getattr(one, side) for one in found} for side in ("kept", "counted")
        )
        audit.record(conn, COMMAND_LINE, "bucket.usage.repair", "bucket", bucket.name, before, after)
    return found
