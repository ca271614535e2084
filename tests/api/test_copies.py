"""Copies of files at the JSON API, by the rules of S3's CopyObject."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.askers import Person
from tests.api.files import Filed, new_bucket, people, share, shared_bucket  # noqa: F401  (fixtures)
from tests.api.people import refusal

CREATED = (201, "")
UNKNOWN, HIDDEN, FORBIDDEN = (401, "AUTHENTICATION_FAILED"), (404, "NOT_FOUND"), (403, "PERMISSION_DENIED")
TAKEN, INVALID = (409, "FILE_ALREADY_EXISTS"), (422, "VALIDATION_ERROR")


@pytest.fixture
def filed(shared_bucket: Filed) -> Filed:  # noqa: F811
    return shared_bucket


def copied(filed: Filed, file: dict[str, Any], **body: Any) -> httpx.Response:
    return filed.owner.ask("POST", f"{filed.path}/{file['id']}/copy", json=body)


def test_a_copy_has_what_the_file_has_and_an_id_of_its_own(filed: Filed) -> None:
    file = filed.put("kind é?", b"bytes", ContentType="text/plain", Metadata={"c": "d"}, Tagging="a=b")
    answer = copied(filed, file, file_path="copies/of it")
    made = answer.json()
    assert answer.status_code == 201 and answer.headers["ETag"]
    same = ("file_size", "mime_type", "metadata", "tags", "checksum_value", "storage_class")
    assert {name: made[name] for name in same} == {name: file[name] for name in same}
    assert made["id"] != file["id"] and made["file_path"] == "copies/of it"
    assert filed.s3.get_object(Bucket=filed.name, Key="copies/of it")["Body"].read() == b"bytes"


def test_what_is_there_gives_way_only_if_it_is_said(filed: Filed) -> None:
    file, there = filed.put("overwriting", b"new"), filed.put("overwritten", b"old")
    assert refusal(copied(filed, file, file_path="overwritten")) == TAKEN
    made = copied(filed, file, file_path="overwritten", overwrite=True)
    assert made.status_code == 201 and made.json()["id"] == there["id"]
    assert filed.s3.get_object(Bucket=filed.name, Key="overwritten")["Body"].read() == b"new"


def test_into_another_bucket_goes_what_one_may_write_there(filed: Filed, people: dict[str, Person], s3: Any) -> None:  # noqa: F811
    file = filed.put("to another", b"bytes")
    other = new_bucket(filed.owner, f"{filed.name}-other", s3)
    assert copied(filed, file, file_path="x", bucket_id=other).json()["bucket_id"] == other
    strangers = new_bucket(people["stranger"], f"{filed.name}-strangers", s3)
    assert refusal(copied(filed, file, file_path="x", bucket_id=strangers)) == HIDDEN


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("nobody", UNKNOWN),
        ("stranger", HIDDEN),
        ("reader", FORBIDDEN),
        ("prefix-reader", HIDDEN),
        ("writer", CREATED),
        ("manager", CREATED),
        ("auditor", FORBIDDEN),
        ("admin", CREATED),
    ],
)
def test_it_is_for_who_may_read_the_file_and_write_the_other(filed: Filed, who: str, expected: Any) -> None:
    file = filed.put(f"from {who}")
    assert filed.ask(who, "POST", f"{filed.path}/{file['id']}/copy", json={"file_path": f"by {who}"}) == expected


def test_a_path_is_as_a_key_may_be(filed: Filed) -> None:
    file = filed.put("of paths")
    for wrong in ("", "a\0b", "x" * 1025):
        assert refusal(copied(filed, file, file_path=wrong)) == INVALID
