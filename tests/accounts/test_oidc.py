"""The cookie of a login at an issuer: of which browser, for how long, and that nobody else can make one."""

from __future__ import annotations

import base64
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

from s3gw.accounts import oidc
from s3gw.accounts.oidc import LIFETIME, Returned
from s3gw.auth.credentials import Credentials
from s3gw.problems import NotAuthenticated

KEY = Credentials(bytes(32))
SERVICES: Any = SimpleNamespace(credentials=KEY, settings=SimpleNamespace(oidc_issuer="https://issuer"))


def cookie(expires_in: float, key: Credentials = KEY, sealed_as: str = "oidc-way-back") -> str:
    kept = json.dumps(["state", "nonce", "verifier", "invitation", "console", int(time.time() + expires_in)])
    return base64.urlsafe_b64encode(key.seal(sealed_as, kept)).decode()


def test_what_was_kept_comes_back_with_the_state() -> None:
    kept = oidc._kept(SERVICES, Returned(cookie(LIFETIME), "state", "code", "https://issuer"))
    assert (*kept.pending, kept.invitation) == ("state", "nonce", "verifier", "invitation")
    assert kept.back_to == "console"


@pytest.mark.parametrize(
    "given",
    [
        cookie(-1),
        cookie(LIFETIME, Credentials(b"o" * 32)),
        cookie(LIFETIME, sealed_as="AKIA"),
        cookie(LIFETIME)[:-4],
        "",
        "no base64",
        "é",
        None,
    ],
)
def test_a_cookie_that_is_old_or_not_ours_is_refused(given: str | None) -> None:
    with pytest.raises(NotAuthenticated):
        oidc._kept(SERVICES, Returned(given, "state", "code"))
