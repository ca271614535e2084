"""Headers that ask for what isn't served yet: answered 501, never accepted and forgotten.

Those who may not do it aren't told so: AWS answers 403 and 404 before anything else.
"""

from __future__ import annotations

from collections.abc import Mapping

from s3gw.errors import InvalidArgument, NotImplemented, S3Error

# header -> the values that ask for nothing beyond what is served. Headers that do nothing on AWS either while a feature
# is off aren't among them: x-amz-request-payer (no bucket lets the requester pay), x-amz-mfa (no bucket demands it).
# Nor is x-amz-bypass-governance-retention: no version is retained, so a delete that would bypass that is served in
# full. AWS refuses it where a bucket has no object lock, but clients send it with each delete (ceph/s3-tests does).
_ACCEPTED: dict[str, frozenset[str]] = {
    "x-amz-bucket-object-lock-enabled": frozenset(("false", "False")),
    "x-amz-server-side-encryption-bucket-key-enabled": frozenset(("false", "False")),
    "x-amz-write-offset-bytes": frozenset(),
    "x-amz-bucket-namespace": frozenset(("global",)),
}
_PREFIXES = (
    "x-amz-server-side-encryption",
    "x-amz-copy-source-server-side-encryption",
    "x-amz-object-lock-",
)


def refusal_of_headers(operation: str, headers: Mapping[str, str]) -> S3Error | None:
    """NotImplemented, naming the header, if one implies functionality that isn't there."""
    if operation == "CopyObject" and (refusal := _refusal_of_range(headers)) is not None:
        return refusal
    for name, value in headers.items():
        if not name.startswith("x-amz-"):
            continue
        accepted = _ACCEPTED.get(name)
        if accepted is not None:
            if value not in accepted:
                return NotImplemented(Header=name)
        elif name.startswith(_PREFIXES):
            return NotImplemented(Header=name)
    return None


def _refusal_of_range(headers: Mapping[str, str]) -> S3Error | None:
    """A copy is of the whole object; UploadPartCopy takes a range."""
    for name in ("range", "x-amz-copy-source-range"):
        if name in headers:
            return InvalidArgument(
                "A range cannot be given when an object is copied.", ArgumentName=name, ArgumentValue=headers[name]
            )
    return None
