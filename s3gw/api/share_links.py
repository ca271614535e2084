"""Share links: to a file, a folder or an upload-only drop box, for whoever has the URL (the pages are share/'s)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, model_validator

from s3gw.accounts import share_links
from s3gw.accounts.share_links import Wanted, etag_of
from s3gw.api.caller import TheCaller, TheOrigin, TheServices
from s3gw.api.models import Body, Id, IfMatch, Moment, Page, ShownOnce, stored_moment, time_of
from s3gw.api.pages import ThePlace
from s3gw.api.route import Route
from s3gw.metadata.grants import LONGEST_PATH
from s3gw.metadata.share_links import ShareLink

router = APIRouter(tags=["share links"], route_class=Route)

_SHORTEST, _LONGEST = 4, 256  # characters of a password, which isn't guessed often: ten a minute
_LARGEST = 2**63 - 1  # a column holds no more
Kind = Literal["file", "folder", "drop"]
LinkPassword = Annotated[str, Field(min_length=_SHORTEST, max_length=_LONGEST)]
Limit = Annotated[int, Field(ge=1, le=_LARGEST)]


class Link(BaseModel):
    """`url` is shown when it is made, and never again."""

    id: str
    url: ShownOnce
    bucket_id: str
    kind: Kind
    file_id: str | None = Field(description="Of a link to a file.")
    prefix: str | None = Field(description="Of a folder or a drop box.")
    created_by: str = Field(description="The id of the user whose rights it has.")
    has_password: bool
    max_downloads: int | None
    max_bytes: int | None
    max_uploads: int | None
    expires_at: datetime | None
    revoked_at: datetime | None
    downloads: int = Field(description="All of a visitor within an hour are one.")
    uploads: int
    uploaded_bytes: int
    last_used_at: datetime | None
    created_at: datetime
    updated_at: datetime


class NewLink(Body):
    kind: Kind = "file"
    file_id: UUID | None = Field(None, description="Of a link to a file.")
    prefix: Annotated[str, Field(max_length=LONGEST_PATH)] | None = Field(
        None, description="Of a folder or a drop box, with or without its last slash; empty: the whole bucket."
    )
    password: LinkPassword | None = None
    max_downloads: Limit | None = Field(None, description="Of a file or folder: then it is used up.")
    max_bytes: Limit | None = Field(None, description="Of a drop box: how much may be put into it, in all.")
    max_uploads: Limit | None = Field(None, description="Of a drop box: how many files it takes.")
    expires_at: Moment | None = None

    @model_validator(mode="after")
    def _is_of_one(self) -> NewLink:
        if (self.kind == "file") != (self.file_id is not None):
            raise ValueError("a link to a file, and no other, needs file_id")
        if (self.kind == "file") == (self.prefix is not None):
            raise ValueError("a link to a folder or a drop box, and no other, needs prefix")
        return self

    def wanted(self) -> Wanted:
        prefix = self.prefix or ""
        return Wanted(
            self.kind,
            None if self.file_id is None else str(self.file_id),
            f"{prefix}/" if prefix and not prefix.endswith("/") else prefix,
            self.password,
            self.max_downloads,
            self.max_bytes,
            stored_moment(self.expires_at),
            self.max_uploads,
        )


class UpdateLink(Body):
    """What is left out stays; null: none any more."""

    password: LinkPassword | None = None
    max_downloads: Limit | None = None
    max_bytes: Limit | None = None
    max_uploads: Limit | None = None
    expires_at: Moment | None = None

    def fields(self) -> dict[str, Any]:
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if "expires_at" in given:
            given["expires_at"] = stored_moment(given["expires_at"])
        return given


@router.post("/buckets/{bucket_id}/links", status_code=201)
async def create_link(
    bucket_id: Id, body: NewLink, caller: TheCaller, services: TheServices, origin: TheOrigin, response: Response
) -> Link:
    """To what the caller may read himself, or into a folder where he may write; it ends with his right to do so."""
    wanted = body.wanted()
    share_links.require_limits(wanted.kind, wanted._asdict())
    made = await share_links.create(services, caller, origin, bucket_id, wanted)
    response.headers["ETag"] = etag_of(made.link)
    return _model(made.link, made.url)


@router.get("/buckets/{bucket_id}/links")
async def list_links(
    bucket_id: Id, place: ThePlace, caller: TheCaller, services: TheServices, origin: TheOrigin
) -> Page[Link]:
    """The caller's own, the newest first; for the bucket's owner, admins and auditors all. Revoked ones for 30 days."""
    found = await share_links.page(services, caller, origin, bucket_id, place.offset, place.limit)
    return place.page_of(found.links, found.total, _model)


@router.get("/links/{link_id}")
async def get_link(
    link_id: Id, caller: TheCaller, services: TheServices, origin: TheOrigin, response: Response
) -> Link:
    """With how often it was used. For who made it, the bucket's owner, admins and auditors."""
    return _told(await share_links.find(services, caller, origin, link_id), response)


@router.put("/links/{link_id}")
async def update_link(
    link_id: Id,
    body: UpdateLink,
    caller: TheCaller,
    services: TheServices,
    origin: TheOrigin,
    response: Response,
    if_match: IfMatch = None,
) -> Link:
    """Another password, expiry or limit. 409 where it was revoked."""
    return _told(await share_links.update(services, caller, origin, link_id, body.fields(), if_match), response)


@router.delete("/links/{link_id}", status_code=204)
async def revoke_link(link_id: Id, caller: TheCaller, services: TheServices, origin: TheOrigin) -> Response:
    """At once and for good."""
    await share_links.revoke(services, caller, origin, link_id)
    return Response(status_code=204)


def _told(link: ShareLink, response: Response) -> Link:
    response.headers["ETag"] = etag_of(link)
    return _model(link)


def _model(link: ShareLink, url: str | None = None) -> Link:
    times = {name: getattr(link, name) for name in ("expires_at", "revoked_at", "last_used_at")}
    return Link(
        id=link.id,
        url=url,
        bucket_id=link.bucket_uuid,
        kind=link.kind,  # type: ignore[arg-type]
        file_id=link.file_id,
        prefix=None if link.kind == "file" else link.prefix,
        created_by=link.user_id,
        has_password=link.has_password,
        max_downloads=link.max_downloads,
        max_bytes=link.max_bytes,
        max_uploads=link.max_uploads,
        downloads=link.downloads,
        uploads=link.uploads,
        uploaded_bytes=link.uploaded_bytes,
        created_at=time_of(link.created_at),
        updated_at=time_of(link.updated_at),
        **{name: None if at is None else time_of(at) for name, at in times.items()},
    )
