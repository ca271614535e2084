"""Who comes with a link: the link is found, its maker is asked for, and whatever it gives is done as that maker.

A link that is unknown, revoked, expired or used up, whose maker isn't active or hasn't the right any more, and one
whose file or bucket is gone, are all alike: Gone. None is told from another by the answer.
"""

from __future__ import annotations

import hmac
import time
from typing import NamedTuple

from starlette.requests import Request

from s3gw.accounts.login import digest_of
from s3gw.accounts.origin import Origin
from s3gw.addresses import client_of
from s3gw.auth.principal import Principal
from s3gw.errors import AccessDenied, MethodNotAllowed, NoSuchBucket, NoSuchKey, NoSuchVersion
from s3gw.metadata import objects, share_links
from s3gw.metadata.audit import Actor
from s3gw.metadata.objects import ObjectVersion
from s3gw.metadata.share_links import LiveLink
from s3gw.operations.call import Call, GivenContext, Input, Output
from s3gw.operations.link_rights import needed
from s3gw.operations.perform import perform
from s3gw.operations.table import OPERATIONS, Row
from s3gw.problems import Withheld
from s3gw.services import Services
from s3gw.share.cookie import is_open
from s3gw.share.hidden import tell_id, token_of

_DOOR = "share"
_HIDDEN = (AccessDenied, MethodNotAllowed, NoSuchBucket, NoSuchKey, NoSuchVersion)


class Gone(Exception):
    """There is nothing here, for whatever reason."""


class Locked(Exception):
    """Its password is asked for first."""


class Visit(NamedTuple):
    """`file` is, of a link to a file, what it leads to now. `visitor` tells who comes from others, for an hour."""

    services: Services
    link: LiveLink
    origin: Origin
    is_secure: bool
    referer: str | None
    visitor: bytes
    file: ObjectVersion | None = None

    @property
    def actor(self) -> Actor:
        """Nobody who is known, as the audit log tells of him."""
        return Actor("", "", _DOOR, self.origin.address, self.origin.request_id)

    @property
    def principal(self) -> Principal:
        """The link's maker."""
        maker = self.link.maker
        return Principal(
            maker.user_id,
            maker.canonical_id,
            maker.account_id,
            maker.name,
            maker.role,
            "",
            maker.account_owner_id,
            maker.rules_revision,
        )

    def call(self, operation: str, input: Input) -> Call:
        """As the link's maker would make it, from where the visitor is."""
        bucket = self.link.bucket
        context = GivenContext(
            self.origin.address or None, self.is_secure, self.origin.user_agent or None, self.referer
        )
        call = Call(
            self.services,
            self.principal,
            {"Bucket": bucket.name, **input},
            self.origin.request_id,
            time.time_ns() // 1000,
        )
        call.bucket, call.context, call.door, call.operation = bucket, context, _DOOR, operation
        return call

    async def perform(self, operation: str, input: Input, row: Row | None = None) -> Output:
        """As `make`."""
        return await self.make(self.call(operation, input), OPERATIONS[operation] if row is None else row)

    async def make(self, call: Call, row: Row) -> Output:
        """Raises Gone where the maker may not, or there is nothing, and Withheld."""
        try:
            return await perform(call, row)
        except Withheld:  # which who has the link may know
            raise
        except _HIDDEN:
            raise Gone from None

    async def may_download(self, key: str) -> bool:
        """Whether there may be this download; it is counted then, unless one of this visitor's was lately."""
        database, link_id = self.services.database, self.link.id
        if await database.read(share_links.was_counted, link_id, self.visitor):
            return True
        given = self.actor, link_id, self.visitor, key
        return await database.write(share_links.count_download, *given, keys=(share_links.turn_of(link_id),))


async def locked_visit_of(request: Request, *, goes_on: bool = False) -> Visit:
    """Whether or not its password was given. `goes_on`: with an upload to a drop box, which may be full by now. Raises
    Gone.
    """
    services: Services = request.app.state.services
    token = token_of(request)
    link = await services.database.read(share_links.find_live, digest_of(token)) if token else None
    if link is None:
        raise Gone
    tell_id(request, link.id)
    visit = _visit(request, services, link)
    if not goes_on and await _is_used_up(visit):
        raise Gone
    return await _with_right(visit)


async def visit_of(request: Request, *, goes_on: bool = False) -> Visit:
    """As `locked_visit_of`. Raises Gone and Locked."""
    visit = await locked_visit_of(request, goes_on=goes_on)
    if not is_open(request, visit.services, visit.link):
        raise Locked
    return visit


def _visit(request: Request, services: Services, link: LiveLink) -> Visit:
    origin: Origin = request.state.origin
    who = f"{client_of(origin.address)}\n{origin.user_agent}".encode()
    visitor = hmac.digest(bytes(link.salt), who, "sha256")[:16]
    referer = request.headers.get("referer")
    return Visit(services, link, origin, request.state.scheme == "https", referer, visitor)


async def _is_used_up(visit: Visit) -> bool:
    """But for those whose download was counted within the hour: they may go on with it."""
    link = visit.link
    if link.kind == "drop":
        return (link.max_bytes is not None and link.uploaded_bytes >= link.max_bytes) or (
            link.max_uploads is not None and link.uploads >= link.max_uploads
        )
    if link.max_downloads is None or link.downloads < link.max_downloads:
        return False
    return not await visit.services.database.read(share_links.was_counted, link.id, visit.visitor)


async def _with_right(visit: Visit) -> Visit:
    """Raises Gone where the maker couldn't do himself what it is for."""
    link = visit.link
    found: Input = {}
    if link.kind == "file":
        file_id = bytes(link.file_id or b"")
        version = await visit.services.database.read(objects.find_file, file_id)
        if version is None or version.bucket_id != link.bucket.id:
            raise Gone
        found = {"Key": version.key, "FileId": file_id}
    output = await visit.perform(*needed(link.kind, link.prefix, found))
    return visit._replace(file=output.get("Version"))
