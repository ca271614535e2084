"""`s3gw blobs`: copying the bytes of all objects from the store that is served to another one."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from s3gw.blob_move import BlobMove, Moved
from s3gw.blob_store import open_blob_store, open_store_at
from s3gw.cli.command import Blobs, Data, DatabaseUrl, Json, Refused, Session, group, refusals, settings_of, show
from s3gw.content.store_url import FOLDER, check_place, is_within

app = group()

_MOST_NAMED = 10


@app.callback()
def _blobs() -> None:
    """The store that has the bytes of objects."""


@app.command()
def move(
    to: Annotated[str, typer.Option(metavar="URL", help="s3://BUCKET/PREFIX, gs://…, az://…, or folder.")],
    data: Data = None,
    database_url: DatabaseUrl = None,
    blobs: Blobs = None,
    as_json: Json = False,
) -> None:
    """Copy every chunk from the store that is served to another one, verified, while it is served.

    Begun again it copies only what isn't there yet. Nothing is deleted where it was.
    """
    with refusals(as_json):
        settings = settings_of(as_json, data=data, database_url=database_url, blobs=blobs)
        check_place(to)
        served = settings.blobs or FOLDER
        is_served = is_within(to, served) and is_within(served, to)
        if is_served and settings.blobs_other is None:
            raise Refused(f"{to} is where the chunks are: --blobs (S3GW_BLOBS) says where they come from")
        for place in (served, settings.blobs_other or FOLDER):
            if is_within(to, place) != is_within(place, to):
                raise Refused(
                    f"{to} and {place} lie in each other: who removes the one's chunks would remove the other's"
                )
        session = Session(settings)
        uncached = settings.model_copy(update={"blobs_cache": 0})
        other = uncached.blobs_other if is_served else None
        source = open_blob_store(uncached) if other is None else open_store_at(uncached, other)
        target = open_store_at(uncached, to)

        async def run(database: Any) -> Moved:
            return await BlobMove(database, source, target).run(_told)

        try:
            moved = session.run(run)
        finally:
            target.close()
            source.close()
        if moved.damaged:
            named = ", ".join(moved.damaged[:_MOST_NAMED])
            raise Refused(f"{len(moved.damaged)} chunks are damaged and weren't copied: {named}; see `s3gw scrub list`")
        show({name: value for name, value in asdict(moved).items() if name != "damaged"} | {"to": to}, as_json)


def _told(moved: Moved) -> None:
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"{moved.chunks} chunks, {moved.bytes >> 20} MiB copied", end="\r", file=sys.stderr, flush=True)
