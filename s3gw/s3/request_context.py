"""What rules may ask of how a request came: addresses, headers, the signature."""

from __future__ import annotations

from typing import NamedTuple

from s3gw.auth.authenticate import Proof
from s3gw.auth.sigv4 import ALGORITHM, UNSIGNED_PAYLOAD
from s3gw.wire.request import Request


class RequestContext(NamedTuple):
    """A Context (operations/call.py). `now` is in seconds since the epoch."""

    request: Request
    proof: Proof | None
    now: float
    source_ip: str | None

    @property
    def is_secure(self) -> bool:
        return self.request.secure

    @property
    def tls_version(self) -> str | None:
        return self.request.tls_version

    @property
    def user_agent(self) -> str | None:
        return self.request.headers.get("user-agent")

    @property
    def referer(self) -> str | None:
        return self.request.headers.get("referer")

    @property
    def content_sha256(self) -> str | None:
        """Of a URL presigned with SigV4 it is known without being sent: the payload is unsigned."""
        named = self.request.headers.get("x-amz-content-sha256")
        if named is None and self.proof is not None and self.proof.is_presigned:
            return UNSIGNED_PAYLOAD if self.proof.algorithm == ALGORITHM else None
        return named

    @property
    def signature_version(self) -> str | None:
        return None if self.proof is None else self.proof.algorithm

    @property
    def signature_age(self) -> int | None:
        signed_at = None if self.proof is None else self.proof.signed_at
        return None if signed_at is None else max(0, int((self.now - signed_at) * 1000))

    @property
    def auth_type(self) -> str | None:
        return None if self.proof is None else self.proof.auth_type
