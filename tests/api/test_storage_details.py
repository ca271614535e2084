"""What a bucket takes of the disk, and what would be free without it."""

from __future__ import annotations

import os
import time
from typing import Any, NamedTuple

import httpx
import pytest

from tests.api.askers import Person, new_person
from tests.cli.commands import Ask

LARGE = 100_000  # more than is stored in a row


class Owner(NamedTuple):
    person: Person
    root: Any  # an admin's S3

    def bucket(self, suffix: str) -> str:
        name = f"measured-{suffix}-{self.person.id[:8]}"
        answer = self.person.ask("POST", "/buckets", json={"name": name})
        assert answer.status_code == 201, answer.text
        return name

    def details(self, name: str, by: Person | None = None) -> dict[str, Any]:
        person = by or self.person
        bucket_id = person.ask("GET", f"/buckets/by-name/{name}").json()["id"]
        answer = person.ask("GET", f"/buckets/{bucket_id}/storage", params={"details": True})
        assert answer.status_code == 200, answer.text
        details: dict[str, Any] = answer.json()["details"]
        return details

    def bytes(self, name: str, by: Person | None = None) -> tuple[int, int]:
        details = self.details(name, by)
        return details["physical_bytes"], details["exclusive_bytes"]


@pytest.fixture
def owner(api: httpx.Client, ask: Ask, s3: Any) -> Owner:
    return Owner(new_person(api, ask, "measured"), s3)


def test_what_is_stored_once_counts_once(owner: Owner) -> None:
    s3, name, body = owner.root, owner.bucket("a"), os.urandom(LARGE)
    assert owner.bytes(name) == (0, 0)
    s3.put_object(Bucket=name, Key="one", Body=body)
    s3.put_object(Bucket=name, Key="two", Body=body)
    s3.copy_object(Bucket=name, Key="three", CopySource=f"{name}/one")
    assert owner.bytes(name) == (LARGE, LARGE)
    s3.put_object(Bucket=name, Key="small", Body=b"12345")
    s3.copy_object(Bucket=name, Key="small too", CopySource=f"{name}/small")
    assert owner.bytes(name) == (LARGE + 5, LARGE + 5)


def test_what_another_bucket_of_the_owner_needs_would_not_be_free(owner: Owner) -> None:
    s3, name, other, body = owner.root, owner.bucket("a"), owner.bucket("b"), os.urandom(LARGE)
    s3.put_object(Bucket=name, Key="shared", Body=body)
    s3.put_object(Bucket=name, Key="own", Body=os.urandom(LARGE))
    s3.put_object(Bucket=other, Key="other", Body=body)
    assert owner.bytes(name) == (2 * LARGE, LARGE)
    assert owner.bytes(other) == (LARGE, 0)
    s3.delete_object(Bucket=other, Key="other")  # which the trash keeps
    assert owner.bytes(name) == (2 * LARGE, LARGE)


def test_what_somebody_else_has_too_is_told_to_admins_alone(owner: Owner, api: httpx.Client, ask: Ask) -> None:
    name, body = owner.bucket("a"), os.urandom(LARGE)
    stranger = Owner(new_person(api, ask, "measured"), owner.root)
    for each in (name, stranger.bucket("b")):
        owner.root.put_object(Bucket=each, Key="key", Body=body)
    assert owner.bytes(name) == (LARGE, LARGE)
    for role, exclusive in (("auditor", LARGE), ("admin", 0)):
        assert owner.bytes(name, new_person(api, ask, role, role=role)) == (LARGE, exclusive)


def test_parts_completed_or_not_and_the_trash_are_counted(owner: Owner) -> None:
    s3, name = owner.root, owner.bucket("a")
    sizes = 5 << 20, LARGE
    upload = s3.create_multipart_upload(Bucket=name, Key="whole")["UploadId"]
    this = {"Bucket": name, "Key": "whole", "UploadId": upload}
    parts = []
    for number, size in enumerate(sizes, 1):
        answer = s3.upload_part(**this, PartNumber=number, Body=os.urandom(size))
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    assert owner.bytes(name) == (sum(sizes), sum(sizes))
    s3.complete_multipart_upload(**this, MultipartUpload={"Parts": parts})
    assert owner.bytes(name) == (sum(sizes), sum(sizes))
    s3.delete_object(Bucket=name, Key="whole")
    assert owner.bytes(name) == (sum(sizes), sum(sizes))


def test_folders_and_types_are_told_the_largest_first(owner: Owner) -> None:
    s3, name = owner.root, owner.bucket("a")
    for key, size, type in (("b/1", 10, "text/plain"), ("b/c/2", 20, "image/png"), ("a/3", 40, "text/plain")):
        s3.put_object(Bucket=name, Key=key, Body=bytes(size), ContentType=type)
    s3.put_object(Bucket=name, Key="a-4", Body=b"1")
    details = owner.details(name)
    assert details["by_prefix"] == [
        {"name": "a/", "files": 1, "bytes": 40},
        {"name": "b/", "files": 2, "bytes": 30},
        {"name": "", "files": 1, "bytes": 1},
    ]
    assert details["by_type"] == [
        {"name": "text/plain", "files": 2, "bytes": 50},
        {"name": "image/png", "files": 1, "bytes": 20},
        {"name": "binary/octet-stream", "files": 1, "bytes": 1},
    ]


def test_a_job_measures_what_is_not_small(owner: Owner, admin: Any) -> None:
    name = owner.bucket("a")
    path = f"/buckets/{owner.person.ask('GET', f'/buckets/by-name/{name}').json()['id']}/storage/measure"
    owner.root.put_object(Bucket=name, Key="key", Body=b"12345")
    first = owner.person.ask("POST", path)
    assert (first.status_code, first.json()["job_id"]) == (202, first.json()["id"])
    lines = admin.http.get("/audit", params={"actor": owner.person.name, "action": "job.create"}).json()["items"]
    assert [line["after"]["bucket"] for line in lines] == [name]
    for _ in range(600):
        told = owner.person.ask("GET", f"/jobs/{first.json()['job_id']}").json()
        if told["state"] not in ("queued", "running"):
            break
        time.sleep(0.05)
    assert (told["kind"], told["state"], told["error"]) == ("measure_storage", "done", None)
    assert told["progress"]["done"] >= 1
