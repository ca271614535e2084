"""Tokens of previews' URLs: for five minutes, for what they say, and never taken for an access token."""

from __future__ import annotations

import time

import pytest

from s3gw.auth import access_tokens, preview_tokens
from s3gw.auth.access_tokens import BadToken, Claims
from s3gw.auth.preview_tokens import LIFETIME, PreviewClaims

KEYS = {"1": b"1" * 32, "2": b"2" * 32}
CLAIMS = PreviewClaims("user", "session", "bucket", "file", -17, None, "256")


def issued(at: float = 0, key_id: str = "1", key: bytes = KEYS["1"]) -> str:
    return preview_tokens.issue(CLAIMS, key_id, key, int(time.time() + at))


def test_a_token_says_what_it_was_issued_for() -> None:
    assert preview_tokens.verify(PreviewClaims, issued(), KEYS) == CLAIMS
    assert preview_tokens.verify(PreviewClaims, issued(10 - LIFETIME), KEYS) == CLAIMS


def test_a_token_ends_after_five_minutes() -> None:
    assert LIFETIME == 300
    with pytest.raises(BadToken):
        preview_tokens.verify(PreviewClaims, issued(-LIFETIME - 1), KEYS)


@pytest.mark.parametrize("token", [issued(key=b"3" * 32), issued(key_id="3"), "", "a.b.c"])
def test_what_no_key_of_ours_has_signed_is_none(token: str) -> None:
    with pytest.raises(BadToken):
        preview_tokens.verify(PreviewClaims, token, KEYS)


def test_neither_kind_of_token_is_the_other() -> None:
    access = access_tokens.issue(Claims("user", "session"), "1", KEYS["1"], int(time.time()))
    assert access_tokens.verify(access, KEYS) == Claims("user", "session")
    with pytest.raises(BadToken):
        preview_tokens.verify(PreviewClaims, access, KEYS)
    with pytest.raises(BadToken):
        access_tokens.verify(issued(), KEYS)
