"""Passwords: hashed with Argon2id, each with its own salt."""

from __future__ import annotations

from s3gw.auth.passwords import hash_password, verify_password


def test_a_password_is_verified_against_its_hash() -> None:
    hashed = hash_password("correct horse")
    assert hashed.startswith("$argon2id$")
    assert verify_password(hashed, "correct horse")
    assert not verify_password(hashed, "battery staple")


def test_equal_passwords_have_different_hashes() -> None:
    assert hash_password("same") != hash_password("same")


def test_what_is_no_hash_verifies_nothing() -> None:
    assert not verify_password("", "")
    assert not verify_password("plain", "plain")
