"""The key under which the audit log is sealed: derived from the master key, for this use only.

HKDF with SHA-256 (RFC 5869) for 32 bytes, which is one HMAC to extract and one to expand: the library that has it would
take 9 MiB of the job process, which needs nothing else of it.
"""

from __future__ import annotations

import hmac

from s3gw.auth.master_key import Keyring
from s3gw.metadata import master_keys
from s3gw.metadata.database import Connection

_INFO = b"s3gw audit log"


def audit_key(master_key: bytes) -> bytes:
    extracted = hmac.digest(bytes(32), master_key, "sha256")
    return hmac.digest(extracted, _INFO + b"\x01", "sha256")


def audit_key_now(conn: Connection, keys: Keyring) -> bytes:
    """Of the master key that counts, for who reads. Raises MasterKeyError."""
    return audit_key(keys.key(master_keys.current(conn)))


def audit_key_in(conn: Connection, keys: Keyring) -> bytes:
    """Of the master key that counts until the end of this transaction, for who seals. Raises MasterKeyError."""
    return audit_key(keys.key(master_keys.hold(conn)))
