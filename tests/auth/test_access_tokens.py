"""Access tokens: what isn't ours, whole and of this time, says nothing."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest

from s3gw.auth import access_tokens
from s3gw.auth.access_tokens import ALGORITHM, AUDIENCE, ISSUER, LIFETIME, BadToken, Claims

KEY, OTHER = b"k" * 64, b"o" * 64
CLAIMS = Claims("user", "session")


def made(key: bytes = KEY, algorithm: str | None = ALGORITHM, kid: Any = "id", **changes: Any) -> str:
    now = int(time.time())
    payload = {"iss": ISSUER, "aud": AUDIENCE, "sub": "user", "sid": "session", "iat": now, "exp": now + 60, **changes}
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, key if algorithm != "none" else "", algorithm, headers={"kid": kid})


def test_a_token_says_whose_it_is_for_fifteen_minutes() -> None:
    now = int(time.time())
    assert access_tokens.verify(access_tokens.issue(CLAIMS, "id", KEY, now), {"id": KEY}) == CLAIMS
    with pytest.raises(BadToken):
        access_tokens.verify(access_tokens.issue(CLAIMS, "id", KEY, now - LIFETIME - 1), {"id": KEY})


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        made(OTHER),
        made(algorithm="none"),
        made(algorithm="HS512"),
        made(aud="others"),
        made(iss="others"),
        made(exp=None),
        made(sid=None),
        made(kid="unknown"),
        made(exp=1),
        made()[:-2],
    ],
)
def test_what_is_not_ours_is_refused(token: str) -> None:
    with pytest.raises(BadToken):
        access_tokens.verify(token, {"id": KEY})


def test_a_token_has_2048_characters_at_most() -> None:
    assert access_tokens.verify(made(padding="x" * 800), {"id": KEY}) == CLAIMS
    with pytest.raises(BadToken):
        access_tokens.verify(made(padding="x" * 1600), {"id": KEY})
