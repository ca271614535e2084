"""The key of the audit log is HKDF's, as the library computes it."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from s3gw.auth.audit_key import audit_key


def test_the_key_is_derived_by_hkdf() -> None:
    master = bytes(range(32))
    assert audit_key(master) == HKDF(SHA256(), length=32, salt=None, info=b"s3gw audit log").derive(master)
