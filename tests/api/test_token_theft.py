"""Stolen and forged tokens, on both databases and both workers; forged with the server's own key, but for one lie."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest

from s3gw.auth.access_tokens import ALGORITHM, AUDIENCE, ISSUER, LIFETIME
from s3gw.auth.credentials import Credentials
from s3gw.auth.key_file import open_keyring
from s3gw.config import load_settings
from s3gw.metadata import token_keys
from s3gw.metadata.engines import open_database
from tests.api.documented import HELD
from tests.api.people import PASSWORD, Person, refusal
from tests.cli.commands import Ask
from tests.servers import RunningServer

REFUSED = (401, "AUTHENTICATION_FAILED")


@pytest.fixture
def workers(server: RunningServer) -> Callable[[str], set[tuple[int, str]]]:
    """What is answered to a token, on enough connections that both workers are asked. Without `verify=False` each
    client would load the authorities of the whole web.
    """

    def ask(token: str) -> set[tuple[int, str]]:
        answers = set()
        for _ in range(6):
            with httpx.Client(base_url=f"{server.admin}/api/v1", timeout=60, event_hooks=HELD, verify=False) as client:
                answer = client.get("/users/me", headers={"Authorization": f"Bearer {token}"})
            answers.add((200, "") if answer.status_code == 200 else refusal(answer))
        return answers

    return ask


@pytest.fixture
async def signing_key(server: RunningServer) -> tuple[str, bytes]:
    """Id and key with which the server signs just now."""
    database = open_database(server.settings.get("S3GW_DATABASE_URL"), server.data)
    try:
        newest = (await database.read(token_keys.newest_first))[0]
    finally:
        await database.close()
    credentials = Credentials(open_keyring(load_settings(data=server.data)))
    return newest.id, bytes.fromhex(credentials.unseal(f"token-key/{newest.id}", newest.sealed))


def claims_of(person: Person) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(person.tokens["access_token"], options={"verify_signature": False})
    return found


FORGERIES: dict[str, dict[str, Any]] = {
    "alg none": {"algorithm": "none"},
    "another algorithm": {"algorithm": "HS512"},
    "another key": {"key": b"o" * 64},
    "another key id": {"kid": "0123456789abcdef"},
    "no key id": {"kid": None},
    "another audience": {"aud": "others"},
    "another issuer": {"iss": "others"},
    "no end": {"exp": None},
    "over": {"exp": 1},
    "another's session": {"sub": "00000000-0000-4000-8000-000000000000"},
    "a session of nobody's": {"sid": "00000000-0000-4000-8000-000000000000"},
}


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")  # HS512 with the key of HS256
async def test_what_is_forged_is_refused_and_the_same_token_without_the_lie_is_not(
    person: Person, workers: Callable[[str], set[tuple[int, str]]], signing_key: tuple[str, bytes]
) -> None:
    def forged(
        *, key: bytes = signing_key[1], kid: Any = signing_key[0], algorithm: str = ALGORITHM, **lies: Any
    ) -> str:
        payload = {name: value for name, value in (claims_of(person) | lies).items() if value is not None}
        headers = {"kid": kid} if kid is not None else {}
        if algorithm == "none":
            parts = ({"alg": "none", "typ": "JWT", **headers}, payload)
            encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
            return ".".join([*encoded, ""])
        return jwt.encode(payload, key, algorithm, headers=headers)

    assert workers(forged()) == {(200, "")}
    for lie, changes in FORGERIES.items():
        assert workers(forged(**changes)) == {REFUSED}, lie
    signature_changed = f"{forged()[:-4]}AAAA"
    assert workers(signature_changed) == {REFUSED}


def test_a_token_says_no_more_than_who_and_for_fifteen_minutes(person: Person) -> None:
    claims = claims_of(person)
    assert claims.keys() == {"iss", "aud", "sub", "sid", "iat", "exp"}
    assert (claims["iss"], claims["aud"], claims["exp"] - claims["iat"]) == (ISSUER, AUDIENCE, LIFETIME)


def test_a_stolen_refresh_token_ends_the_session_for_both_on_every_worker(
    api: httpx.Client, person: Person, workers: Callable[[str], set[tuple[int, str]]]
) -> None:
    old = {"refresh_token": person.tokens["refresh_token"]}
    thief = api.post("/users/refresh", json=old).json()
    assert workers(thief["access_token"]) == workers(person.tokens["access_token"]) == {(200, "")}
    assert refusal(api.post("/users/refresh", json=old)) == REFUSED
    assert workers(thief["access_token"]) == workers(person.tokens["access_token"]) == {REFUSED}
    assert refusal(api.post("/users/refresh", json={"refresh_token": thief["refresh_token"]})) == REFUSED


def test_nothing_of_a_session_is_good_after_its_logout(
    api: httpx.Client, person: Person, workers: Callable[[str], set[tuple[int, str]]]
) -> None:
    other = Person(api, person.name)
    tokens = {"refresh_token": person.tokens["refresh_token"]}
    assert api.post("/users/logout", json=tokens).status_code == 204
    assert workers(person.tokens["access_token"]) == {REFUSED}
    assert refusal(api.post("/users/refresh", json=tokens)) == REFUSED
    assert workers(other.tokens["access_token"]) == {(200, "")}


def test_what_was_stolen_before_the_password_was_changed_is_good_no_more(
    api: httpx.Client, person: Person, workers: Callable[[str], set[tuple[int, str]]]
) -> None:
    stolen = Person(api, person.name)
    change = {"current_password": PASSWORD, "new_password": "another good one"}
    assert person.http.post(f"/users/{person.id}/change-password", json=change).status_code == 204
    assert workers(stolen.tokens["access_token"]) == {REFUSED}
    assert refusal(api.post("/users/refresh", json={"refresh_token": stolen.tokens["refresh_token"]})) == REFUSED
    assert workers(person.tokens["access_token"]) == {(200, "")}


@pytest.mark.soak
def test_when_the_key_of_tokens_is_rotated_old_ones_are_good_and_new_ones_signed_by_it(
    api: httpx.Client, person: Person, ask: Ask, workers: Callable[[str], set[tuple[int, str]]]
) -> None:
    """Both workers sign with it within five seconds, and take at once what the other one signs with it."""
    old, tokens = person.tokens["access_token"], person.tokens
    made = ask("token-key", "rotate")["key"]
    assert jwt.get_unverified_header(old)["kid"] != made
    deadline, signed = time.monotonic() + 30, 0
    while signed < 6:
        tokens = api.post(
            "/users/refresh", json={"refresh_token": tokens["refresh_token"]}, headers={"Connection": "close"}
        ).json()
        is_new = jwt.get_unverified_header(tokens["access_token"])["kid"] == made
        signed = signed + 1 if is_new else 0
        assert workers(tokens["access_token"]) == {(200, "")}
        assert time.monotonic() < deadline
    assert workers(old) == {(200, "")}
    (line, *_) = ask("audit", "list", "--action", "token_key.rotate")
    assert (line["resource"], line["after"]) == (made, {"key": made})
