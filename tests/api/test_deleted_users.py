"""What becomes of a user who is deleted and of what it owns, as it is seen by S3 clients and at the JSON API."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests import gateways
from tests.api.documented import HELD
from tests.api.people import PASSWORD, Person, refusal, register
from tests.gateways import client_of
from tests.servers import RunningServer


class Owner:
    """Somebody with an access key of its own."""

    def __init__(self, server: RunningServer, api: httpx.Client) -> None:
        self.person = register(api)
        self.name, self.id = self.person.name, self.person.id
        self.canonical_id = str(server.command("user", "show", self.name)["canonical_id"])
        self.s3 = self.client(server)

    def client(self, server: RunningServer) -> Any:
        made = self.person.http.post("/keys", json={}).json()
        return client_of(server, (made["access_key_id"], made["secret_access_key"]))


@pytest.fixture
def owner(server: RunningServer, api: httpx.Client) -> Owner:
    return Owner(server, api)


@pytest.fixture
def heir(server: RunningServer, api: httpx.Client) -> Owner:
    return Owner(server, api)


@pytest.fixture
def owned(owner: Owner) -> str:
    owner.s3.create_bucket(Bucket=f"of-{owner.name}")
    owner.s3.put_bucket_acl(Bucket=f"of-{owner.name}", ACL="authenticated-read")
    owner.s3.put_object(Bucket=f"of-{owner.name}", Key="key", Body=b"bytes", ACL="public-read")
    return f"of-{owner.name}"


def until(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30  # of a machine that is busy
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def grantees(answer: Any) -> set[tuple[str, str]]:
    found = {(grant["Grantee"].get("ID", "everybody"), grant["Permission"]) for grant in answer["Grants"]}
    return found | {(answer["Owner"]["ID"], "owner")}


def test_everything_of_a_deleted_user_ends_at_once(
    server: RunningServer, api: httpx.Client, owner: Owner, owned: str, admin: Person
) -> None:
    url = owner.s3.generate_presigned_url("get_object", Params={"Bucket": owned, "Key": "key"})
    friend = Owner(server, api)
    friend.s3.create_bucket(Bucket=f"of-{friend.name}")
    shared = server.command("bucket", "show", f"of-{friend.name}")["id"]
    granted = friend.person.http.post(f"/buckets/{shared}/share", json={"user_id": owner.id, "permission": "read"})
    assert granted.status_code == 201
    owner.s3.list_objects_v2(Bucket=f"of-{friend.name}")
    answer = admin.http.delete(f"/users/{owner.id}")
    assert answer.status_code == 204
    assert gateways.refusal(owner.s3.list_buckets) == (403, "InvalidAccessKeyId")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url, timeout=20)
    with refused.value:
        assert refused.value.code == 403
    assert owner.person.http.get("/users/me").status_code == 401
    assert refusal(api.post("/users/refresh", json={"refresh_token": owner.person.tokens["refresh_token"]}))[0] == 401
    assert friend.person.http.get(f"/buckets/{shared}/access").json()["items"] == []
    lines = admin.http.get("/audit", params={"per_page": 100}).json()["items"]
    told = [line["action"] for line in lines if line["request_id"] == answer.headers["X-Request-Id"]]
    assert sorted(told) == ["grant.delete", "key.delete", "user.delete"]
    refused_key = admin.http.post("/keys", json={"user_id": owner.id})
    assert refusal(refused_key) == (404, "NOT_FOUND")


def test_a_restored_user_has_its_data_password_and_state_and_no_key(
    server: RunningServer, api: httpx.Client, owner: Owner, owned: str, admin: Person, s3: Any
) -> None:
    assert admin.http.delete(f"/users/{owner.id}", params={"data": "keep"}).status_code == 204
    assert s3.get_object(Bucket=owned, Key="key")["Body"].read() == b"bytes"  # an admin looks after it meanwhile
    assert s3.get_bucket_acl(Bucket=owned)["Owner"]["ID"] == owner.canonical_id
    assert admin.http.post(f"/users/{owner.id}/restore").json()["is_active"] is True
    assert gateways.refusal(owner.s3.list_buckets) == (403, "InvalidAccessKeyId")
    owner.person = Person(api, owner.name)
    assert [bucket["Name"] for bucket in owner.client(server).list_buckets()["Buckets"]] == [owned]
    assert admin.http.put(f"/users/{owner.id}", json={"is_active": False}).status_code == 200
    assert admin.http.delete(f"/users/{owner.id}").status_code == 204
    assert admin.http.post(f"/users/{owner.id}/restore").json()["is_active"] is False


def test_what_is_transferred_is_another_s_at_once_for_every_client(
    server: RunningServer, api: httpx.Client, owner: Owner, heir: Owner, owned: str, admin: Person
) -> None:
    """With the new owner's canonical ID in buckets, objects, lists and ACLs; what others were granted stays."""
    others = Owner(server, api)
    others.s3.create_bucket(Bucket=(elsewhere := f"of-{others.name}"), ACL="public-read-write")
    owner.s3.put_object(Bucket=elsewhere, Key="guest", Body=b"guest")
    upload = owner.s3.create_multipart_upload(Bucket=elsewhere, Key="upload")
    assert gateways.refusal(heir.s3.get_object, Bucket=elsewhere, Key="guest") == (403, "AccessDenied")
    gone = admin.http.delete(f"/users/{owner.id}", params={"data": f"transfer:{heir.id}"})
    assert gone.status_code == 204

    def is_heirs() -> bool:
        listed = others.s3.list_multipart_uploads(Bucket=elsewhere)["Uploads"]
        return [found["Owner"]["ID"] for found in listed] == [heir.canonical_id]

    until(is_heirs)
    assert [bucket["Name"] for bucket in heir.s3.list_buckets()["Buckets"]] == [owned]
    owns = {(heir.canonical_id, "owner"), (heir.canonical_id, "FULL_CONTROL")}
    assert grantees(heir.s3.get_bucket_acl(Bucket=owned)) == owns | {("everybody", "READ")}
    assert grantees(heir.s3.get_object_acl(Bucket=owned, Key="key")) == owns | {("everybody", "READ")}
    assert heir.s3.get_object(Bucket=owned, Key="key")["Body"].read() == b"bytes"
    assert grantees(heir.s3.get_object_acl(Bucket=elsewhere, Key="guest")) == owns
    assert heir.s3.get_object(Bucket=elsewhere, Key="guest")["Body"].read() == b"guest"
    listed = others.s3.list_objects_v2(Bucket=elsewhere, FetchOwner=True)["Contents"]
    assert [found["Owner"]["ID"] for found in listed] == [heir.canonical_id]
    heir.s3.abort_multipart_upload(Bucket=elsewhere, Key="upload", UploadId=upload["UploadId"])
    assert admin.http.post(f"/users/{owner.id}/restore").status_code == 200
    owner.person = Person(api, owner.name)
    assert owner.client(server).list_buckets()["Buckets"] == []


