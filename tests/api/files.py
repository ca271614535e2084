"""A bucket with files, and who has to do with it, for the tests of files."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import httpx
import pytest

from tests.api.askers import Acquaintances, Person

_numbers = itertools.count()
ENFORCED = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
BLOCKED = dict.fromkeys(_BLOCKS, True)


class Filed(NamedTuple):
    """A bucket of `owner`; `s3` is the root user's client, at the other door."""

    id: str
    name: str
    people: dict[str, Person]
    s3: Any
    api: httpx.Client

    @property
    def owner(self) -> Person:
        return self.people["owner"]

    @property
    def path(self) -> str:
        return f"/buckets/{self.id}/files"

    def put(self, key: str, body: bytes = b"hello", **more: Any) -> dict[str, Any]:
        """By S3; gives the file as the API tells it."""
        self.s3.put_object(Bucket=self.name, Key=key, Body=body, **more)
        return self.find(key)

    def find(self, key: str) -> dict[str, Any]:
        answer = self.owner.ask("GET", f"/buckets/{self.id}/file", params={"key": key})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def upload(self, path: str, body: Any = b"hello", *, by: str = "owner", **more: Any) -> httpx.Response:
        query = {"path": path, **more.pop("params", {})}
        return self.people[by].ask("POST", self.path, params=query, content=body, **more)

    def ask(self, who: str, method: str, path: str, **more: Any) -> tuple[int, str]:
        """Status and error code; `who` is nobody or one of the people."""
        if who == "nobody":
            answer = self.api.request(method, path, **more)
        else:
            answer = self.people[who].ask(method, path, **more)
        return answer.status_code, answer.json()["error_code"] if answer.status_code >= 400 else ""

    def listed(self) -> list[str]:
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket=self.name).get("Contents", ())]


@pytest.fixture(scope="module")
def people(acquaintances: Acquaintances) -> dict[str, Person]:
    kinds = ("stranger", "reader", "writer", "manager", "owner", "prefix-reader")
    found = {kind: acquaintances.of_kind(f"files-{kind}") for kind in kinds}
    return found | {role: acquaintances.of_kind(f"files-{role}", role) for role in ("auditor", "admin")}


@pytest.fixture(scope="module")
def shared_bucket(api: httpx.Client, people: dict[str, Person], s3: Any) -> Filed:
    """Everybody has there what he is called after."""
    found = _new_bucket(api, people, s3)
    for kind, permission in (("reader", "read"), ("writer", "write"), ("manager", "admin")):
        share(found, kind, {"permission": permission})
    share(found, "prefix-reader", {"permission": "read", "prefix": "a/"})
    return found


@pytest.fixture
def filed(api: httpx.Client, people: dict[str, Person], s3: Any) -> Filed:
    """Nobody but its owner has anything to do with it."""
    return _new_bucket(api, people, s3)


def _new_bucket(api: httpx.Client, people: dict[str, Person], s3: Any) -> Filed:
    name = f"files-{next(_numbers)}-{people['owner'].id[:8]}"
    return Filed(new_bucket(people["owner"], name, s3), name, people, s3, api)


def new_bucket(owner: Person, name: str, s3: Any) -> str:
    """As `s3gw bucket create` makes it: without trash, and with ACLs disabled. `s3` is the root user's client."""
    answer = owner.ask("POST", "/buckets", json={"name": name, "trash_seconds": 0})
    assert answer.status_code == 201, answer.text
    s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=ENFORCED)
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=BLOCKED)
    bucket_id: str = answer.json()["id"]
    return bucket_id


def share(filed: Filed, kind: str, more: dict[str, str]) -> None:
    body = {"user_id": filed.people[kind].id, **more}
    assert filed.owner.ask("POST", f"/buckets/{filed.id}/share", json=body).status_code == 201
