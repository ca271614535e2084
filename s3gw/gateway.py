"""The line a request walks, top to bottom: target, operation, authenticate, authorize, decode, handle, encode.

No step is repeated elsewhere. This is also where every error becomes an answer and a request its access log line.
Semantics belong into operations/, bytes into wire/.
"""

from __future__ import annotations

import logging
import re
import time
from functools import partial
from typing import Any

from starlette.types import Receive, Scope, Send

from s3gw import log
from s3gw.auth.authenticate import Authentication, authenticate
from s3gw.auth.authorize import Need, is_allowed, require
from s3gw.auth.payload import ClientDisconnected, VerifyingBody
from s3gw.context import Context, Services
from s3gw.errors import (
    AccessDenied,
    InternalError,
    InvalidBucketOwnerAWSAccountID,
    InvalidRequest,
    NoSuchBucket,
    NoSuchKey,
    S3Error,
)
from s3gw.exchange import Exchange
from s3gw.faults import as_s3_error
from s3gw.front_page import page_for
from s3gw.metadata import buckets, identities
from s3gw.metadata.buckets import Bucket
from s3gw.operations.copy_source import parse_copy_source
from s3gw.operations.needs_room import NEEDS_ROOM, size_of_body
from s3gw.operations.refused_headers import (
    needs_of_unserved,
    preflight_refusal,
    refuse_unserved_headers,
    unserved_operation,
)
from s3gw.operations.table import OPERATIONS, Row
from s3gw.wire.codec import codec
from s3gw.wire.decode import Decoder
from s3gw.wire.model import Operation
from s3gw.wire.request import Request, with_hoisted_headers
from s3gw.wire.route import CORS_PREFLIGHT, route
from s3gw.wire.target import MAX_KEY_BYTES, check_key_length, normal_domains

_CODECS = {name: codec(name) for name in OPERATIONS}
# AWS's model asks the client for a checksum in more operations; these are the ones where the server insists.
_CHECKSUM_REQUIRED = frozenset(("DeleteObjects", "PutBucketTagging"))
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_logger = logging.getLogger("s3gw.gateway")


