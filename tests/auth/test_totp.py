"""Codes of an authenticator app as RFC 6238 computes them, and recovery codes."""

from __future__ import annotations

import base64

import pytest

from s3gw.auth import totp

# RFC 6238, appendix B: the secret, and the last six digits at these times.
SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(("seconds", "code"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")])
def test_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    assert totp.step_of(SECRET, code, seconds) == seconds // 30
    assert totp.step_of(SECRET, f" {code[:3]} {code[3:]}", seconds) == seconds // 30


def test_a_clock_may_be_off_by_thirty_seconds_and_no_more() -> None:
    for seconds, step in ((1111111109 - 60, None), (1111111109 - 30, 37037036), (1111111109 + 30, 37037036)):
        assert totp.step_of(SECRET, "081804", seconds) == step
    assert totp.step_of(SECRET, "081804", 1111111109 + 60) is None


@pytest.mark.parametrize("code", ["", "08180", "0818040", "08180a", "٠٨١٨٠٤", "000000"])
def test_what_is_no_code_is_none(code: str) -> None:
    assert totp.step_of(SECRET, code, 1111111109) is None


def test_recovery_codes_are_ten_different_ones_that_are_read_as_people_write_them() -> None:
    codes = totp.new_recovery_codes()
    assert len(set(codes)) == 10
    assert all(len(code) == 19 for code in codes)
    digest = totp.recovery_digest("user", codes[0])
    assert digest is not None
    assert totp.recovery_digest("user", f" {codes[0].lower().replace('-', ' ')} ") == digest
    assert totp.recovery_digest("other", codes[0]) != digest
    assert totp.recovery_digest("user", codes[0][:-1]) is totp.recovery_digest("user", "") is None


def test_the_uri_names_the_user_and_the_server() -> None:
    uri = totp.provisioning_uri(SECRET, "ann", "s3gw")
    assert uri.startswith("otpauth://totp/s3gw:ann?secret=")
    assert len(base64.b32decode(totp.new_secret())) == 20
