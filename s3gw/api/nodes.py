"""Which processes serve, on which machines: what `s3gw nodes` prints."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from s3gw.accounts import nodes
from s3gw.api.caller import TheServices, TheViewer
from s3gw.api.models import Page
from s3gw.api.pages import ThePlace
from s3gw.api.route import Route

router = APIRouter(prefix="/nodes", tags=["nodes"], route_class=Route)
_OLDER = "None where its program is older than this field."


class NodeProcess(BaseModel):
    host: str = Field(description="The machine's name.")
    role: str = Field(description="worker (serves requests), jobs, celery, or a command that runs for long.")
    pid: int
    version: str | None = Field(description=f"Of its program. {_OLDER}")
    schema_revision: str | None = Field(description=f"The newest of the database's schema that it knows. {_OLDER}")
    started_at: datetime
    heard_seconds_ago: int = Field(description="After 60 it is taken for dead.")
    holds_epochs: int = Field(description="By how many the reaper waits for a read of it that is still open.")
    requests_open: int | None = Field(description=f"When it was heard last. {_OLDER}")
    requests_per_second: float | None = Field(description="Before it was heard last.")
    clock_ahead_seconds: float | None = Field(description=f"Its machine's clock, before the database's. {_OLDER}")


class Released(BaseModel):
    contents: int
    blobs: int = Field(description="Chunks.")


class Nodes(Page[NodeProcess]):
    released: Released = Field(description="What the reaper has before it.")


@router.get("")
async def list_nodes(_: TheViewer, services: TheServices, place: ThePlace) -> Nodes:
    """The processes that live, of all machines, the oldest first, and how much waits for the reaper. For admins and
    auditors.
    """
    found = await services.database.scan(nodes.page, place.offset, place.limit)
    page = place.page_of(found.processes, found.total, lambda told: NodeProcess(**told))
    return Nodes(**dict(page), released=Released(**found.released))
