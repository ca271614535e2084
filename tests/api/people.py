"""People who use the JSON API, for the tests of this room."""

from __future__ import annotations

import itertools
from functools import partialmethod
from typing import Any

import httpx

PASSWORD = "correct horse battery"
_numbers = itertools.count()


class Asker:
    """Asks with the same headers each time, on a client's connections."""

    def __init__(self, client: httpx.Client, headers: dict[str, str]) -> None:
        self._client, self._headers = client, headers

    def request(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        return self._client.request(method, path, headers={**self._headers, **(headers or {})}, **options)

    get = partialmethod(request, "GET")
    post = partialmethod(request, "POST")
    put = partialmethod(request, "PUT")
    delete = partialmethod(request, "DELETE")


class Person:
    """Somebody who is logged in."""

    def __init__(self, api: httpx.Client, name: str, password: str = PASSWORD) -> None:
        self.name = name
        answer = api.post("/users/login", json={"username": name, "password": password})
        assert answer.status_code == 200, answer.text
        self.tokens: dict[str, Any] = answer.json()
        self.http = Asker(api, self.bearer)
        self.id: str = self.http.get("/users/me").json()["id"]

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}


def new_name() -> str:
    return f"person-{next(_numbers)}"


def register(api: httpx.Client) -> Person:
    name = new_name()
    body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    answer = api.post("/users/register", json=body)
    assert answer.status_code == 201, answer.text
    return Person(api, name)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]
