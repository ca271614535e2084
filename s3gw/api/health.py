"""How the server is, for whoever looks at it by the API. Load balancers ask /healthz and /readyz, which cost less."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

import s3gw
from s3gw.api.caller import TheServices
from s3gw.api.route import Route
from s3gw.errors import S3Error
from s3gw.folders import blob_folder
from s3gw.health import OK, health_of

router = APIRouter(tags=["health"], route_class=Route)


class HealthModel(BaseModel):
    status: Literal["ok", "degraded", "failed"] = Field(description="degraded: it reads, and doesn't take new objects.")
    version: str
    database: Literal["ok", "failed"] = Field(description="Whether the database answers.")
    reading: Literal["ok", "failed"] = Field(
        description="Whether the folder of the blobs, or the store that has them, can be read."
    )
    writing: Literal["ok", "failed", "full", "read-only"] = Field(description="Whether the disks take new objects.")
    scanning: Literal["ok", "failed"] = Field(description="failed: there is a virus scanner, and it can't be asked.")
    node: Literal["ok", "dead", "too old"] = Field(
        description="dead: others have taken this process for dead, and it starts again under another name. too old:"
        " its program can't serve on the database's schema any more."
    )
    clock: Literal["ok", "differs", "wrong"] = Field(
        description="differs: by ten minutes or more from the database's. wrong: and another machine's doesn't."
    )


@router.head("/health", include_in_schema=False)  # which monitors ask
@router.get("/health", responses={503: {"model": HealthModel, "description": "It can't serve."}})
async def health(services: TheServices, response: Response) -> HealthModel:
    """Database and disks. It needs no token, and is 503 where nothing can be read."""
    blobs, identity = blob_folder(services.settings), services.process_identity
    found = await health_of(services.database, services.store, blobs, services.room, identity)
    status = ("ok" if found.writing == OK else "degraded") if found.serves else "failed"
    if not found.serves:
        response.status_code, response.headers["Retry-After"] = 503, S3Error.retry_after
    return HealthModel.model_validate({"status": status, "version": s3gw.__version__, **found._asdict()})
