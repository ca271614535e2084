"""The JSON API's application: for now, the questions that a load balancer, a container or a monitor asks."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

from fastapi import FastAPI, Response

from s3gw.disks.faults import is_full, write_fault
from s3gw.disks.room import Room
from s3gw.errors import InsufficientStorage
from s3gw.metadata.database import Database, DatabaseFull, DatabaseReadOnly, DatabaseUnavailable
from s3gw.metadata.readiness import ping

_PATIENCE = 5.0  # seconds that the database has to answer
_METHODS = ["GET", "HEAD"]
OK, FAILED, FULL, READ_ONLY = "ok", "failed", "full", "read-only"


def build_admin_app(database: Database, blobs: Path, room: Room) -> FastAPI:
    app = FastAPI(title="s3gw", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    @app.api_route("/healthz", methods=_METHODS)
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": OK}

    @app.api_route("/readyz", methods=_METHODS)
    async def readyz(response: Response) -> dict[str, str]:
        """It can serve: 503 when it can't even read. One that can't write is still to be asked: a load balancer that
        left it would keep everybody from reading, and from the deletes that a full disk needs.
        """
        checks = {
            "database": await _database_answers(database),
            "reading": _reading(blobs),
            "writing": await asyncio.to_thread(_writing, database, blobs, room),
        }
        if checks["database"] != OK or checks["reading"] != OK:
            response.status_code = 503
        return checks

    @app.api_route("/readyz/writing", methods=_METHODS)
    async def writing(response: Response) -> dict[str, str]:
        """It takes new objects: 503 when it doesn't. For monitors, and for routes of writes alone."""
        state = await asyncio.to_thread(_writing, database, blobs, room)
        if state != OK:
            response.status_code = 503
        return {"writing": state}

    return app


async def _database_answers(database: Database) -> str:
    try:
        async with asyncio.timeout(_PATIENCE):
            return OK if await database.read(ping) else FAILED
    except (DatabaseUnavailable, TimeoutError):
        return FAILED


def _reading(blobs: Path) -> str:
    try:
        with os.scandir(blobs) as entries:
            next(entries, None)
    except OSError:
        return FAILED
    return OK


def _writing(database: Database, blobs: Path, room: Room) -> str:
    """Whether the disks have room, a page can be written among the blobs, and the last transaction was committed."""
    if database.is_read_only:
        return READ_ONLY
    refusal = room.refusal()
    if refusal is not None:
        return FULL if isinstance(refusal, InsufficientStorage) else READ_ONLY
    lost = database.write_fault()
    if lost is not None:
        return {DatabaseFull: FULL, DatabaseReadOnly: READ_ONLY}.get(type(lost), FAILED)
    fault = write_fault(blobs)
    if fault is None:
        return OK
    return FULL if is_full(fault) else READ_ONLY if fault.errno == errno.EROFS else FAILED
