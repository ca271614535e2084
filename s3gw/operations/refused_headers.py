"""Operations and headers that ask for what isn't served yet: answered 501, never accepted and forgotten."""

from __future__ import annotations

from collections.abc import Mapping

from s3gw.auth.authorize import Need
from s3gw.errors import AccessForbidden, BadRequest, MissingSecurityHeader, NotImplemented, S3Error
from s3gw.metadata.buckets import Bucket
from s3gw.wire.model import Operation
from s3gw.wire.request import Request
from s3gw.wire.route import POST_OBJECT

# header -> the values that ask for nothing beyond what is served. Headers that do nothing on AWS either while a feature
# is off aren't among them: x-amz-request-payer (no bucket lets the requester pay), x-amz-mfa (no bucket demands it).
# Nor is x-amz-bypass-governance-retention: no version is retained, so a delete that would bypass that is served in
# full. AWS refuses it where a bucket has no object lock, but clients send it with each delete (ceph/s3-tests does).
_ACCEPTED: dict[str, frozenset[str]] = {
    "x-amz-acl": frozenset(("private", "bucket-owner-full-control")),
    "x-amz-bucket-object-lock-enabled": frozenset(("false", "False")),
    "x-amz-server-side-encryption-bucket-key-enabled": frozenset(("false", "False")),
    "x-amz-write-offset-bytes": frozenset(),
    "x-amz-bucket-namespace": frozenset(("global",)),
}
_PREFIXES = (
    "x-amz-grant-",
    "x-amz-server-side-encryption",
    "x-amz-copy-source-server-side-encryption",
    "x-amz-object-lock-",
)
_ACL_HEADERS = ("x-amz-acl", "x-amz-grant-")
_PUT_ACL = frozenset(("PutBucketAcl", "PutObjectAcl"))


def needs_of_unserved(operation: Operation) -> tuple[Need, ...]:
    """What isn't served is told only to those who might be served: AWS answers 403 and 404 before anything else.

    The credentials of a form are in its body.
    """
    if operation == POST_OBJECT:
        return ()
    return (Need(f"s3:{operation.name}", "service" if operation.path is not None else operation.kind),)


def preflight_refusal(request: Request, bucket: Bucket | None) -> S3Error:
    """What AWS answers to OPTIONS where no bucket has a CORS configuration."""
    if "origin" not in request.headers:
        return BadRequest("Insufficient information. Origin request header needed.")
    return AccessForbidden(
        None if bucket is not None else "CORSResponse: Bucket not found",
        Method=request.headers.get("access-control-request-method", request.method),
        ResourceType=request.target.kind.upper(),
    )


def unserved_operation(operation: Operation, request: Request) -> S3Error:
    """ACLs come in x-amz-acl, in x-amz-grant-… or as a document; to a request with none AWS says which it misses."""
    headers = request.headers
    has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
    if operation.name in _PUT_ACL and not has_body and not any(name.startswith(_ACL_HEADERS) for name in headers):
        return MissingSecurityHeader(MissingHeaderName="x-amz-acl")
    return NotImplemented(f"{operation.name} is not implemented.", Operation=operation.name)


def refuse_unserved_headers(headers: Mapping[str, str]) -> None:
    """Raise NotImplemented, naming the header, if one implies functionality that isn't there."""
    for name, value in headers.items():
        if not name.startswith("x-amz-"):
            continue
        accepted = _ACCEPTED.get(name)
        if accepted is not None:
            if value not in accepted:
                raise NotImplemented(Header=name)
        elif name.startswith(_PREFIXES):
            raise NotImplemented(Header=name)
