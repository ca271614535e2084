"""The ACL of a file at the JSON API: for whom, as S3 has it, and in words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.files import Filed, people, shared_bucket
from tests.api.files import filed as filed

__all__ = ["people", "shared_bucket"]
# In a bucket in which each has what he is called after.
OF_BUCKET: dict[str, dict[str, int]] = {
    "GET": {"nobody": 401, "stranger": 404, "reader": 403, "writer": 403, "owner": 200, "auditor": 403, "admin": 200},
    "PUT": {"nobody": 401, "stranger": 404, "reader": 403, "writer": 403, "owner": 422, "auditor": 403, "admin": 422},
}


def open_up(filed: Filed) -> None:
    """ACLs count there, and public ones too."""
    off = dict.fromkeys(
        ("block_public_acls", "ignore_public_acls", "block_public_policy", "restrict_public_buckets"), False
    )
    assert filed.ask("owner", "PUT", f"/buckets/{filed.id}/public-access-block", json=off) == (200, "")
    given = {"object_ownership": "ObjectWriter"}
    assert filed.ask("owner", "PUT", f"/buckets/{filed.id}/ownership", json=given) == (200, "")


@pytest.mark.parametrize("method", OF_BUCKET)
def test_an_acl_of_a_file_is_for_whom_s3_lets_and_can_not_be_put_where_acls_are_disabled(
    shared_bucket: Filed, method: str
) -> None:
    file = shared_bucket.put("a/acl")
    more = {"json": {"canned": "private"}} if method == "PUT" else {}
    for who, expected in OF_BUCKET[method].items():
        status, code = shared_bucket.ask(who, method, f"{shared_bucket.path}/{file['id']}/acl", **more)
        assert status == expected, (who, code)


def test_an_acl_of_a_file_is_told_with_names_and_set_as_s3_sets_it(filed: Filed) -> None:
    open_up(filed)
    path, key = f"{filed.path}/{filed.upload('a').json()['id']}/acl", {"Bucket": filed.name, "Key": "a"}

    def put(**body: Any) -> dict[str, Any]:
        answer = filed.owner.ask("PUT", path, json=body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["ETag"] == filed.owner.ask("GET", path).headers["ETag"]
        told: dict[str, Any] = answer.json()
        return told

    before = filed.owner.ask("GET", path).json()
    assert (before["is_public"], before["is_disabled"], before["owner_name"]) == (False, False, filed.owner.name)
    public = put(canned="public-read")
    assert [(one["group"], one["permission"]) for one in public["grants"]] == [
        (None, "FULL_CONTROL"),
        ("everybody", "READ"),
    ]
    assert public["is_public"] and len(filed.s3.get_object_acl(**key)["Grants"]) == 2
    friend = {"username": filed.people["stranger"].name, "permission": "READ"}
    assert [one["name"] for one in put(grants=[friend])["grants"]] == [filed.people["stranger"].name]
    filed.s3.put_object_acl(**key, ACL="private")
    assert filed.owner.ask("GET", path).json() == before
    lines = filed.people["admin"].ask("GET", "/audit", params={"action": "object.acl.put", "per_page": 5}).json()
    assert [line["actor"] for line in lines["items"]].count(filed.owner.name) >= 2


def test_an_acl_of_a_file_that_is_public_is_refused_where_that_is_blocked(filed: Filed) -> None:
    open_up(filed)
    path = f"{filed.path}/{filed.upload('a').json()['id']}/acl"
    block = {"block_public_acls": True, "ignore_public_acls": False, "block_public_policy": False}
    block |= {"restrict_public_buckets": False}
    filed.owner.ask("PUT", f"/buckets/{filed.id}/public-access-block", json=block)
    assert filed.ask("owner", "PUT", path, json={"canned": "public-read"}) == (409, "PUBLIC_ACCESS_BLOCKED")
    assert filed.ask("owner", "PUT", path, json={"canned": "none"}) == (422, "VALIDATION_ERROR")
    assert filed.owner.ask("GET", path).json()["is_public"] is False
