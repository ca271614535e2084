"""S3's door, top to bottom: target, operation, authenticate, decode the head, perform, encode.

What it makes of a request is a Call; that is performed by operations/perform.py, which comes back with the output or
an error. This is also where every error becomes an answer and a request its access log line. Semantics belong into
operations/, bytes into wire/.
"""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext

from starlette.types import Receive, Scope, Send

from s3gw import log
from s3gw.auth.authenticate import Authentication, authenticate, read_proof
from s3gw.auth.payload import RECEIVE_INTO, ClientDisconnected, VerifyingBody
from s3gw.content.open_content import OpenContent
from s3gw.disks.faults import in_words
from s3gw.errors import InternalError, MethodNotAllowed, NoSuchBucket, NoSuchKey, S3Error
from s3gw.faults import as_s3_error, logged
from s3gw.metadata.resolve import Ahead, Found, Resolver
from s3gw.operations.call import Call, Input, ReadAhead
from s3gw.operations.perform import perform
from s3gw.operations.table import OPERATIONS, Row
from s3gw.s3.answer import Answer
from s3gw.s3.cors import cors_headers, preflight_refusal
from s3gw.s3.front_page import PATHS as PAGE_PATHS
from s3gw.s3.front_page import page_for
from s3gw.s3.location import location_of
from s3gw.s3.post_object import post_object
from s3gw.s3.previews import ARGUMENT as PREVIEW
from s3gw.s3.previews import row_of as preview_row
from s3gw.s3.refused_headers import refusal_of_headers
from s3gw.s3.request_context import RequestContext
from s3gw.s3.xml_bodies import XmlBodies, XmlDocument, memory_of
from s3gw.services import Services
from s3gw.wire.codec import codec
from s3gw.wire.model import operations
from s3gw.wire.request import Request, with_hoisted_headers
from s3gw.wire.route import CORS_PREFLIGHT, POST_OBJECT, route
from s3gw.wire.target import normal_domains

if _missing := operations().keys() - {old for row in operations().values() for old in row.aliases} - OPERATIONS.keys():
    raise ImportError(f"operations without a row: {sorted(_missing)}")
_CODECS = {name: codec(name) for name, row in OPERATIONS.items() if row.state != "refused"}
# AWS's model asks the client for a checksum in more operations; these are the ones where the server insists.
_CHECKSUM_REQUIRED = frozenset(("DeleteObjects", "PutBucketCors", "PutBucketTagging"))
# "The document is limited to 64 KB in size" (API Reference, PutBucketCors).
_LONGEST_DOCUMENTS = {"PutBucketCors": 64 * 1024}
_NOTHING, _NO_PIN = Found(None, None), nullcontext()
_READ_AHEAD: dict[str, Ahead] = {"GetObject": "content", "HeadObject": "object"}
_READS = frozenset(_READ_AHEAD.values())
_NOT_CURRENT = frozenset(("versionId", "partNumber", PREVIEW))  # arguments by which something else is read, or more
_logger = logging.getLogger("s3gw.gateway")


