"""The API as an application. It is built when the first request for it comes: FastAPI takes a fifth of a second and
20 MiB, which workers that only serve S3 don't need.
"""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

import s3gw
from s3gw.api import access, audit, docs, groups, keys, links, users
from s3gw.api.door import Door
from s3gw.api.errors import refuse_in_json
from s3gw.services import Services

ROUTERS: tuple[APIRouter, ...] = (
    links.router,
    users.router,
    groups.router,
    access.router,
    keys.router,
    audit.router,
)


def build_api(services: Services) -> Door:
    app = FastAPI(title="s3gw", version=s3gw.__version__, openapi_url="/openapi.json", docs_url=None, redoc_url=None)
    app.state.services = services
    for router in ROUTERS:
        app.include_router(router, prefix="/api/v1")
    app.include_router(docs.router)
    refuse_in_json(app)
    return Door(app, services.settings)
