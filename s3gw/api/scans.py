"""What the virus scanner found, for admins: to look at, to let through, and to delete."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field

from s3gw.accounts import scans as accounts
from s3gw.accounts.scans import SHOWN, Shown
from s3gw.api.caller import TheAdmin, TheOrigin, TheServices, TheViewer
from s3gw.api.models import Page, time_of
from s3gw.api.pages import ThePlace, not_a_cursor
from s3gw.api.route import Route
from s3gw.metadata.scans import State
from s3gw.problems import NotFound

router = APIRouter(prefix="/scans", tags=["virus scanning"], route_class=Route)


def _digest(value: str) -> str:
    if len(value) != 64 or not all(letter in "0123456789abcdef" for letter in value):
        raise NotFound("there is nothing with this digest")
    return value


Digest = Annotated[str, AfterValidator(_digest), Field(json_schema_extra={"pattern": "^[0-9a-f]{64}$"})]


class ScannedFile(BaseModel):
    bucket_id: str
    bucket: str
    file_path: str
    version_id: str | None


class Scan(BaseModel):
    """Of one content, however many files have it."""

    digest: str
    state: State
    threat: str | None = Field(description="What the scanner calls what it found, or why it couldn't look.")
    size: int
    scanner: str | None = Field(description="Its version, and that of its signatures.")
    scanned_at: datetime | None
    noted_at: datetime = Field(description="When it was to be scanned.")
    attempts: int
    error: str | None = Field(description="Why the last attempt failed.")
    files: list[ScannedFile] = Field(description=f"{SHOWN} at most.")


class ScanStatus(BaseModel):
    policy: Literal["off", "serve", "hold"] = Field(description="Of buckets that have none of their own.")
    scanner: Literal["clamd", "command"] | None
    is_down: bool = Field(description="Nothing is scanned, and what waits has to go on waiting.")
    error: str | None = Field(description="Why it is down.")
    signatures: str | None = Field(description="With which all contents were scanned; null: not yet.")
    contents: dict[State, int] = Field(description="How many are in each state.")


class DeletedFiles(BaseModel):
    deleted: int = Field(description="Versions, for good.")
    refused: int = Field(description="Those that a rule keeps from being deleted.")
    is_truncated: bool = Field(description="There are more: ask again.")


@router.get("/status")
async def scan_status(_: TheViewer, services: TheServices) -> ScanStatus:
    """Whether the virus scanner can be asked, and how much waits for it."""
    settings, found = services.settings, await services.database.scan(accounts.status)
    return ScanStatus(
        policy=settings.scan,
        scanner="clamd" if settings.scan_clamd else "command" if settings.scan_command else None,
        is_down=found.failing is not None,
        error=found.failing,
        signatures=found.version,
        contents=found.counts,  # type: ignore[arg-type]
    )


@router.get("")
async def list_scans(
    _: TheViewer,
    services: TheServices,
    place: ThePlace,
    state: Annotated[State | None, Query(description="Only of contents in this one: `infected`.")] = None,
) -> Page[Scan]:
    """What is known of each content that was to be scanned, in the order of their digests."""
    after = b"" if place.after is None else _bytes(place.after)
    offset = 0 if place.after else place.offset
    found, total = await services.database.scan(accounts.page, state, after, offset, place.limit)
    return place.page_of(found, total, _model, lambda shown: shown.scan.digest.hex())


@router.post("/{digest}/release")
async def release_scan(digest: Digest, admin: TheAdmin, services: TheServices) -> Scan:
    """Have all files with this content read again, whatever is found in it. 409 where nobody is kept from it."""
    released = await services.database.write(accounts.release, admin.actor, bytes.fromhex(digest))
    return _model(Shown(released, ()))


@router.delete("/{digest}")
async def delete_infected(digest: Digest, admin: TheAdmin, services: TheServices, origin: TheOrigin) -> DeletedFiles:
    """Delete the files that have this content, for good: of each the version that has it. A hundred at once."""
    return DeletedFiles(**(await accounts.delete(services, admin, origin, bytes.fromhex(digest)))._asdict())


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(_digest(text))
    except NotFound:
        raise not_a_cursor() from None


def _model(shown: Shown) -> Scan:
    scan = shown.scan
    return Scan(
        digest=scan.digest.hex(),
        state=scan.state,
        threat=scan.threat,
        size=scan.size,
        scanner=scan.version,
        scanned_at=None if scan.scanned_at is None else time_of(scan.scanned_at),
        noted_at=time_of(scan.noted_at),
        attempts=scan.attempts,
        error=scan.error,
        files=[
            ScannedFile(
                bucket_id=named.bucket_id,
                bucket=named.bucket,
                file_path=named.found.key,
                version_id=None if named.found.version_id == "null" else named.found.version_id,
            )
            for named in shown.objects
        ],
    )