class Gateway:
    """The S3 application: ASGI in, AWS's S3 API out."""

    def __init__(self, services: Services) -> None:
        settings = services.settings
        self.services = services
        self._domains = normal_domains(settings.domains)
        self._trusted_proxies = tuple(settings.trusted_proxies)
        self._resolver = Resolver(services.database)
        self._xml_bodies = XmlBodies(memory_of(settings), settings.max_xml_body, settings.body_timeout)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = Answer(scope, send)
        try:
            await self._answer_or_refuse(answer, scope, receive)
        except ClientDisconnected:
            answer.status = 499  # nobody is there to answer; the log says so
        finally:
            log.access(answer)

    async def _answer_or_refuse(self, answer: Answer, scope: Scope, receive: Receive) -> None:
        try:
            await self._answer(answer, scope, receive)
        except ClientDisconnected:
            raise
        except Exception as error:
            if answer.is_started:
                answer.was_aborted = True
                is_ours = isinstance(as_s3_error(error), InternalError)
                line = ("aborted %s %s: %s", answer.request_id, answer.operation, in_words(error))
                _logger.error(*line, exc_info=error if is_ours else None)
                raise  # the server drops the connection, so the client sees that the body isn't whole
            await answer.refuse(_refusal(error, answer))

    async def _answer(self, answer: Answer, scope: Scope, receive: Receive) -> None:
        services = self.services
        sent = Request.from_scope(scope, self._domains, self._trusted_proxies)
        request = answer.request = with_hoisted_headers(sent) if sent.arguments else sent
        if "origin" in request.headers:
            answer.cors_headers = await cors_headers(services.database, request)
        if request.raw_path in PAGE_PATHS and (page := page_for(request)) is not None:
            answer.operation = "FrontPage"
            await answer.send_whole(200, page.headers, page.body)
            return
        operation = route(request)
        answer.operation = operation.name
        if operation is CORS_PREFLIGHT:  # which is sent without credentials
            if not answer.cors_headers:
                raise await preflight_refusal(services.database, request)
            await answer.send_whole(200, [], None)
            return
        if operation is POST_OBJECT:  # whose signature is in its body
            await post_object(services, answer, sent, receive)
            return
        now = time.time()
        proof = read_proof(sent, services.settings, now)
        is_ahead = proof is not None and services.database.reads_ahead
        ahead = _ahead(operation.name, request, services.settings.inline_limit) if is_ahead else ""
        with services.pins.open() if ahead in _READS else _NO_PIN as pin:  # before the object's row is read
            found, target = _NOTHING, request.target
            if proof is not None:
                found = await self._resolver.find(proof.access_key_id, target.bucket, target.key, ahead)
            authentication = authenticate(sent, proof, found.access_key, services.credentials, now)
            answer.principal = principal = authentication.principal
            if proof is not None:
                services.key_uses.last[principal.access_key_id] = now
            row = OPERATIONS[operation.name]
            call = Call(services, principal, {}, answer.request_id, int(now * 1_000_000))
            call.operation = operation.name
            call.foreseen = found.foreseen
            call.bucket, call.context = found.bucket, RequestContext(request, proof, now, request.client or None)
            if pin is not None and found.object is not None:
                call.ahead = ReadAhead(pin, found.object)
            body = self._decode(call, answer, request, row, authentication, receive)
            if PREVIEW in request.arguments:
                row = preview_row(call, request, row)
            try:
                output = await perform(call, row)
            finally:
                answer.bytes_received = 0 if body is None else body.received
        if operation.name == "CompleteMultipartUpload":
            output["Location"] = location_of(request)
        content: OpenContent | None = output.pop("Body", None)
        try:
            await answer.send(_CODECS[operation.name].encode(output), content)
        finally:
            if content is not None:
                await content.aclose()

    def _decode(
        self,
        call: Call,
        answer: Answer,
        request: Request,
        row: Row,
        authentication: Authentication,
        receive: Receive,
    ) -> VerifyingBody | None:
        """Set the call's input, and its body or document, of which nothing is read yet; or the problem with them."""
        operation = answer.operation
        call.problem = refusal = refusal_of_headers(operation, request.headers)
        try:
            call.input = _CODECS[operation].decode.head(request) if operation in _CODECS else _target(request)
            if row.body == "none":
                return None
            settings = self.services.settings
            limit = min(settings.max_put, settings.max_object) if row.body == "stream" else settings.max_xml_body
            receive_into = answer.scope.get("extensions", {}).get(RECEIVE_INTO, {}).get("call")
            body = VerifyingBody(receive, request, authentication, settings, limit, receive_into)
            if row.body == "xml":
                call.document = self._document(body, request, operation)
            else:
                call.body = body
                if body.is_chunked:
                    _remove_framing(call.input)
        except S3Error as problem:
            call.problem, call.input = refusal or problem, call.input or _target(request)
            return None
        return body

    def _document(self, body: VerifyingBody, request: Request, operation: str) -> XmlDocument:
        decode = _CODECS[operation].decode.body
        assert decode is not None, "the operation's row says that its input has a document"
        needs_checksum = operation in _CHECKSUM_REQUIRED and "content-md5" not in request.headers
        return XmlDocument(self._xml_bodies, body, decode, needs_checksum, _LONGEST_DOCUMENTS.get(operation))


def _ahead(operation: str, request: Request, most: int) -> Ahead:
    """What is asked with key and bucket; for a PUT of at most so many bytes."""
    if operation == "PutObject":
        length = request.headers.get("content-length", "")
        return "put" if length.isdecimal() and int(length) <= most else ""
    reads = operation in _READ_AHEAD and _NOT_CURRENT.isdisjoint(request.arguments)
    return _READ_AHEAD[operation] if reads else ""


def _target(request: Request) -> Input:
    """What is known of the input where the rest can't be decoded."""
    owner = request.headers.get("x-amz-expected-bucket-owner")
    named = {"Bucket": request.target.bucket, "Key": request.target.key, "ExpectedBucketOwner": owner}
    return {name: value for name, value in named.items() if value is not None}


def _remove_framing(input: Input) -> None:
    """aws-chunked says how this body was sent, not what the object is. Of a plain body it would be what it is."""
    encodings = [part.strip() for part in input.pop("ContentEncoding", "").split(",")]
    kept = ", ".join(part for part in encodings if part and part != "aws-chunked")
    if kept:
        input["ContentEncoding"] = kept


def _name_target(error: S3Error, request: Request | None) -> None:
    """Where an error is raised that is about the target, its name and method may not be known."""
    if request is None:
        return
    if isinstance(error, NoSuchBucket) and request.target.bucket is not None:
        error.details.setdefault("BucketName", request.target.bucket)
    if isinstance(error, NoSuchKey) and request.target.key is not None:
        error.details.setdefault("Key", request.target.key)
    if isinstance(error, MethodNotAllowed):
        error.details = {"Method": request.method, **error.details}


def _refusal(error: Exception, answer: Answer) -> S3Error:
    """As the client is told it, after a line in the log: with a traceback where the mistake is ours."""
    if isinstance(error, S3Error):
        _name_target(error, answer.request)
        return error
    return logged(error, _logger, f"{answer.request_id} {answer.operation}")
