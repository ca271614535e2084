"""`s3gw migrate`: bring the database's schema up to date, as a start does, and tell what waits for older nodes."""

from __future__ import annotations

from typing import Annotated

import typer

from s3gw.cli.command import Data, DatabaseUrl, Json, group, refusals, session, settings_of, show
from s3gw.config import Settings

app = group()

Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Declare processes of older releases dead, wherever they are, instead of waiting: they stop."
    ),
]


@app.command()
def migrate(data: Data = None, database_url: DatabaseUrl = None, force: Force = False, as_json: Json = False) -> None:
    """Make the revisions of the schema that this release knows, beside nodes that serve.

    What takes something away waits until no node of an older release lives; run this, or restart a node, when the last
    one has ended. With SQLite the server has to be stopped, and its next start does the same.
    """
    with refusals(as_json):
        waits = _migrate(settings_of(as_json, data=data, database_url=database_url), force)
    from s3gw.metadata import revision

    with session(data, database_url, as_json) as metadata:
        told = {"revision": metadata.read(revision.present), "newest": revision.NEWEST}
        show(told | {"oldest_reader": metadata.read(revision.oldest_reader), "waits": waits}, as_json)


def _migrate(settings: Settings, force: bool) -> str | None:
    import os

    from s3gw.metadata.database_url import is_postgresql
    from s3gw.metadata.migrate import upgrade
    from s3gw.metadata.readiness import unreachable_is_unavailable
    from s3gw.processes.lock import lock_data_folder

    lock = None if is_postgresql(settings.database_url) else lock_data_folder(settings.data)
    try:
        with unreachable_is_unavailable():
            return upgrade(settings.database_url, settings.data, by_force=force)
    finally:
        if lock is not None:
            os.close(lock)
