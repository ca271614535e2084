"""Codes of an authenticator app (TOTP, RFC 6238) and recovery codes: made and compared.

That each is good once is metadata/totp.py's. pyotp is imported where it is used, as workers that only serve S3 don't
need it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

STEP = 30  # seconds
RECOVERY_CODES = 10
_DRIFT = 1  # steps that the app's clock may be off, before and after
_CODE = re.compile(r"[0-9]{6}")
_RECOVERY_CODE = re.compile(r"[A-Z2-7]{16}")


def new_secret() -> str:
    """160 bits, as RFC 4226 recommends, in base32."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def provisioning_uri(secret: str, name: str, issuer: str) -> str:
    """What the app takes as a QR code."""
    import pyotp

    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)


def step_of(secret: str, code: str, seconds: int) -> int | None:
    """Of which step the code is, of those around the time; None: of none of them."""
    import pyotp

    code = code.replace(" ", "")
    if _CODE.fullmatch(code) is None:
        return None
    totp, now, found = pyotp.TOTP(secret), seconds // STEP, None
    for step in range(now - _DRIFT, now + _DRIFT + 1):
        if secrets.compare_digest(totp.at(step * STEP), code):
            found = step
    return found


def new_recovery_codes() -> list[str]:
    """Of 80 bits each, ABCD-EFGH-IJKL-MNOP: they are stored as a plain hash, which guesses don't get through."""
    codes = (base64.b32encode(secrets.token_bytes(10)).decode() for _ in range(RECOVERY_CODES))
    return ["-".join(re.findall("....", code)) for code in codes]


def recovery_digest(user_id: str, code: str) -> bytes | None:
    """None of what can't be one."""
    code = code.replace("-", "").replace(" ", "").upper()
    return hashlib.sha256(f"{user_id}/{code}".encode()).digest() if _RECOVERY_CODE.fullmatch(code) else None
