"""Registering, logging in and out, as a client of the JSON API does."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import httpx
import pytest

from tests.servers import RunningServer

_numbers = itertools.count()
PASSWORD = "correct horse battery"


@pytest.fixture
def api(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.admin}/api/v1") as client:
        yield client


def registered(api: httpx.Client) -> str:
    name = f"person-{next(_numbers)}"
    body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    answer = api.post("/users/register", json=body)
    assert answer.status_code == 201, answer.text
    return name


def logged_in(api: httpx.Client, name: str, password: str = PASSWORD) -> dict[str, str]:
    answer = api.post("/users/login", json={"username": name, "password": password})
    assert answer.status_code == 200, answer.text
    tokens: dict[str, str] = answer.json()
    return tokens


def bearer(tokens: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


def test_who_registers_can_log_in_and_is_a_user(api: httpx.Client) -> None:
    name = registered(api)
    tokens = logged_in(api, name)
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 900)
    me = api.get("/users/me", headers=bearer(tokens)).json()
    assert (me["username"], me["email"], me["role"], me["is_active"]) == (name, f"{name}@example.com", "user", True)


def test_a_refresh_token_is_good_once_and_an_old_one_ends_the_session(api: httpx.Client) -> None:
    first = logged_in(api, registered(api))
    second = api.post("/users/refresh", json={"refresh_token": first["refresh_token"]}).json()
    assert api.get("/users/me", headers=bearer(second)).status_code == 200
    stolen = api.post("/users/refresh", json={"refresh_token": first["refresh_token"]})
    assert refusal(stolen) == (401, "AUTHENTICATION_FAILED")
    assert refusal(api.get("/users/me", headers=bearer(second))) == (401, "AUTHENTICATION_FAILED")
    assert refusal(api.post("/users/refresh", json={"refresh_token": second["refresh_token"]}))[0] == 401


def test_logging_out_ends_the_access_tokens_too(api: httpx.Client) -> None:
    tokens = logged_in(api, registered(api))
    assert api.post("/users/logout", json={"refresh_token": tokens["refresh_token"]}).status_code == 204
    assert refusal(api.get("/users/me", headers=bearer(tokens))) == (401, "AUTHENTICATION_FAILED")


def test_the_eleventh_wrong_password_within_a_minute_is_refused_whether_there_is_such_a_name_or_not(
    api: httpx.Client,
) -> None:
    for name in (registered(api), f"nobody-{next(_numbers)}"):
        answers = [api.post("/users/login", json={"username": name, "password": "wrong"}) for _ in range(11)]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429]
        assert 1 <= int(answers[10].headers["Retry-After"]) <= 60
        right = api.post("/users/login", json={"username": name, "password": PASSWORD})
        assert refusal(right) == (429, "RATE_LIMITED")
