"""Headers that ask for what isn't served yet: answered 501, never accepted and forgotten."""

from __future__ import annotations

from collections.abc import Mapping

from s3gw.errors import NotImplemented

# header -> the values that ask for nothing beyond what is served
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
