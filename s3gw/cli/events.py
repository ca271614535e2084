"""`s3gw events`: what becomes of objects, as it happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer

from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, group, session, when
from s3gw.events.names import QUOTA, name_of, whole
from s3gw.events.records import quota_of
from s3gw.events.tail import PAUSE, place_of
from s3gw.metadata import buckets, outbox
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.outbox import ChangeRow

app = group()

_STEP = 500


@app.callback()
def _events() -> None:
    """What becomes of objects, as it happens."""


@app.command()
def tail(
    bucket: Annotated[str | None, typer.Option(metavar="BUCKET", help="Only what happens in it.")] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Print events as they happen, a line each, until Ctrl+C."""
    with session(data, database_url, as_json) as metadata, suppress(KeyboardInterrupt):
        metadata.run(lambda database: _follow(database, bucket, as_json))


async def _follow(database: Database, bucket: str | None, as_json: bool) -> None:
    bucket_id = None if bucket is None else await database.read(_id_of, bucket)
    place = await database.read(outbox.newest)
    while True:
        found = await database.scan(outbox.following, place, _STEP)
        if found.rows:
            if not found.is_whole:
                print(json.dumps({"event": "gap"}) if as_json else "… some may be missing", flush=True)
            told = [row for row in found.rows if bucket_id in (None, row.bucket_id)]
            names = await database.scan(buckets.of_ids, {row.bucket_id for row in told})
            _print(told, {each: listed.bucket.name for each, listed in names.items()}, as_json)
            place = place_of(found.rows[-1])
        if len(found.rows) < _STEP:
            await asyncio.sleep(PAUSE)


def _id_of(conn: Connection, name: str) -> int:
    found = buckets.find(conn, name)
    if found is None:
        raise Refused(f"there is no bucket {name}")
    return found.id


def _print(rows: Sequence[ChangeRow], names: dict[int, str], as_json: bool) -> None:
    for row in rows:
        event = name_of(row)
        if event is not None:
            told = _document(row, event, names.get(row.bucket_id, ""))
            print(json.dumps(told) if as_json else _line(told), flush=True)


def _document(row: ChangeRow, event: str, bucket: str) -> dict[str, Any]:
    told = {"time": when(row.at), "event": whole(event), "bucket": bucket, "key": row.key, "size": row.size}
    if event == QUOTA:
        return told | {"quota": quota_of(row)}
    return told | {"version_id": row.version_id, "actor_id": row.actor_id, "address": row.address}


def _line(told: dict[str, Any]) -> str:
    key = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in told["key"])
    if "quota" in told:
        quota = told["quota"]
        return f"{told['time']}  {told['event']:40}  {quota['threshold']:>10} %  {quota['kind']} {quota['name']}"
    return f"{told['time']}  {told['event']:40}  {told['size']:>12}  {told['bucket']}/{key}"