@pytest.mark.parametrize("data", ["", "throw", "transfer:", "transfer:x", "transfer:" + "0" * 36, "purged:keep"])
def test_what_can_not_become_of_data_is_refused(admin: Person, person: Person, data: str) -> None:
    assert refusal(admin.http.delete(f"/users/{person.id}", params={"data": data})) == (422, "VALIDATION_ERROR")
    assert person.http.get("/users/me").status_code == 200


@pytest.fixture
def elsewhere(server: RunningServer) -> Iterator[httpx.Client]:
    """From an address that no other test is wrong from."""
    transport = httpx.HTTPTransport(local_address="127.2.0.1")
    with httpx.Client(base_url=f"{server.admin}/api/v1", timeout=60, transport=transport, event_hooks=HELD) as client:
        yield client


def test_who_deletes_himself_says_his_password_and_a_wrong_one_is_a_failed_login(
    elsewhere: httpx.Client, admin: Person
) -> None:
    person = register(elsewhere)
    path = f"/users/{person.id}"
    wrong = person.http.request("DELETE", path, json={"password": "wrong"})
    change = {"current_password": "wrong", "new_password": "another good one"}
    again = person.http.post(f"{path}/change-password", json=change)
    assert refusal(wrong) == refusal(again) == (422, "VALIDATION_ERROR")
    lines = admin.http.get("/audit", params={"resource": person.name, "outcome": "failed"}).json()["items"]
    assert [(line["action"], line["actor"], line["request_id"]) for line in lines] == [
        ("login", "", answer.headers["X-Request-Id"]) for answer in (again, wrong)
    ]
    for _ in range(8):
        assert person.http.post(f"{path}/change-password", json=change).status_code == 422
    assert refusal(person.http.post(f"{path}/change-password", json=change)) == (429, "RATE_LIMITED")
    right = {"current_password": PASSWORD, "new_password": "another good one"}
    assert refusal(person.http.post(f"{path}/change-password", json=right)) == (429, "RATE_LIMITED")
