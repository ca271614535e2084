"""Where the examples of the API's document are made real (first_calls.py): a server, who asks it, what they have."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import boto3
import httpx
import pyotp

from s3gw.api.examples import OF_MODELS
from tests.api.mail_folder import message_to, token_of
from tests.api.people import PASSWORD, Person
from tests.servers import ROOT_KEY, RunningServer

_NAME = OF_MODELS["Register"]["username"]
NUMBERS = itertools.count()


class Call(NamedTuple):
    """`real` is what stands for what the example says; without `headers` nobody asks who it is."""

    headers: Mapping[str, str] = MappingProxyType({})
    real: Mapping[str, Any] = MappingProxyType({})
    query: Mapping[str, str] = MappingProxyType({})


class World:
    """A server, its admin, a user and a bucket of that user's."""

    def __init__(self, server: RunningServer, api: httpx.Client) -> None:
        self.server, self.api = server, api
        self.admin = Person(api, "admin")
        self.user = self.person()
        self.bucket = f"pictures-{next(NUMBERS)}"
        server.command("bucket", "create", self.bucket, "--owner", self.user.name)
        self.bucket_id: str = server.command("bucket", "show", self.bucket)["id"]
        self.put(f"{self.bucket}", "a")

    def put(self, bucket: str, key: str, body: bytes = b"x") -> None:
        client = boto3.client(
            "s3",
            endpoint_url=self.server.s3,
            aws_access_key_id=ROOT_KEY[0],
            aws_secret_access_key=ROOT_KEY[1],
            region_name="us-east-1",
        )
        client.put_object(Bucket=bucket, Key=key, Body=body)

    def person(self) -> Person:
        name = new_name()
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        assert self.api.post("/users/register", json=body).status_code == 201
        return Person(self.api, name)

    def key_id(self) -> str:
        return str(self.user.http.post("/keys", json={}).json()["access_key_id"])

    def grant(self) -> Person:
        """To somebody."""
        friend = self.person()
        body = {"user_id": friend.id, "permission": "read"}
        assert self.user.http.post(f"/buckets/{self.bucket_id}/share", json=body).status_code == 201
        return friend

    def group(self) -> tuple[str, str]:
        """Of the user's account, with its only other user in it: the ids of both."""
        name = new_name()
        member = self.server.command("user", "create", name, "--account", self.user.name)["id"]
        group = self.user.http.post("/groups", json={"name": name}).json()["id"]
        assert self.user.http.put(f"/groups/{group}/members/{member}").status_code == 200
        return group, member

    def invitation_id(self) -> str:
        return str(self.admin.http.post("/invitations", json={}).json()["id"])

    def deleted(self) -> Person:
        gone = self.person()
        assert self.admin.http.delete(f"/users/{gone.id}").status_code == 204
        return gone

    def enrolled(self) -> tuple[Person, str]:
        """Somebody who has begun to set up a second factor, and a code of it."""
        somebody = self.person()
        made = somebody.http.post("/users/me/totp", json={"password": PASSWORD}).json()
        return somebody, pyotp.TOTP(made["secret"]).now()

    def two_factors(self) -> tuple[Person, str]:
        """Somebody who has a second factor, and a recovery code."""
        somebody, code = self.enrolled()
        codes = somebody.http.post("/users/me/totp/confirm", json={"totp": code}).json()["recovery_codes"]
        return somebody, codes[0]

    def link(self, subject: str) -> str:
        somebody = self.person()
        address = f"{somebody.name}@example.com"
        self.api.post("/users/forgot-password", json={"email": address})
        return token_of(message_to(self.server, address, subject))

    def renaming(self, name: str, of: str = _NAME) -> dict[str, Any]:
        return {of: name, f"{of}@example.com": f"{name}@example.com"}


def new_name() -> str:
    return f"somebody-{next(NUMBERS)}"
