"""Files at the JSON API: who is told of them, and that they are S3's objects, by an id that lasts."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from datetime import datetime
from typing import Any

import pytest

from tests.access.policies import document, statement
from tests.api.files import Filed, filed, people, share, shared_bucket  # noqa: F401  (fixtures)
from tests.api.people import refusal

OK = (200, "")
UNKNOWN, HIDDEN, FORBIDDEN = (401, "AUTHENTICATION_FAILED"), (404, "NOT_FOUND"), (403, "PERMISSION_DENIED")
WHO = ("nobody", "stranger", "reader", "writer", "manager", "prefix-reader", "owner", "auditor", "admin")
SHOWN = dict(zip(WHO, (UNKNOWN, HIDDEN, OK, OK, OK, HIDDEN, OK, FORBIDDEN, OK), strict=True))


@pytest.mark.parametrize("who", WHO)
def test_a_file_is_shown_to_who_may_read_it(shared_bucket: Filed, who: str) -> None:  # noqa: F811
    found = shared_bucket.put("b/1.txt")
    assert shared_bucket.ask(who, "GET", f"{shared_bucket.path}/{found['id']}") == SHOWN[who]
    assert shared_bucket.ask(who, "GET", f"/buckets/{shared_bucket.id}/file?key=b/1.txt") == SHOWN[who]


def test_what_is_public_is_told_without_a_token_but_for_its_tags(filed: Filed) -> None:  # noqa: F811
    found = filed.put("a", Tagging="a=b", Metadata={"camera": "x100"})
    assert filed.owner.ask("PUT", f"/buckets/{filed.id}", json={"is_public": True}).status_code == 200
    for path in (f"{filed.path}/{found['id']}", f"/buckets/{filed.id}/file?key=a"):
        told = filed.api.get(path)
        assert (told.status_code, told.json() | {"tags": found["tags"]}) == (200, found)
        assert (told.json()["tags"], told.json()["metadata"]) == (None, {"camera": "x100"})
        assert refusal(filed.api.get(path, headers={"Authorization": "Bearer x"})) == UNKNOWN
    for path in (f"{filed.path}/{uuid.uuid4()}", f"/buckets/{filed.id}/file?key=b", filed.path):
        assert filed.ask("nobody", "GET", path) == UNKNOWN
    filed.owner.ask("PUT", f"/buckets/{filed.id}", json={"is_public": False})
    assert filed.ask("nobody", "GET", f"{filed.path}/{found['id']}") == UNKNOWN


def test_who_was_given_a_prefix_is_shown_what_is_below_it(shared_bucket: Filed) -> None:  # noqa: F811
    found = shared_bucket.put("a/1.txt")
    assert shared_bucket.ask("prefix-reader", "GET", f"{shared_bucket.path}/{found['id']}") == OK


def test_an_object_of_s3_is_a_file_with_all_that_it_has(filed: Filed) -> None:  # noqa: F811
    before = time.time()
    digest = hashlib.sha256(b"hello")
    found = filed.put(
        "2026/é.txt",
        ContentType="text/plain",
        Metadata={"camera": "x100"},
        Tagging="project=a%20b",
        ChecksumAlgorithm="SHA256",
    )
    assert found["file_path"], found["filename"] == ("2026/é.txt", "é.txt")
    assert (found["bucket_id"], found["file_size"], found["mime_type"]) == (filed.id, 5, "text/plain")
    assert (found["metadata"], found["tags"]) == ({"camera": "x100"}, {"project": "a b"})
    assert (found["checksum"], found["checksum_algorithm"]) == (digest.hexdigest(), "SHA256")
    assert (found["version_id"], found["is_deleted"]) == (None, False)
    assert found["url"] == f"{str(filed.api.base_url).rstrip('/')}{filed.path}/{found['id']}/download"
    created, updated = (datetime.fromisoformat(found[name]).timestamp() for name in ("created_at", "updated_at"))
    assert before - 1 < created <= updated < time.time() + 1


def test_without_a_sha256_the_checksum_is_null_and_the_other_one_told(filed: Filed) -> None:  # noqa: F811
    found = filed.put("a", ChecksumAlgorithm="CRC32")
    assert (found["checksum"], found["checksum_algorithm"], bool(found["checksum_value"])) == (None, "CRC32", True)


def test_a_file_keeps_its_id_and_its_birth_when_it_is_overwritten(filed: Filed) -> None:  # noqa: F811
    first = filed.put("a")
    time.sleep(0.01)
    second = filed.put("a", b"other")
    assert (second["id"], second["created_at"]) == (first["id"], first["created_at"])
    assert second["updated_at"] > first["updated_at"]


def test_a_file_that_is_renamed_by_s3_is_found_by_its_id(filed: Filed) -> None:  # noqa: F811
    first = filed.put("a")
    filed.s3.rename_object(Bucket=filed.name, Key="b", RenameSource="a")
    found = filed.owner.ask("GET", f"{filed.path}/{first['id']}").json()
    assert (found["file_path"], found["created_at"]) == ("b", first["created_at"])
    assert filed.put("a")["id"] != first["id"]


def test_a_file_is_not_in_another_bucket(filed: Filed, shared_bucket: Filed) -> None:  # noqa: F811
    found = filed.put("a")
    assert filed.ask("owner", "GET", f"{shared_bucket.path}/{found['id']}") == HIDDEN
    assert filed.ask("owner", "GET", f"/buckets/{uuid.uuid4()}/files/{found['id']}") == HIDDEN
    assert filed.ask("owner", "GET", f"/buckets/{filed.name}/files/{found['id']}") == HIDDEN
    assert filed.ask("owner", "GET", f"{filed.path}/a") == HIDDEN


def test_what_is_deleted_is_not_found(filed: Filed) -> None:  # noqa: F811
    found = filed.put("a")
    filed.s3.delete_object(Bucket=filed.name, Key="a")
    assert filed.ask("owner", "GET", f"{filed.path}/{found['id']}") == HIDDEN
    assert filed.ask("owner", "GET", f"/buckets/{filed.id}/file?key=a") == HIDDEN


def test_a_policy_of_the_bucket_decides(filed: Filed) -> None:  # noqa: F811
    found = filed.put("secret/a", Tagging="a=b")
    share(filed, "reader", {"permission": "read"})
    resource = f"arn:aws:s3:::{filed.name}/secret/*"
    deny = statement("Deny", Action="s3:GetObjectTagging", Resource=resource)
    filed.s3.put_bucket_policy(Bucket=filed.name, Policy=document(deny))
    shown = filed.people["reader"].ask("GET", f"{filed.path}/{found['id']}")
    assert (shown.status_code, shown.json()["tags"]) == (200, None)
    deny = statement("Deny", Action="s3:GetObject", Resource=resource)
    filed.s3.put_bucket_policy(Bucket=filed.name, Policy=document(deny))
    assert filed.ask("reader", "GET", f"{filed.path}/{found['id']}") == FORBIDDEN


MAY = {
    "change": ("nobody", "stranger", "reader", "prefix-reader", "auditor"),
    "delete": ("nobody", "stranger", "reader", "writer", "prefix-reader", "auditor"),
}


@pytest.mark.parametrize("who", WHO)
def test_a_file_is_changed_shared_and_deleted_by_who_may(shared_bucket: Filed, who: str) -> None:  # noqa: F811
    where = f"{shared_bucket.path}/{shared_bucket.put(f'b/of-{who}')['id']}"
    refused = UNKNOWN if who == "nobody" else HIDDEN if who in ("stranger", "prefix-reader") else FORBIDDEN
    changed = shared_bucket.ask(who, "PUT", where, json={"tags": {"a": "b"}, "mime_type": "text/html"})
    assert changed == (refused if who in MAY["change"] else OK)
    renamed = shared_bucket.ask(who, "PUT", where, json={"filename": f"now-of-{who}"})
    assert renamed == (refused if who in MAY["change"] else OK)
    body = {"user_id": shared_bucket.people["auditor"].id, "permission": "read"}
    assert shared_bucket.ask(who, "POST", f"{where}/share", json=body) == (
        refused if who in MAY["delete"] else (201, "")
    )
    assert shared_bucket.ask(who, "DELETE", where) == (refused if who in MAY["delete"] else (204, ""))


def test_a_file_is_renamed_with_all_that_it_has(filed: Filed) -> None:  # noqa: F811
    first = filed.put("a/1.txt", ContentType="text/plain", Metadata={"a": "b"}, Tagging="c=d")
    where = f"{filed.path}/{first['id']}"
    second = filed.owner.ask("PUT", where, json={"filename": "2 é.txt"}).json()
    assert {**second, "updated_at": ""} == {**first, "filename": "2 é.txt", "file_path": "a/2 é.txt", "updated_at": ""}
    change = {"file_path": "b/3", "mime_type": "text/html", "tags": {}, "metadata": {"e": "f"}}
    third = filed.owner.ask("PUT", where, json=change).json()
    assert (third["file_path"], third["mime_type"], third["tags"], third["metadata"]) == tuple(change.values())
    assert filed.listed() == ["b/3"]
    of_s3 = filed.s3.get_object(Bucket=filed.name, Key="b/3")
    assert (of_s3["ContentType"], of_s3["Metadata"], of_s3["Body"].read()) == ("text/html", {"e": "f"}, b"hello")


def test_a_name_that_is_taken_is_no_new_one(filed: Filed) -> None:  # noqa: F811
    first, _ = filed.put("a"), filed.put("b", b"other")
    where = f"{filed.path}/{first['id']}"
    change = {"filename": "b", "tags": {"a": "b"}}
    assert filed.ask("owner", "PUT", where, json=change) == (409, "FILE_ALREADY_EXISTS")
    assert filed.find("a") == first
    assert filed.ask("owner", "PUT", where, json={"filename": "a"}) == OK


def test_tags_alone_make_no_new_version(filed: Filed) -> None:  # noqa: F811
    filed.s3.put_bucket_versioning(Bucket=filed.name, VersioningConfiguration={"Status": "Enabled"})
    first = filed.put("a")
    where = f"{filed.path}/{first['id']}"
    second = filed.owner.ask("PUT", where, json={"tags": {"a": "b"}}).json()
    assert second == {**first, "tags": {"a": "b"}}
    third = filed.owner.ask("PUT", where, json={"metadata": {"a": "b"}}).json()
    assert third["version_id"] != first["version_id"]
    assert filed.ask("owner", "DELETE", where) == (204, "")
    assert len(filed.s3.list_object_versions(Bucket=filed.name)["DeleteMarkers"]) == 1
    assert filed.ask("owner", "DELETE", where) == HIDDEN


@pytest.mark.parametrize(
    "body",
    [
        {"filename": "a/b"},
        {"filename": "a", "file_path": "b"},
        {"file_path": ""},
        {"tags": {"": "x"}},
        {"metadata": {"a b": "c"}},
        {"metadata": {"a": "x" * 2048}},
        {"metadata": {"a": "\ud800"}},
        {"tags": {"\ud800": "a"}},
        {"mime_type": "a\nb"},
        {"owner_id": "x"},
        {"id": "x"},
    ],
)
def test_what_cannot_be_changed_so_is_refused(filed: Filed, body: Any) -> None:  # noqa: F811
    first = filed.put("a")
    sent = {"content": json.dumps(body), "headers": {"Content-Type": "application/json"}}
    assert filed.ask("owner", "PUT", f"{filed.path}/{first['id']}", **sent) == (422, "VALIDATION_ERROR")
    assert filed.find("a") == first


def test_who_is_given_a_file_reads_that_one_alone(filed: Filed) -> None:  # noqa: F811
    one, other = (f"{filed.path}/{filed.put(key)['id']}" for key in ("a", "b"))
    body = {"user_id": filed.people["reader"].id, "permission": "read"}
    given = filed.owner.ask("POST", f"{one}/share", json=body)
    assert (given.json()["resource_type"], given.json()["resource_id"]) == ("file", "a")
    assert filed.ask("reader", "GET", one) == OK
    assert filed.ask("reader", "GET", other) == HIDDEN
