"""Operations and headers that ask for what isn't served yet: answered 501, never accepted and forgotten."""

from __future__ import annotations

from collections.abc import Mapping

from s3gw.errors import MissingSecurityHeader, NotImplemented, S3Error

# header -> the values that ask for nothing beyond what is served. x-amz-bypass-governance-retention isn't among them:
# no version is retained (object lock is refused), so a delete that would bypass that is served in full.
_ACCEPTED: dict[str, frozenset[str]] = {
    "x-amz-acl": frozenset(("private", "bucket-owner-full-control")),
    "x-amz-bucket-object-lock-enabled": frozenset(("false", "False")),
    "x-amz-server-side-encryption-bucket-key-enabled": frozenset(("false", "False")),
    "x-amz-mfa": frozenset(),
    "x-amz-request-payer": frozenset(),
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


def unserved_operation(operation: str, headers: Mapping[str, str]) -> S3Error:
    """ACLs come in x-amz-acl, in x-amz-grant-… or as a document; to a request with none AWS says which it misses."""
    has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
    if operation in _PUT_ACL and not has_body and not any(name.startswith(_ACL_HEADERS) for name in headers):
        return MissingSecurityHeader(MissingHeaderName="x-amz-acl")
    return NotImplemented(f"{operation} is not implemented.", Operation=operation)


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
