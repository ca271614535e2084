"""The trash at the JSON API: what was deleted or overwritten is listed, brought back, or dropped for good."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.access.policies import document, statement
from tests.api.askers import Person
from tests.api.documented import HELD
from tests.api.files import Filed, people, share  # noqa: F401  (fixtures)
from tests.api.people import new_name, refusal
from tests.gateways import client_of
from tests.servers import RunningServer

OK, GONE = (200, ""), (204, "")
UNKNOWN, HIDDEN, FORBIDDEN = (401, "AUTHENTICATION_FAILED"), (404, "NOT_FOUND"), (403, "PERMISSION_DENIED")
CONFLICT, TAKEN, INVALID = (409, "CONFLICT"), (409, "FILE_ALREADY_EXISTS"), (422, "VALIDATION_ERROR")
WHO = ("nobody", "stranger", "reader", "writer", "manager", "prefix-reader", "owner", "auditor", "admin")
WEEK = 7 * 86_400


@pytest.fixture
def filed(people: dict[str, Person], api: httpx.Client, server: RunningServer) -> Filed:  # noqa: F811
    """Made by the API, so it keeps trash."""
    return new_bucket(people, api, server)


@pytest.fixture(scope="module")
def shared(people: dict[str, Person], api: httpx.Client, server: RunningServer) -> Filed:  # noqa: F811
    found = new_bucket(people, api, server)
    for kind, permission in (("reader", "read"), ("writer", "write"), ("manager", "admin")):
        share(found, kind, {"permission": permission})
    share(found, "prefix-reader", {"permission": "read", "prefix": "a/"})
    return found


def new_bucket(people: dict[str, Person], api: httpx.Client, server: RunningServer, **fields: Any) -> Filed:  # noqa: F811
    name = f"trash-{new_name()}-{people['owner'].id[:8]}"
    made = people["owner"].ask("POST", "/buckets", json={"name": name, **fields})
    assert made.status_code == 201, made.text
    s3 = client_of(server)
    ownership = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}  # what tests put by S3 is the owner's
    s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=ownership)
    return Filed(made.json()["id"], name, people, s3, api)


def set_bucket(filed: Filed, **fields: Any) -> None:
    assert filed.ask("owner", "PUT", f"/buckets/{filed.id}", json=fields) == OK


def trashed(filed: Filed, who: str = "owner", **query: Any) -> dict[str, Any]:
    answer = filed.people[who].ask("GET", filed.path, params={"deleted": "true", **query})
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def paths(page: dict[str, Any]) -> list[str]:
    return [item["file_path"] for item in page["items"]]


def delete(filed: Filed, key: str, body: bytes = b"hello", **more: Any) -> dict[str, Any]:
    """Put and delete by S3; gives the file as it was."""
    found = filed.put(key, body, **more)
    filed.s3.delete_object(Bucket=filed.name, Key=key)
    return found


def restore(filed: Filed, file_id: str, who: str = "owner", **query: Any) -> httpx.Response:
    return filed.people[who].ask("POST", f"{filed.path}/{file_id}/restore", params=query)


def body_of(filed: Filed, key: str) -> bytes:
    found: bytes = filed.s3.get_object(Bucket=filed.name, Key=key)["Body"].read()
    return found


def test_a_bucket_of_the_api_keeps_trash_for_a_week_and_one_of_s3_none(filed: Filed) -> None:
    assert filed.owner.ask("GET", f"/buckets/{filed.id}").json()["trash_seconds"] == WEEK
    name = f"{filed.name}-s3"
    filed.s3.create_bucket(Bucket=name)
    made = filed.people["admin"].ask("GET", f"/buckets/by-name/{name}").json()
    assert made["trash_seconds"] == 0
    set_bucket(filed, trash_seconds=0)
    delete(filed, "a")
    assert paths(trashed(filed)) == []
    for wrong in (-1, 3650 * 86_400 + 1, "x", 2**63):
        assert filed.ask("owner", "PUT", f"/buckets/{filed.id}", json={"trash_seconds": wrong}) == INVALID


def test_a_deleted_file_is_told_until_when_it_can_be_restored_and_comes_back_as_it_was(filed: Filed) -> None:
    before = delete(filed, "2026/é.txt", ContentType="text/plain", Metadata={"camera": "x100"}, Tagging="a=b")
    page = trashed(filed)
    (found,) = page["items"]
    assert (page["total"], page["next_cursor"], page["folders"]) == (1, None, [])
    times = {name: found[name] for name in ("deleted_at", "expires_at", "trash_id")}
    assert found == {**before, **times, "is_deleted": True}
    deleted_at, expires_at = (datetime.fromisoformat(found[name]).timestamp() for name in ("deleted_at", "expires_at"))
    assert (abs(deleted_at - time.time()) < 60, round(expires_at - deleted_at)) == (True, WEEK)
    where = f"{filed.path}/{before['id']}"
    for path in (where, f"{where}/download"):
        assert filed.ask("owner", "GET", path) == HIDDEN
    answer = restore(filed, before["id"])
    assert answer.json() == {**before, "updated_at": answer.json()["updated_at"]}
    assert filed.owner.ask("GET", where).headers["ETag"] == answer.headers["ETag"]
    assert (body_of(filed, "2026/é.txt"), trashed(filed)["total"]) == (b"hello", 0)
    assert refusal(restore(filed, before["id"])) == CONFLICT


def test_what_was_overwritten_comes_back_and_what_is_there_goes_to_the_trash(filed: Filed) -> None:
    first = filed.put("a", b"one")
    for body in (b"two", b"three"):
        filed.put("a", body)
    assert [item["id"] for item in trashed(filed)["items"]] == [first["id"]] * 2
    assert (restore(filed, first["id"]).status_code, body_of(filed, "a")) == (200, b"two")
    oldest = trashed(filed)["items"][-1]["trash_id"]
    assert (restore(filed, first["id"], trash_id=oldest).json()["id"], body_of(filed, "a")) == (first["id"], b"one")
    assert sorted(item["file_size"] for item in trashed(filed)["items"]) == [3, 5]
    assert refusal(restore(filed, first["id"], trash_id=oldest)) == HIDDEN
    set_bucket(filed, trash_seconds=0)
    assert refusal(restore(filed, first["id"])) == TAKEN, "what is there now would be lost"


def test_another_file_of_its_name_gives_way_only_if_that_is_said(filed: Filed) -> None:
    first, second = delete(filed, "a", b"one"), filed.put("a", b"two")
    assert first["id"] != second["id"]
    assert refusal(restore(filed, first["id"])) == TAKEN
    assert (filed.find("a"), trashed(filed)["total"]) == (second, 1)
    assert restore(filed, first["id"], overwrite="true").json()["id"] == first["id"]
    assert [item["id"] for item in trashed(filed)["items"]] == [second["id"]]


def test_what_a_renamed_file_was_before_comes_back_as_another_file(filed: Filed) -> None:
    first = filed.put("a", b"one")
    filed.put("a", b"two")
    assert filed.ask("owner", "PUT", f"{filed.path}/{first['id']}", json={"filename": "b"}) == OK
    found = restore(filed, first["id"]).json()
    assert (found["file_path"], found["id"] != first["id"], filed.find("b")["id"]) == ("a", True, first["id"])


def test_a_hidden_file_of_a_bucket_with_versions_comes_back_with_its_last_version(filed: Filed) -> None:
    set_bucket(filed, versioning="enabled")
    first = filed.put("a", b"one", Tagging="a=b")
    second = filed.put("a", b"two", Tagging="a=c")
    filed.s3.delete_object(Bucket=filed.name, Key="a")
    filed.s3.delete_object(Bucket=filed.name, Key="a")
    assert filed.ask("stranger", "POST", f"{filed.path}/{first['id']}/restore") == HIDDEN
    found = restore(filed, first["id"]).json()
    assert (found["id"], found["tags"], body_of(filed, "a")) == (first["id"], {"a": "c"}, b"two")
    assert found["version_id"] not in (first["version_id"], second["version_id"], None)
    for gone in filed.s3.list_object_versions(Bucket=filed.name)["Versions"]:
        filed.s3.delete_object(Bucket=filed.name, Key="a", VersionId=gone["VersionId"])
    assert refusal(restore(filed, first["id"])) == HIDDEN


MAY = {
    "list": ("reader", "writer", "manager", "owner", "admin"),
    "list a/": ("reader", "writer", "manager", "prefix-reader", "owner", "admin"),
    "restore": ("writer", "manager", "owner", "admin"),
    "permanent": ("manager", "owner", "admin"),
    "empty": ("manager", "owner", "admin"),
}


@pytest.mark.parametrize("what", MAY)
@pytest.mark.parametrize("who", WHO)
def test_who_may_do_what_with_the_trash(shared: Filed, who: str, what: str) -> None:
    key = f"b/{what}-{who}"
    file_id = delete(shared, key)["id"]
    method, path, fine = {
        "list": ("GET", f"{shared.path}?deleted=true", OK),
        "list a/": ("GET", f"{shared.path}?deleted=true&prefix=a/", OK),
        "restore": ("POST", f"{shared.path}/{file_id}/restore", OK),
        "permanent": ("DELETE", f"{shared.path}/{file_id}?permanent=true", GONE),
        "empty": ("DELETE", f"/buckets/{shared.id}/trash?prefix={key}", OK),
    }[what]
    hidden = ("stranger",) if what in ("list", "list a/", "empty") else ("stranger", "prefix-reader")
    refused = UNKNOWN if who == "nobody" else HIDDEN if who in hidden else FORBIDDEN
    assert shared.ask(who, method, path) == (fine if who in MAY[what] else refused)
    left = key in paths(trashed(shared, per_page=1000))
    assert left == (what.startswith("list") or who not in MAY[what])


def test_a_rule_about_a_key_holds_for_what_is_in_the_trash_of_it(filed: Filed) -> None:
    share(filed, "manager", {"permission": "admin"})
    kept, gone = delete(filed, "kept", Metadata={"a": "b"}, Tagging="c=d"), delete(filed, "gone")
    of_kept = f"arn:aws:s3:::{filed.name}/kept"
    actions = ["s3:GetObject", "s3:DeleteObjectVersion", "s3:PutObjectTagging", "s3:GetObjectTagging"]
    filed.s3.put_bucket_policy(Bucket=filed.name, Policy=document(statement("Deny", Action=actions, Resource=of_kept)))
    shown = trashed(filed, "manager")["items"]
    assert [(item["file_path"], item["metadata"], item["tags"]) for item in shown] == [
        ("gone", {}, {}),
        ("kept", None, None),
    ]
    assert filed.ask("manager", "POST", f"{filed.path}/{kept['id']}/restore") == FORBIDDEN, "it has tags"
    assert filed.ask("manager", "DELETE", f"{filed.path}/{kept['id']}?permanent=true") == FORBIDDEN
    emptied = filed.people["manager"].ask("DELETE", f"/buckets/{filed.id}/trash").json()
    assert emptied == {"files": 1, "bytes": gone["file_size"], "is_empty": True}
    assert filed.ask("manager", "DELETE", f"/buckets/{filed.id}/trash") == FORBIDDEN
    assert paths(trashed(filed)) == ["kept"]


def test_an_acl_comes_back_by_who_may_give_one(filed: Filed) -> None:
    filed.s3.put_bucket_ownership_controls(
        Bucket=filed.name, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    )
    filed.s3.delete_public_access_block(Bucket=filed.name)
    share(filed, "writer", {"permission": "write"})
    found = delete(filed, "a", ACL="public-read")
    assert filed.ask("writer", "POST", f"{filed.path}/{found['id']}/restore") == FORBIDDEN
    assert restore(filed, found["id"], "admin").status_code == 200
    assert len(filed.s3.get_object_acl(Bucket=filed.name, Key="a")["Grants"]) == 2


def test_pages_of_the_trash_follow_one_another_and_keep_to_the_prefix(filed: Filed) -> None:
    for number in range(5):
        delete(filed, f"{'ab'[number % 2]}/{number}")
    everything = [f"{'ab'[number % 2]}/{number}" for number in (4, 3, 2, 1, 0)]
    assert [paths(trashed(filed, per_page=2, page=page)) for page in (1, 2, 3)] == [
        everything[:2],
        everything[2:4],
        everything[4:],
    ]
    first = trashed(filed, per_page=2)
    delete(filed, "a/9")
    second = trashed(filed, per_page=2, cursor=first["next_cursor"])
    assert (paths(second), second["total"]) == (everything[2:4], 6)
    assert trashed(filed, per_page=2, cursor=second["next_cursor"])["next_cursor"] is None
    page = trashed(filed, prefix="a/")
    assert (paths(page), page["total"], page["total_is_lower_bound"]) == (["a/9", "a/4", "a/2", "a/0"], 4, False)
    for wrong in ({"delimiter": "/"}, {"cursor": "MTpub25l"}, {"per_page": 1000, "page": 11}):
        answer = filed.owner.ask("GET", filed.path, params={"deleted": "true", **wrong})
        assert refusal(answer) == INVALID


def test_deleting_for_good_takes_all_versions_and_the_trash_with_it(filed: Filed) -> None:
    first = filed.put("a", b"one")
    filed.put("a", b"two")
    set_bucket(filed, versioning="enabled")
    filed.put("a", b"three")
    filed.put("b")
    where = f"{filed.path}/{first['id']}"
    assert filed.ask("owner", "DELETE", where) == GONE
    assert filed.ask("owner", "DELETE", f"{where}?permanent=true") == GONE
    listed = filed.s3.list_object_versions(Bucket=filed.name)
    assert [version["Key"] for version in listed["Versions"]] == ["b"]
    assert ("DeleteMarkers" in listed, trashed(filed)["total"]) == (False, 0)
    assert filed.ask("owner", "DELETE", f"{where}?permanent=true") == HIDDEN
    used = filed.owner.ask("GET", f"/buckets/{filed.id}/storage").json()
    assert (used["bytes"], used["versions"], used["trash_files"], used["trash_bytes"]) == (5, 1, 0, 0)


def test_deleting_for_good_never_stops_at_one_transaction(filed: Filed) -> None:
    set_bucket(filed, versioning="enabled")
    first = filed.put("a")
    for _ in range(101):
        filed.s3.put_object(Bucket=filed.name, Key="a", Body=b"x")
    assert filed.ask("owner", "DELETE", f"{filed.path}/{first['id']}?permanent=true") == GONE
    assert "Versions" not in filed.s3.list_object_versions(Bucket=filed.name)


def test_the_trash_is_emptied_so_many_files_at_once(filed: Filed) -> None:
    for number in range(3):
        delete(filed, f"a{number}", b"x" * number)
    path = f"/buckets/{filed.id}/trash"
    assert filed.owner.ask("DELETE", path, params={"limit": 2}).json() == {"files": 2, "bytes": 3, "is_empty": False}
    assert filed.owner.ask("DELETE", path).json() == {"files": 1, "bytes": 0, "is_empty": True}
    assert filed.owner.ask("DELETE", path).json() == {"files": 0, "bytes": 0, "is_empty": True}
    for wrong in (0, 10_001):
        assert filed.ask("owner", "DELETE", f"{path}?limit={wrong}") == INVALID


def test_trash_counts_and_gives_way_and_a_restore_keeps_to_the_quota(filed: Filed) -> None:
    set_bucket(filed, storage_quota=10)
    first = delete(filed, "a", b"x" * 8)
    used = filed.owner.ask("GET", f"/buckets/{filed.id}/storage").json()
    assert (used["trash_bytes"], used["trash_files"], used["bytes_left"]) == (8, 1, 10)
    assert restore(filed, first["id"]).status_code == 200
    filed.s3.delete_object(Bucket=filed.name, Key="a")
    filed.put("b", b"x" * 8)
    assert refusal(restore(filed, first["id"])) == HIDDEN, "it gave way"


def test_of_restores_at_once_one_is_done(filed: Filed) -> None:
    found = delete(filed, "a")

    def ask(_: int) -> int:
        with httpx.Client(base_url=filed.api.base_url, timeout=60, event_hooks=HELD) as connection:
            path = f"{filed.path}/{found['id']}/restore"
            return connection.post(path, headers=filed.owner.headers).status_code

    with ThreadPoolExecutor(6) as threads:
        answers = sorted(threads.map(ask, range(6)))
    assert answers[0] == 200 and set(answers[1:]) <= {404, 409}
    assert (trashed(filed)["total"], filed.listed()) == (0, ["a"])


def test_a_file_of_another_bucket_is_in_no_other_trash(filed: Filed, shared: Filed) -> None:
    found = delete(shared, "c")
    assert refusal(restore(filed, found["id"])) == HIDDEN
    assert filed.ask("owner", "DELETE", f"{filed.path}/{found['id']}?permanent=true") == HIDDEN
    assert refusal(restore(filed, str(uuid.uuid4()))) == HIDDEN
