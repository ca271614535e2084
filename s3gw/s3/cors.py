"""Requests of web pages from other origins: the headers of their answers, and why a preflight is refused.

The rules of the bucket are read with each request that has an Origin, so that a change counts at once everywhere; what
they mean is cors_rules.py's. They allow nothing: who may do what is decided as for any request.
"""

from __future__ import annotations

from typing import Any

from s3gw.errors import AccessForbidden, BadRequest, S3Error
from s3gw.metadata import buckets, cors
from s3gw.metadata.database import Database
from s3gw.operations.bucket_cors import METHODS
from s3gw.s3.cors_rules import Headers, headers_of, parse_rules, read_asked
from s3gw.wire.request import Request

# In AWS's spelling.
_NOT_ALLOWED = (
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method /"
    " Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
)


async def cors_headers(database: Database, request: Request) -> Headers:
    """Of the answer to a request that has an Origin, whatever that answer is; none where no rule allows it.

    For a preflight they are the answer.
    """
    bucket, asked = request.target.bucket, read_asked(request.method, request.headers)
    if bucket is None or asked is None:
        return []
    document = await database.read_shared(cors.find_text, bucket)
    return [] if document is None else headers_of(parse_rules(document), asked)


async def preflight_refusal(database: Database, request: Request) -> S3Error:
    """Why a preflight that no rule allows isn't; in AWS's order."""
    if "origin" not in request.headers:
        return BadRequest("Insufficient information. Origin request header needed.")
    name, method = request.target.bucket, request.headers.get("access-control-request-method")
    asked: dict[str, Any] = {"Method": method or request.method}
    if name is None or await database.read_shared(buckets.find, name) is None:
        return AccessForbidden("CORSResponse: Bucket not found", **asked, ResourceType="BUCKET")
    if await database.read_shared(cors.find_text, name) is None:
        return AccessForbidden(**asked, ResourceType="BUCKET")
    if method not in METHODS:
        return BadRequest(f"Invalid Access-Control-Request-Method: {method or 'null'}")
    return AccessForbidden(_NOT_ALLOWED, **asked, ResourceType=request.target.kind.upper())
