"""The JSON API's application: for now, the two questions that a load balancer or a container asks."""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI, Response
from sqlalchemy import text

from s3gw.metadata.database import Connection, Database, DatabaseUnavailable

_PING = text("SELECT 1")


def build_admin_app(database: Database, blobs: Path) -> FastAPI:
    app = FastAPI(title="s3gw", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz(response: Response) -> dict[str, str]:
        """It can serve: the database is reachable and blobs can be written."""
        checks = {
            "database": await _database_answers(database),
            "blobs": os.access(blobs, os.W_OK | os.X_OK),
        }
        if not all(checks.values()):
            response.status_code = 503
        return {name: "ok" if passed else "failed" for name, passed in checks.items()}

    return app


async def _database_answers(database: Database) -> bool:
    try:
        return await database.read(_ping) == 1
    except DatabaseUnavailable:
        return False


def _ping(conn: Connection) -> int:
    return int(conn.execute(_PING).scalar_one())
