"""What tells one request from another when it comes again: a digest of its body that gives the body away to nobody.

A body may hold a password, which could be guessed by its digest; so it is an HMAC, under a key derived from the master
key for this use only (HKDF with SHA-256, as audit_key.py's).
"""

from __future__ import annotations

import hmac

_INFO = b"s3gw request digests"


class RequestDigests:
    def __init__(self, master_key: bytes) -> None:
        extracted = hmac.digest(bytes(32), master_key, "sha256")
        self._key = hmac.digest(extracted, _INFO + b"\x01", "sha256")

    def digest(self, *parts: bytes) -> bytes:
        """Each part with its length before it, so that no two requests are alike by where one part ends."""
        told = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.digest(self._key, told, "sha256")