class Gateway:
    """The S3 application: ASGI in, AWS's S3 API out."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._max_key = services.settings.max_key
        self._domains = normal_domains(services.settings.domains)
        self._trusted_proxies = tuple(services.settings.trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, send)
        try:
            await self._answer_or_refuse(exchange, scope, receive)
        except ClientDisconnected:
            exchange.status = 499  # nobody is there to answer; the log says so
        finally:
            log.access(exchange)

    async def _answer_or_refuse(self, exchange: Exchange, scope: Scope, receive: Receive) -> None:
        try:
            await self._answer(exchange, scope, receive)
        except ClientDisconnected:
            raise
        except Exception as error:
            if exchange.is_started:
                exchange.was_aborted = True
                is_ours = isinstance(as_s3_error(error), InternalError)
                line = ("aborted %s %s: %s", exchange.request_id, exchange.operation, error)
                _logger.error(*line, exc_info=error if is_ours else None)
                raise  # the server drops the connection, so the client sees that the body isn't whole
            await exchange.refuse(_refusal(error, exchange))

    async def _answer(self, exchange: Exchange, scope: Scope, receive: Receive) -> None:
        services = self.services
        sent = Request.from_scope(scope, self._domains, self._trusted_proxies)
        request = exchange.request = with_hoisted_headers(sent) if sent.arguments else sent
        if self._max_key < MAX_KEY_BYTES and request.target.key is not None:
            check_key_length(request.target.key, self._max_key)
        if (page := page_for(request)) is not None:
            exchange.operation = "FrontPage"
            await exchange.send_whole(200, page.headers, page.body)
            return
        operation = route(request)
        exchange.operation = operation.name
        row = OPERATIONS.get(operation.name)
        if operation == CORS_PREFLIGHT:  # which is sent without credentials
            raise await self._preflight_refusal(request)
        authentication = await authenticate(sent, self._find_access_key, services.credentials, services.settings)
        exchange.principal = authentication.principal
        ctx = Context(services, request, authentication.principal, exchange.request_id, time.time_ns() // 1000)
        exchange.ctx = ctx
        await self._authorize(ctx, operation, needs_of_unserved(operation) if row is None else row.needs)
        if row is None:
            raise unserved_operation(operation, request)
        refuse_unserved_headers(request.headers)
        if operation.name in NEEDS_ROOM:
            services.room.require(size_of_body(operation.name, request.headers.get("content-length")))
        input = await self._decode(ctx, operation.name, row, authentication, receive)
        output = await row.handler(ctx, input)
        await exchange.send_output(ctx, output, _CODECS[operation.name])

    async def _preflight_refusal(self, request: Request) -> S3Error:
        bucket = request.target.bucket
        found = None if bucket is None else await self.services.database.look_up(buckets.find, bucket)
        return preflight_refusal(request, found)

    async def _find_access_key(self, access_key_id: str) -> identities.AccessKey | None:
        return await self.services.database.look_up(identities.find_access_key, access_key_id)

    async def _authorize(self, ctx: Context, operation: Operation, needs: tuple[Need, ...]) -> None:
        """Resolve the buckets that the request names, and ask for each of the operation's needs."""
        target, headers = ctx.request.target, ctx.request.headers
        if target.bucket is not None and operation.name != "CreateBucket" and operation.path is None:
            ctx.bucket = await self._bucket(ctx, target.bucket, "x-amz-expected-bucket-owner")
        versioned = {"source": False, "object": "versionId" in ctx.request.arguments}
        if "x-amz-copy-source" in headers:
            source = parse_copy_source(headers["x-amz-copy-source"])
            versioned["source"] = source.version_id is not None
            ctx.source_bucket = await self._bucket(ctx, source.bucket, "x-amz-source-expected-bucket-owner")
        for need in needs:
            if need.header is None or need.header in headers:
                self._require(ctx, need, need.versioned if versioned.get(need.on) else None)

    async def _bucket(self, ctx: Context, name: str, owner_header: str) -> Bucket:
        expected = ctx.request.headers.get(owner_header)
        if expected is not None and not _ACCOUNT_ID.fullmatch(expected):
            raise InvalidBucketOwnerAWSAccountID(f"{InvalidBucketOwnerAWSAccountID.default_message} [{expected}]")
        bucket = await self.services.database.look_up(buckets.find, name)
        if bucket is None:
            raise NoSuchBucket(BucketName=name)
        if expected is not None and expected != bucket.owner_account_id:
            raise AccessDenied()
        return bucket

    def _require(self, ctx: Context, need: Need, of_version: str | None) -> None:
        if need.on == "keys":
            bucket = ctx.the_bucket
            ctx.allowed = lambda action, key: is_allowed(ctx.principal, action, bucket)
            if ctx.principal.is_anonymous:
                raise AccessDenied()
            return
        bucket_acted_on = {"service": None, "source": ctx.source_bucket}.get(need.on, ctx.bucket)
        require(ctx.principal, of_version or need.action, bucket_acted_on)

    async def _decode(
        self, ctx: Context, operation: str, row: Row, authentication: Authentication, receive: Receive
    ) -> Any:
        decode = _CODECS[operation].decode
        if row.body != "none":
            settings = ctx.services.settings
            limit = min(settings.max_put, settings.max_object) if row.body == "stream" else settings.max_xml_body
            ctx.body = VerifyingBody(receive, ctx.request, authentication, settings, limit)
            if row.body == "xml":
                needs_checksum = operation in _CHECKSUM_REQUIRED
                return await ctx.services.documents.decode(ctx.body, partial(_decode, ctx, decode, needs_checksum))
        return decode(ctx.request, None)


def _decode(ctx: Context, decode: Decoder, needs_checksum: bool, document: bytes) -> Any:
    if needs_checksum and document:
        _require_checksum(ctx.the_body, ctx.request)
    return decode(ctx.request, document)


def _require_checksum(body: VerifyingBody, request: Request) -> None:
    """A signed hash of the payload isn't enough on AWS either."""
    if "content-md5" not in request.headers and body.checksum_algorithm is None:
        raise InvalidRequest("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")


def _name_target(error: S3Error, request: Request | None) -> None:
    """Where an error is raised that is about the target, its name may not be known."""
    if request is None:
        return
    if isinstance(error, NoSuchBucket) and request.target.bucket is not None:
        error.details.setdefault("BucketName", request.target.bucket)
    if isinstance(error, NoSuchKey) and request.target.key is not None:
        error.details.setdefault("Key", request.target.key)


def _refusal(error: Exception, exchange: Exchange) -> S3Error:
    """As the client is told it, after a line in the log: with a traceback where the mistake is ours."""
    refusal = as_s3_error(error)
    if refusal is error:
        _name_target(refusal, exchange.request)
        return refusal
    if isinstance(refusal, InternalError):
        _logger.error("failed %s %s", exchange.request_id, exchange.operation, exc_info=error)
    else:
        _logger.warning("%s %s %s: %s", refusal.code, exchange.request_id, exchange.operation, error)
    return refusal
