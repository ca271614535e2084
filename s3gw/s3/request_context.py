"""What rules may ask of how a request came: addresses, headers, the signature. Computed only when a rule asks."""

from __future__ import annotations

from s3gw.auth.authenticate import Proof
from s3gw.operations.call import RequestContext
from s3gw.wire.request import Request


def context_of(request: Request, proof: Proof | None, now: float) -> RequestContext:
    """`now` is in seconds since the epoch."""
    headers = request.headers
    context = RequestContext(
        source_ip=request.client or None,
        is_secure=request.secure,
        user_agent=headers.get("user-agent"),
        referer=headers.get("referer"),
        content_sha256=headers.get("x-amz-content-sha256"),
    )
    if proof is None:
        return context
    return context._replace(
        signature_version=proof.algorithm,
        signature_age=None if proof.signed_at is None else max(0, int((now - proof.signed_at) * 1000)),
        auth_type=proof.auth_type,
    )
