"""What tells one request from another when it comes again: a digest of its body that gives the body away to nobody.

A body may hold a password, which could be guessed by its digest; so it is an HMAC, under a key derived from the master
key for this use only (HKDF with SHA-256, as audit_key.py's).
"""

from __future__ import annotations

import hashlib
import hmac

_INFO = b"s3gw request digests"


class RequestDigests:
    def __init__(self, master_key: bytes) -> None:
        extracted = hmac.digest(bytes(32), master_key, "sha256")
        self._key = hmac.digest(extracted, _INFO + b"\x01", "sha256")

    def digest(self, *parts: bytes) -> bytes:
        return hmac.digest(self._key, _joined(parts), "sha256")


def open_digest(*parts: bytes) -> bytes:
    """Of what isn't secret: under no key, so it is the same when another master key counts."""
    return hashlib.sha256(_joined(parts)).digest()


def _joined(parts: tuple[bytes, ...]) -> bytes:
    """Each part with its length before it, so that no two requests are alike by where one part ends."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)
