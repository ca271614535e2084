"""People with a session of the JSON API, for the tests of its routes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx

from tests.cli.commands import Ask

PASSWORD = "correct horse battery"
_numbers = itertools.count()


class Person(NamedTuple):
    """`id` is the user's; `headers` bear the access token."""

    name: str
    id: str
    api: httpx.Client
    headers: dict[str, str]

    def ask(
        self, method: str, path: str, *, headers: Mapping[str, str] = MappingProxyType({}), **options: Any
    ) -> httpx.Response:
        return self.api.request(method, path, headers={**self.headers, **headers}, **options)

    def status(self, method: str, path: str, **options: Any) -> tuple[int, str]:
        """And the error code; "" where there is none."""
        answer = self.ask(method, path, **options)
        return answer.status_code, answer.json()["error_code"] if answer.status_code >= 400 else ""


def new_person(api: httpx.Client, ask: Ask, kind: str = "person", *, role: str = "user") -> Person:
    name = f"api-{kind}-{next(_numbers)}"
    body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    user = api.post("/users/register", json=body).json()
    if role != "user":
        ask("user", "update", name, "--role", role)
    return Person(name, user["id"], api, _log_in(api, name))


def _log_in(api: httpx.Client, name: str) -> dict[str, str]:
    tokens = api.post("/users/login", json={"username": name, "password": PASSWORD}).json()
    return {"Authorization": f"Bearer {tokens['access_token']}"}


class Acquaintances:
    """People whom the tests of several files share, each by his kind: making one hashes a password, looks how easily it
    is guessed, and more. Their tokens last a quarter of an hour, so who comes later logs in anew.
    """

    _FRESH = 300.0  # seconds

    def __init__(self, api: httpx.Client, ask: Ask) -> None:
        self._api, self._ask = api, ask
        self._met: dict[str, tuple[Person, float]] = {}

    def of_kind(self, kind: str, role: str = "user") -> Person:
        person, at = self._met.get(kind, (None, 0.0))
        if person is None:
            person, at = new_person(self._api, self._ask, kind, role=role), time.monotonic()
        elif time.monotonic() > at + self._FRESH:
            person, at = person._replace(headers=_log_in(self._api, person.name)), time.monotonic()
        self._met[kind] = person, at
        return person
