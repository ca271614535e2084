"""The audit log: pages of it, and all of it as JSON lines. For admins and auditors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from s3gw import kept_head
from s3gw.accounts import audit, jobs
from s3gw.api.caller import TheOrigin, TheServices, TheViewer
from s3gw.api.jobs import StartedJob, started
from s3gw.api.models import WRITTEN, Body, Page, Text, time_of
from s3gw.api.pages import ThePlace, not_a_cursor
from s3gw.api.route import Route
from s3gw.auth.key_file import open_keyring
from s3gw.metadata import audit_lines
from s3gw.metadata.audit_chain import Line, Place, parse_place
from s3gw.metadata.audit_lines import Wanted
from s3gw.metadata.database import Connection, Database
from s3gw.problems import Fault, Invalid

router = APIRouter(prefix="/audit", tags=["audit"], route_class=Route)
Time = Annotated[datetime, WRITTEN]
Outcome = Literal["done", "refused", "failed"]


class AuditLine(BaseModel):
    """Who changed what, from where, and how it was before and after; or whose login was refused."""

    id: int
    at: datetime
    actor_id: str = Field(description='A user\'s id, or "" for nobody who is known and for the command line.')
    actor: str = Field(description="A user's name; of the command line the operating system's user: `os:root`.")
    door: str = Field(description="s3, api, share, console, cli or job.")
    address: str
    request_id: str
    action: str
    outcome: Outcome
    resource_type: str
    resource: str
    before: Any
    after: Any
    count: int = Field(description="How many alike ones the line stands for.")
    position: int | None = Field(description="In the chain; null until the line is sealed, which takes two seconds.")
    mac: str | None


class Verification(BaseModel):
    lines: int = Field(description="That were checked.")
    head: str = Field(description="Up to where the log is sealed: a value to keep elsewhere, and to give next time.")
    faults: list[str] = Field(description="What was changed or removed since it was sealed; empty: nothing.")


class BeginVerification(Body):
    head: Annotated[Text, Field(max_length=128)] | None = Field(
        None, description="What was told as `head` before, and kept elsewhere."
    )


_verifying = asyncio.Semaphore(1)  # of one process


async def wanted_of(
    actor: Annotated[Text | None, Query(max_length=254, description="A user's name or id.")] = None,
    action: Annotated[Text | None, Query(max_length=254, description="An action, or its beginning: `user`.")] = None,
    resource_type: Annotated[Text | None, Query(max_length=254)] = None,
    resource: Annotated[Text | None, Query(max_length=2048, description="The name of what was changed.")] = None,
    outcome: Outcome | None = None,
    since: Annotated[Time | None, Query(description="Without an offset it is UTC.")] = None,
    until: Annotated[Time | None, Query(description="Exclusive.")] = None,
) -> Wanted:
    return Wanted(actor, action, resource_type, resource, outcome, _microseconds(since), _microseconds(until))


TheWanted = Annotated[Wanted, Depends(wanted_of)]


@router.get("")
async def list_audit_log(_: TheViewer, services: TheServices, place: ThePlace, wanted: TheWanted) -> Page[AuditLine]:
    """The newest first."""
    before_id = None if place.after is None else _id(place.after)

    def read(conn: Connection) -> tuple[list[Line], int]:
        return audit_lines.page_of(conn, wanted, before_id=before_id, offset=place.offset, limit=place.limit)

    found, total = await services.database.scan(read)
    return place.page_of(found, total, lambda line: AuditLine.model_validate(_told(line)), lambda line: str(line.id))


@router.get("/export", response_class=StreamingResponse, responses={200: {"content": {"application/x-ndjson": {}}}})
async def export_audit_log(_: TheViewer, services: TheServices, wanted: TheWanted) -> StreamingResponse:
    """The oldest first, a JSON document a line. It is read in steps: a client that is slow holds nothing open."""
    return StreamingResponse(_json_lines(services.database, wanted), media_type="application/x-ndjson")


@router.get("/verification")
async def verify_audit_log(
    _: TheViewer,
    services: TheServices,
    head: Annotated[
        str | None, Query(max_length=128, description="What was told as `head` before, and kept elsewhere.")
    ] = None,
) -> Verification:
    """Whether lines were changed or removed since they were sealed: `s3gw audit verify`. It reads all of it; one
    such request at a time. Who can write to the database can put back an older state of all of it, unless a head that
    was kept elsewhere is given; the one that this machine keeps in its data folder always is compared.
    """
    kept = None if head is None else _place(head)
    settings = services.settings
    async with _verifying:
        found = await audit.verify_now(services.database, open_keyring(settings), kept, kept_head.file_of(settings))
    return Verification(lines=found.lines, head=str(found.head), faults=found.faults)


@router.post("/verification", status_code=202, response_model=StartedJob)
async def begin_audit_verification(
    body: BeginVerification, caller: TheViewer, services: TheServices, origin: TheOrigin
) -> Response:
    """The same by a job, for a log that is long: it tells how far it has come, and its `result` is what was found."""
    if body.head is not None:
        _place(body.head)
    return started(await jobs.ask(services, caller, origin, "verify_audit_log", {"head": body.head}, None))


def _place(head: str) -> Place:
    try:
        return parse_place(head)
    except ValueError as error:
        raise Invalid("the head isn't one", faults=(Fault("head", str(error)),)) from None


async def _json_lines(database: Database, wanted: Wanted) -> AsyncIterator[bytes]:
    async for lines in audit.lines(database, wanted):
        yield "".join(f"{json.dumps(_told(line), default=datetime.isoformat)}\n" for line in lines).encode()


def _told(line: Line) -> dict[str, Any]:
    return audit.document(line) | {"at": time_of(line.at)}


def _id(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise not_a_cursor()
    return int(text)


def _microseconds(time: datetime | None) -> int | None:
    if time is None:
        return None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1_000_000)
