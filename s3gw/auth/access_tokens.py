"""Access tokens: JWTs of fifteen minutes that say who, and in which session; whether that lasts is the row's to say.

One algorithm, whatever the token's head says. Keys are derived from nothing: they are made at random, sealed under the
master key, and named by `kid`; the newest signs (metadata/token_keys.py). PyJWT is imported where it is used: it takes
30 ms of a start, and workers that only serve S3 don't need it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import NamedTuple

ALGORITHM, ISSUER, AUDIENCE = "HS256", "s3gw", "s3gw-api"
LIFETIME = 900  # seconds
_LONGEST = 2048  # characters


class Claims(NamedTuple):
    user_id: str
    session_id: str


class BadToken(Exception):
    """It isn't one of ours, or it has expired."""


def new_key() -> bytes:
    return secrets.token_bytes(32)


def issue(claims: Claims, key_id: str, key: bytes, now: int) -> str:
    """`now` in seconds since the epoch."""
    import jwt

    payload = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": claims.user_id,
        "sid": claims.session_id,
        "iat": now,
        "exp": now + LIFETIME,
    }
    return jwt.encode(payload, key, ALGORITHM, headers={"kid": key_id})


def key_id_of(token: str) -> str:
    """Of a token that isn't trusted yet. Raises BadToken."""
    import jwt

    if len(token) > _LONGEST:
        raise BadToken
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
    except jwt.InvalidTokenError:
        raise BadToken from None
    if not isinstance(key_id, str):
        raise BadToken
    return key_id


def verify(token: str, keys: Mapping[str, bytes]) -> Claims:
    """Raises BadToken. `keys` by their ids."""
    import jwt

    key = keys.get(key_id_of(token))
    if key is None:
        raise BadToken
    try:
        payload = jwt.decode(
            token, key, [ALGORITHM], issuer=ISSUER, audience=AUDIENCE, options={"require": ["exp", "iat", "sub", "sid"]}
        )
    except jwt.InvalidTokenError:
        raise BadToken from None
    return Claims(str(payload["sub"]), str(payload["sid"]))
