"""Buckets that were deleted: their names are free, and they come back with what was set for them and their trash."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import httpx
import pytest

from tests.api.askers import Person, new_person
from tests.cli.commands import Ask
from tests.gateways import refusal
from tests.servers import RunningServer

HIDDEN, FORBIDDEN, CONFLICT, INVALID = (
    (404, "NOT_FOUND"),
    (403, "PERMISSION_DENIED"),
    (409, "CONFLICT"),
    (422, "VALIDATION_ERROR"),
)


class Deleted(NamedTuple):
    """With one file in its trash, a grant and a link."""

    id: str
    name: str
    file: str
    owner: Person
    reader: Person
    s3: Any  # an admin's

    @property
    def path(self) -> str:
        return f"/buckets/{self.id}"

    def restore(self, by: Person | None = None, **body: Any) -> tuple[int, str]:
        return (by or self.owner).status("POST", f"{self.path}/restore", json=body)

    def listed(self, by: Person | None = None, **params: Any) -> list[str]:
        answer = (by or self.owner).ask("GET", "/buckets", params={"per_page": 1000, **params})
        assert answer.status_code == 200, answer.text
        return [bucket["id"] for bucket in answer.json()["items"]]


@pytest.fixture(scope="module")
def reader(api: httpx.Client, ask: Ask) -> Person:
    return new_person(api, ask, "reader")


@pytest.fixture
def deleted(api: httpx.Client, ask: Ask, reader: Person, s3: Any) -> Deleted:
    owner = new_person(api, ask, "owner")
    name = f"deleted-{owner.id[:8]}"
    made = owner.ask("POST", "/buckets", json={"name": name, "storage_quota": 1000}).json()
    one = Deleted(made["id"], name, "", owner, reader, s3)
    file = owner.ask("POST", f"{one.path}/files", params={"path": "a.txt"}, content=b"in the trash").json()
    assert owner.status("POST", f"{one.path}/share", json={"user_id": reader.id, "permission": "admin"})[0] == 201
    assert owner.status("POST", f"{one.path}/links", json={"kind": "folder", "prefix": ""})[0] == 201
    assert owner.status("DELETE", f"{one.path}/files/{file['id']}")[0] == 204
    assert owner.status("DELETE", one.path)[0] == 204
    return one._replace(file=file["id"])


def test_it_is_nowhere_but_in_the_list_of_those_that_were_deleted(deleted: Deleted) -> None:
    assert deleted.owner.status("GET", deleted.path) == HIDDEN
    assert deleted.owner.status("GET", f"/buckets/by-name/{deleted.name}") == HIDDEN
    for below in ("storage", "files", "access", "links", "search?q=a", f"files/{deleted.file}"):
        assert deleted.owner.status("GET", f"{deleted.path}/{below}") == HIDDEN, below
    assert deleted.owner.status("PUT", deleted.path, json={"storage_quota": 5}) == HIDDEN
    assert deleted.owner.status("POST", f"{deleted.path}/files/{deleted.file}/restore") == HIDDEN
    assert deleted.owner.status("POST", f"{deleted.path}/files", params={"path": "b"}, content=b"") == HIDDEN
    assert deleted.owner.status("DELETE", deleted.path) == HIDDEN
    assert refusal(deleted.s3.list_objects_v2, Bucket=deleted.name) == (404, "NoSuchBucket")
    assert deleted.name not in [bucket["Name"] for bucket in deleted.s3.list_buckets()["Buckets"]]
    assert deleted.id not in deleted.listed()
    assert deleted.listed(deleted=True) == [deleted.id]
    assert deleted.listed(deleted=True, name=deleted.name[3:]) == [deleted.id]
    assert deleted.listed(deleted=True, name="other") == []
    assert deleted.id not in deleted.listed(deleted.reader, deleted=True)
    (told,) = deleted.owner.ask("GET", "/buckets", params={"deleted": True}).json()["items"]
    assert (told["name"], told["is_deleted"]) == (deleted.name, True)
    assert told["deleted_at"] < told["restorable_until"]


@pytest.mark.parametrize("style", ["/deleted/", "/deleted%2F", "/deleted%252F"])
def test_no_name_reaches_it(deleted: Deleted, server: RunningServer, style: str) -> None:
    answer = httpx.get(f"{server.s3}{style}{deleted.id}")
    assert answer.status_code in (400, 403, 404)
    assert deleted.owner.status("GET", f"/buckets/by-name/deleted%2F{deleted.id}") == HIDDEN


def test_it_comes_back_with_what_was_set_for_it_and_its_trash(deleted: Deleted) -> None:
    assert deleted.restore()[0] == 200
    told = deleted.owner.ask("GET", deleted.path).json()
    assert (told["name"], told["storage_quota"], told["is_deleted"]) == (deleted.name, 1000, False)
    assert deleted.owner.status("POST", f"{deleted.path}/files/{deleted.file}/restore")[0] == 200
    assert deleted.s3.get_object(Bucket=deleted.name, Key="a.txt")["Body"].read() == b"in the trash"
    assert deleted.owner.ask("GET", f"{deleted.path}/access").json()["total"] == 0
    assert deleted.owner.ask("GET", f"{deleted.path}/links").json()["total"] == 0
    assert deleted.reader.status("GET", deleted.path) == HIDDEN
    assert deleted.restore() == HIDDEN  # it isn't deleted


def test_grants_that_workers_have_in_memory_end_too(
    api: httpx.Client, ask: Ask, reader: Person, server: RunningServer
) -> None:
    """Its id, by which grants are known, comes back with it."""
    owner = new_person(api, ask, "owner")
    made = owner.ask("POST", "/buckets", json={"name": f"granted-{owner.id[:8]}"}).json()
    path = f"/buckets/{made['id']}"
    assert owner.status("POST", f"{path}/share", json={"user_id": reader.id, "permission": "admin"})[0] == 201

    def asked() -> set[int]:
        """By connections of their own, which go to all workers."""
        url = f"{server.admin}/api/v1{path}/files"
        return {httpx.get(url, headers=reader.headers).status_code for _ in range(6)}

    assert asked() == {200}
    assert owner.status("DELETE", path)[0] == 204
    assert owner.status("POST", f"{path}/restore", json={})[0] == 200
    assert asked() == {404}


def test_its_name_is_free_and_it_comes_back_under_another(deleted: Deleted, api: httpx.Client, ask: Ask) -> None:
    other = new_person(api, ask, "other")
    assert other.status("POST", "/buckets", json={"name": deleted.name})[0] == 201
    assert deleted.restore() == CONFLICT
    assert deleted.restore(name="No Name") == INVALID
    assert deleted.restore(name=f"{deleted.name}-2")[0] == 200
    assert deleted.owner.ask("GET", f"/buckets/by-name/{deleted.name}-2").json()["id"] == deleted.id


def test_under_another_name_its_policy_is_about_that(deleted: Deleted, api: httpx.Client, ask: Ask) -> None:
    """What it denies it goes on denying."""
    assert deleted.restore()[0] == 200

    def denied(resource: str) -> None:
        deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": resource}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
        deleted.s3.put_bucket_policy(Bucket=deleted.name, Policy=policy)
        assert deleted.owner.status("DELETE", deleted.path)[0] == 204

    denied(f"arn:aws:s3:::{deleted.name}/*")
    assert deleted.restore(name=f"{deleted.name}-3")[0] == 200
    (statement,) = json.loads(deleted.s3.get_bucket_policy(Bucket=f"{deleted.name}-3")["Policy"])["Statement"]
    assert statement["Resource"] == f"arn:aws:s3:::{deleted.name}-3/*"
    assert deleted.owner.status("POST", f"{deleted.path}/files/{deleted.file}/restore")[0] == 200
    assert deleted.owner.status("GET", f"{deleted.path}/files/{deleted.file}/download") == FORBIDDEN
    assert deleted.owner.status("DELETE", f"{deleted.path}/files/{deleted.file}")[0] == 204
    assert deleted.owner.status("DELETE", deleted.path)[0] == 204
    assert deleted.restore(name=deleted.name)[0] == 200
    denied(f"arn:aws:s3:::{deleted.name[:-1]}?/*")
    assert deleted.restore(name=f"{deleted.name}-4") == CONFLICT
    assert deleted.restore()[0] == 200


def test_who_may_restore_it(deleted: Deleted, api: httpx.Client, ask: Ask) -> None:
    assert api.post(f"{deleted.path}/restore", json={}).status_code == 401
    assert deleted.restore(deleted.reader) == HIDDEN
    assert deleted.restore(new_person(api, ask, "auditor", role="auditor")) == FORBIDDEN
    admin = new_person(api, ask, "admin", role="admin")
    assert deleted.id in deleted.listed(admin, deleted=True, name=deleted.name)
    assert deleted.restore(admin)[0] == 200


def test_for_good_it_goes_with_its_trash(deleted: Deleted) -> None:
    assert deleted.reader.status("DELETE", deleted.path, params={"permanent": True}) == HIDDEN
    assert deleted.owner.status("DELETE", deleted.path, params={"permanent": True})[0] == 204
    assert deleted.restore() == HIDDEN
    assert deleted.listed(deleted=True) == []
    made = deleted.owner.ask("POST", "/buckets", json={"name": deleted.name}).json()
    assert deleted.owner.status("DELETE", f"/buckets/{made['id']}", params={"permanent": True})[0] == 204
    assert deleted.listed(deleted=True) == []


def test_a_bucket_without_trash_is_gone_at_once(deleted: Deleted, api: httpx.Client, ask: Ask) -> None:
    made = deleted.owner.ask("POST", "/buckets", json={"name": f"{deleted.name}-s", "trash_seconds": 0}).json()
    assert deleted.owner.status("DELETE", f"/buckets/{made['id']}")[0] == 204
    assert made["id"] not in deleted.listed(deleted=True)


def test_its_trash_gives_way_to_what_its_owner_writes(deleted: Deleted, ask: Ask) -> None:
    ask("quota", "set", "--user", deleted.owner.name, "--bytes", "15")
    made = deleted.owner.ask("POST", "/buckets", json={"name": f"{deleted.name}-w"}).json()
    files = f"/buckets/{made['id']}/files"
    assert deleted.owner.status("POST", files, params={"path": "b"}, content=bytes(15))[0] == 201
    assert deleted.restore()[0] == 200
    assert deleted.owner.status("POST", f"{deleted.path}/files/{deleted.file}/restore") == HIDDEN
    assert not ask("usage", "check", deleted.name)
