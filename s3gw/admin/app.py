"""The JSON API's application: for now, the two questions that a load balancer or a container asks."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from fastapi import FastAPI, Response

from s3gw.metadata.database import Database, DatabaseUnavailable
from s3gw.metadata.readiness import ping

_PATIENCE = 5.0  # seconds that the database has to answer


def build_admin_app(database: Database, blobs: Path) -> FastAPI:
    app = FastAPI(title="s3gw", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    @app.api_route("/healthz", methods=["GET", "HEAD"])
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.api_route("/readyz", methods=["GET", "HEAD"])
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
        async with asyncio.timeout(_PATIENCE):
            return await database.read(ping)
    except (DatabaseUnavailable, TimeoutError):
        return False
