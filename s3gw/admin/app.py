"""The admin listener's application: the questions that a load balancer, a container or a monitor asks."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from s3gw.disks.faults import is_full, write_fault
from s3gw.disks.room import Room
from s3gw.errors import InsufficientStorage
from s3gw.metadata.database import Database, DatabaseFull, DatabaseReadOnly, DatabaseUnavailable
from s3gw.metadata.readiness import ping

_PATIENCE = 5.0  # seconds that the database has to answer
_METHODS = ("GET", "HEAD")
OK, FAILED, FULL, READ_ONLY = "ok", "failed", "full", "read-only"


def build_admin_app(database: Database, blobs: Path, room: Room, api: ASGIApp) -> Starlette:
    """`api` answers all other paths."""

    async def healthz(request: Request) -> JSONResponse:
        """The process answers."""
        return JSONResponse({"status": OK})

    async def readyz(request: Request) -> JSONResponse:
        """It can serve: 503 when it can't even read. One that can't write is still to be asked: a load balancer that
        left it would keep everybody from reading, and from the deletes that a full disk needs.
        """
        checks = {
            "database": await _database_answers(database),
            "reading": _reading(blobs),
            "writing": await asyncio.to_thread(_writing, database, blobs, room),
        }
        return JSONResponse(checks, 200 if checks["database"] == checks["reading"] == OK else 503)

    async def writing(request: Request) -> JSONResponse:
        """It takes new objects: 503 when it doesn't. For monitors, and for routes of writes alone."""
        state = await asyncio.to_thread(_writing, database, blobs, room)
        return JSONResponse({"writing": state}, 200 if state == OK else 503)

    questions = {"/healthz": healthz, "/readyz": readyz, "/readyz/writing": writing}
    app = Starlette(
        routes=[
            *(Route(path, answer, methods=_METHODS) for path, answer in questions.items()),
            Mount("/", api),
        ],
    )
    app.router.redirect_slashes = False
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
