"""Versions of a file at the JSON API: listed, downloaded, restored and deleted, by the rules of S3's."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from s3gw.metadata.files import MOST_COUNTED
from tests.access.policies import document, statement
from tests.api.askers import Person
from tests.api.files import Filed, people, share  # noqa: F401  (fixtures)
from tests.api.people import refusal
from tests.api.test_trash import new_bucket
from tests.servers import RunningServer

OK, GONE = (200, ""), (204, "")
UNKNOWN, HIDDEN, FORBIDDEN = (401, "AUTHENTICATION_FAILED"), (404, "NOT_FOUND"), (403, "PERMISSION_DENIED")
CONFLICT, INVALID = (409, "CONFLICT"), (422, "VALIDATION_ERROR")
WHO = ("nobody", "stranger", "reader", "writer", "manager", "prefix-reader", "owner", "auditor", "admin")


@pytest.fixture
def filed(people: dict[str, Person], api: httpx.Client, server: RunningServer) -> Filed:  # noqa: F811
    found = new_bucket(people, api, server)
    assert found.ask("owner", "PUT", f"/buckets/{found.id}", json={"versioning": "enabled"}) == OK
    return found


@pytest.fixture
def shared(filed: Filed) -> Filed:
    for kind, permission in (("reader", "read"), ("writer", "write"), ("manager", "admin")):
        share(filed, kind, {"permission": permission})
    share(filed, "prefix-reader", {"permission": "read", "prefix": "z/"})
    return filed


def versions(filed: Filed, file_id: str, who: str = "owner", **query: Any) -> dict[str, Any]:
    answer = filed.people[who].ask("GET", f"{filed.path}/{file_id}/versions", params=query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def test_versions_are_listed_the_newest_first_with_what_each_has(filed: Filed) -> None:
    first = filed.put("a", b"one", Tagging="a=b", ContentType="text/plain")
    second = filed.put("a", b"other", Metadata={"c": "d"})
    filed.put("ab")
    page = versions(filed, first["id"])
    shown = [(item["file_size"], item["is_current"], item["tags"], item["metadata"]) for item in page["items"]]
    assert shown == [(5, True, {}, {"c": "d"}), (3, False, {"a": "b"}, {})]
    assert [item["version_id"] for item in page["items"]] == [second["version_id"], first["version_id"]]
    assert (page["total"], page["total_is_lower_bound"], page["next_cursor"]) == (2, False, None)
    filed.s3.delete_object(Bucket=filed.name, Key="a")
    marker, *_ = versions(filed, first["id"])["items"]
    assert (marker["is_deleted"], marker["is_current"], marker["deleted_at"]) == (True, False, marker["updated_at"])
    by_number = [versions(filed, first["id"], per_page=1, page=page)["items"][0] for page in (1, 2, 3)]
    then = versions(filed, first["id"], per_page=1)
    by_cursor = [then["items"][0]]
    while then["next_cursor"]:
        then = versions(filed, first["id"], per_page=1, cursor=then["next_cursor"])
        by_cursor += then["items"]
    assert by_number == by_cursor == versions(filed, first["id"])["items"]
    for wrong in ({"page": MOST_COUNTED, "per_page": 2}, {"cursor": "MTpub25l"}):
        answer = filed.owner.ask("GET", f"{filed.path}/{first['id']}/versions", params=wrong)
        assert refusal(answer) == INVALID


def test_a_version_is_downloaded_by_its_id_also_of_a_file_that_is_hidden(filed: Filed) -> None:
    first = filed.put("a", b"one")
    filed.put("a", b"two")
    filed.s3.delete_object(Bucket=filed.name, Key="a")
    where = f"{filed.path}/{first['id']}/download"
    assert filed.owner.ask("GET", where, params={"version_id": first["version_id"]}).content == b"one"
    assert filed.ask("owner", "GET", where) == HIDDEN
    other = filed.put("b")
    for version_id in (other["version_id"], "x", "null", f"{first['version_id'][:-1]}_"):
        assert filed.ask("owner", "GET", where, params={"version_id": version_id}) == HIDDEN
    assert filed.ask("owner", "GET", f"{where}?version_id={'x' * 65}") == INVALID


def test_a_version_is_restored_as_s3_copies_it(filed: Filed) -> None:
    first = filed.put("a é?", b"one", Tagging="a=b", Metadata={"c": "d"}, ContentType="text/plain")
    second = filed.put("a é?", b"two")
    where = f"{filed.path}/{first['id']}/versions"
    found = filed.owner.ask("POST", f"{where}/{first['version_id']}/restore").json()
    assert (found["id"], found["tags"], found["metadata"]) == (first["id"], {"a": "b"}, {"c": "d"})
    assert filed.s3.get_object(Bucket=filed.name, Key="a é?")["Body"].read() == b"one"
    assert versions(filed, first["id"])["total"] == 3
    assert filed.ask("owner", "POST", f"{where}/{found['version_id']}/restore") == CONFLICT
    filed.s3.delete_object(Bucket=filed.name, Key="a é?")
    marker = versions(filed, first["id"])["items"][0]["version_id"]
    assert filed.ask("owner", "POST", f"{where}/{marker}/restore") == CONFLICT
    assert filed.ask("owner", "POST", f"{where}/{second['version_id']}/restore") == OK
    assert filed.ask("owner", "POST", f"{where}/{filed.put('b')['version_id']}/restore") == HIDDEN


def test_a_version_is_deleted_for_good_and_the_one_before_it_is_the_file(filed: Filed) -> None:
    first, second = filed.put("a", b"one"), filed.put("a", b"two")
    where = f"{filed.path}/{first['id']}/versions"
    assert filed.ask("owner", "DELETE", f"{where}/{second['version_id']}") == GONE
    assert filed.find("a")["version_id"] == first["version_id"]
    assert filed.ask("owner", "DELETE", f"{where}/{second['version_id']}") == HIDDEN
    assert filed.ask("owner", "DELETE", f"{where}/{filed.put('b')['version_id']}") == HIDDEN
    assert filed.ask("owner", "GET", f"{filed.path}?deleted=true") == OK
    assert filed.owner.ask("GET", f"{filed.path}?deleted=true").json()["total"] == 0


MAY = {
    "list": ("reader", "writer", "manager", "owner", "admin"),
    "download": ("reader", "writer", "manager", "owner", "admin"),
    "restore": ("writer", "manager", "owner", "admin"),
    "delete": ("manager", "owner", "admin"),
}


def test_who_may_do_what_with_versions(shared: Filed) -> None:
    for what, allowed in MAY.items():
        for who in WHO:
            first = shared.put(f"a/{what}-{who}", b"one")
            shared.put(f"a/{what}-{who}", b"two")
            where = f"{shared.path}/{first['id']}"
            method, path, fine = {
                "list": ("GET", f"{where}/versions", OK),
                "download": ("GET", f"{where}/download?version_id={first['version_id']}", OK),
                "restore": ("POST", f"{where}/versions/{first['version_id']}/restore", OK),
                "delete": ("DELETE", f"{where}/versions/{first['version_id']}", GONE),
            }[what]
            refused = UNKNOWN if who == "nobody" else HIDDEN if who in ("stranger", "prefix-reader") else FORBIDDEN
            assert shared.ask(who, method, path) == (fine if who in allowed else refused), (what, who)


def test_of_versions_that_may_not_be_read_only_the_list_is_told(shared: Filed) -> None:
    first = shared.put("a", b"one", Tagging="a=b", Metadata={"c": "d"})
    shared.put("a", b"two", Tagging="a=b", Metadata={"c": "d"})
    deny = statement(
        "Deny", Action=["s3:GetObjectVersion", "s3:GetObjectVersionTagging"], Resource=f"arn:aws:s3:::{shared.name}/*"
    )
    deny["Condition"] = {"StringEquals": {"s3:VersionId": first["version_id"]}}
    shared.s3.put_bucket_policy(Bucket=shared.name, Policy=document(deny))
    shown = [(item["tags"], item["metadata"]) for item in versions(shared, first["id"], "reader")["items"]]
    assert shown == [({"a": "b"}, {"c": "d"}), (None, None)]
    where = f"{shared.path}/{first['id']}"
    assert shared.ask("writer", "POST", f"{where}/versions/{first['version_id']}/restore") == FORBIDDEN


def test_a_rule_about_a_version_holds_when_all_are_deleted_for_good(shared: Filed) -> None:
    first = shared.put("a", b"one")
    shared.put("a", b"two")
    deny = statement("Deny", Action="s3:DeleteObjectVersion", Resource=f"arn:aws:s3:::{shared.name}/*")
    deny["Condition"] = {"StringEquals": {"s3:VersionId": first["version_id"]}}
    shared.s3.put_bucket_policy(Bucket=shared.name, Policy=document(deny))
    assert shared.ask("manager", "DELETE", f"{shared.path}/{first['id']}?permanent=true") == FORBIDDEN
    assert versions(shared, first["id"])["total"] == 2
