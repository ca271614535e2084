"""The key under which the audit log is sealed: derived from the master key, for this use only.

HKDF with SHA-256 (RFC 5869) for 32 bytes, which is one HMAC to extract and one to expand: the library that has it would
take 9 MiB of the job process, which needs nothing else of it.
"""

from __future__ import annotations

import hmac

_INFO = b"s3gw audit log"


def audit_key(master_key: bytes) -> bytes:
    extracted = hmac.digest(bytes(32), master_key, "sha256")
    return hmac.digest(extracted, _INFO + b"\x01", "sha256")
