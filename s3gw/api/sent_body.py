"""The body of a request that brings a file, as the reader of S3's bodies reads it: it streams, and isn't signed."""

from __future__ import annotations

from starlette.requests import Request

from s3gw.auth.authenticate import Authentication, PayloadSpec
from s3gw.auth.payload import RECEIVE_INTO, VerifyingBody
from s3gw.auth.principal import ANONYMOUS
from s3gw.config import Settings
from s3gw.wire.request import Request as WireRequest
from s3gw.wire.target import SERVICE

_UNSIGNED = Authentication(ANONYMOUS, PayloadSpec("unsigned"), False)
FRAMING = frozenset(("content-length", "transfer-encoding"))


def sent_body(request: Request, settings: Settings, headers: dict[str, str], limit: int) -> VerifyingBody:
    """`headers`: its framing, and digests that are announced."""
    receive_into = request.scope.get("extensions", {}).get(RECEIVE_INTO, {}).get("call")
    return VerifyingBody(request.receive, as_put(headers), _UNSIGNED, settings, limit, receive_into)


def as_put(headers: dict[str, str]) -> WireRequest:
    """A PutObject with those headers, as far as the reader of its body asks for it."""
    return WireRequest(
        "PUT",
        "",
        "",
        (),
        b"",
        b"",
        headers,
        [],
        {},
        "",
        secure=False,
        tls_version=None,
        target=SERVICE,
    )
