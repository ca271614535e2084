"""`s3gw worker`: runs the heavy jobs of a server whose S3GW_CELERY_BROKER sends them, beside it or elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from s3gw import log, telemetry
from s3gw.blob_store import open_blob_store
from s3gw.cli.command import Blobs, Data, DatabaseUrl, Refused, Session, group, refusals, settings_of
from s3gw.config import Settings
from s3gw.jobs.broker import refusal
from s3gw.metadata import store_identity

app = group()
_MOST = 64


@app.command()
def worker(
    data: Data = None,
    database_url: DatabaseUrl = None,
    blobs: Blobs = None,
    at_once: Annotated[
        int, typer.Option(metavar="N", min=1, max=_MOST, help=f"Jobs that are run at once, {_MOST} at most.")
    ] = 6,
) -> None:
    """Run heavy jobs until SIGTERM or SIGINT (Ctrl+C): a worker of Celery."""
    with refusals(False):
        settings = settings_of(False, data=data, database_url=database_url, blobs=blobs)
        if settings.celery_broker is None:
            raise Refused("S3GW_CELERY_BROKER isn't set: without it the server runs all jobs itself")
        if problem := refusal(settings) or telemetry.refusal(settings):
            raise Refused(problem)
        store = _store_of(settings)
        from s3gw.jobs.celery_worker import work

        log.configure(settings.log_format, settings.access_log, settings.log)
        telemetry.begin(settings)
        try:
            status = work(settings, store, at_once)
        finally:
            telemetry.end()
    raise typer.Exit(status)


def _store_of(settings: Settings) -> str:
    """Its identity. With the blobs of another store every content would be damaged."""
    store = Session(settings).read(store_identity.known)
    blobs = open_blob_store(settings)
    try:
        if store is None or blobs.identity() != store:
            place = settings.blobs or settings.data
            raise Refused(f"{place} doesn't belong to this database: give --data and --blobs as `s3gw serve` has them")
    finally:
        blobs.close()
    return store
