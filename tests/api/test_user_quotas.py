"""Quotas of users, as admins set them; that they hold is tests/metadata/test_quotas.py's."""

from __future__ import annotations

from tests.api.people import Person, refusal
from tests.servers import RunningServer


def test_a_quota_is_set_seen_and_taken_away_and_not_over_another_s(
    admin: Person, person: Person, server: RunningServer
) -> None:
    path = f"/users/{person.id}/quota"
    told = person.http.get(path).json()  # storage_quota: S3GW_DEFAULT_USER_QUOTA
    assert (told["object_quota"], told["bytes"], told["objects"]) == (None, 0, 0)
    set_once = admin.http.put(path, json={"storage_quota": 1000, "object_quota": 5})
    assert (set_once.json()["storage_quota"], set_once.json()["object_quota"]) == (1000, 5)
    assert {one["max_bytes"] for one in server.command("quota", "list", "--user", person.name)} == {1000}
    none = {"storage_quota": None, "object_quota": None}
    old = {"If-Match": person.http.get(path).headers["ETag"]}
    assert admin.http.put(path, json=none, headers=old).json()["storage_quota"] is None
    assert admin.http.put(path, json=none, headers=old).status_code == 412
    assert refusal(person.http.put(path, json=none)) == (403, "PERMISSION_DENIED")


def test_what_is_stored_in_an_account_counts_for_its_owner(admin: Person, person: Person) -> None:
    member = {"username": f"{person.name}-m", "email": f"{person.name}-m@example.com", "owner_id": person.id}
    made = admin.http.post("/users", json=member).json()
    body = {"storage_quota": 1, "object_quota": None}
    assert refusal(admin.http.put(f"/users/{made['id']}/quota", json=body)) == (409, "CONFLICT")
    assert admin.http.put(f"/users/{made['id']}/quota", json=body | {"storage_quota": -1}).status_code == 422
