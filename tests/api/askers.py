"""People with a session of the JSON API, for the tests of its routes."""

from __future__ import annotations

import itertools
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
    tokens = api.post("/users/login", json={"username": name, "password": PASSWORD}).json()
    return Person(name, user["id"], api, {"Authorization": f"Bearer {tokens['access_token']}"})
