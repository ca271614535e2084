"""Batches at the API: what may be asked for, by whom, and a folder that is moved with all that is in it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from s3gw.api.batch import MOST_FILES, manifest_of
from s3gw.manifests.lines import LARGEST
from s3gw.problems import TooLarge
from tests.api.files import Filed, filed, people, shared_bucket  # noqa: F401
from tests.api.test_jobs import ended

EVERYTHING = {"action": "delete", "query": {"prefix": ""}}
TO = {"prefix": "to/"}


def reported(filed: Filed, who: str, **body: Any) -> dict[str, Any]:  # noqa: F811
    """The job, when it has ended."""
    answer = filed.people[who].ask("POST", f"/buckets/{filed.id}/batch", json=body)
    assert answer.status_code == 202, answer.text
    return ended(filed.people[who], answer.json()["id"])


def test_a_folder_is_moved_with_all_that_is_in_it(filed: Filed) -> None:  # noqa: F811
    made = [filed.put(f"a/{key}", Tagging="of=all") for key in ("x", "y/z")]
    filed.put("ab")
    told = reported(filed, "owner", action="move", query={"prefix": "a/"}, destination=TO)
    assert (told["kind"], told["state"], told["progress"]) == ("batch", "done", {"done": 2, "total": 2})
    assert told["result"] == {"succeeded": 2, "failed": 0, "failures": []}
    assert filed.listed() == ["ab", "to/x", "to/y/z"]
    moved = [filed.find(key) for key in ("to/x", "to/y/z")]
    assert [file["id"] for file in moved] == [file["id"] for file in made]
    assert moved[0]["tags"] == {"of": "all"}


def test_files_are_deleted_where_filters_find_them_and_restored(filed: Filed) -> None:  # noqa: F811
    small, large = filed.put("small", b"x"), filed.put("large", b"x" * 100)
    filed.owner.ask("PUT", f"/buckets/{filed.id}", json={"trash_seconds": 1000})
    query = {"prefix": "", "min_size": 50, "changed_after": "2020-01-01T00:00:00Z"}
    assert reported(filed, "owner", action="delete", query=query)["result"]["succeeded"] == 1
    assert filed.listed() == ["small"]
    report = reported(filed, "owner", action="restore", files=[large["id"], small["id"]])["result"]
    assert (report["succeeded"], report["failed"]) == (1, 1)
    (failure,) = report["failures"]
    assert (failure["file_id"], failure["error_code"]) == (small["id"], "CONFLICT")
    assert filed.listed() == ["large", "small"]


def manifest_in(filed: Filed, body: bytes) -> dict[str, str]:  # noqa: F811
    """One that was put by S3."""
    etag: str = filed.s3.put_object(Bucket=filed.name, Key="manifest.csv", Body=body)["ETag"]
    return {"path": "manifest.csv", "etag": etag}


def test_what_a_manifest_names_is_tagged_and_reported(filed: Filed) -> None:  # noqa: F811
    filed.put("a b")
    manifest = manifest_in(filed, f"{filed.name},a%20b\n{filed.name},x\n".encode())
    report = {"prefix": "done/"}
    told = reported(filed, "owner", action="tag", manifest=manifest, tags={"x": "y"}, report=report)
    assert (told["state"], told["progress"]) == ("done", {"done": 2, "total": 2})
    assert (told["result"]["succeeded"], told["result"]["failed"]) == (1, 1)
    assert filed.find("a b")["tags"] == {"x": "y"}
    key = told["result"]["report"]["key"]
    assert key == f"done/job-{told['id']}/results.csv"
    lines = filed.s3.get_object(Bucket=filed.name, Key=key)["Body"].read().decode().splitlines()
    assert lines == [
        f"{filed.name},a%20b,,succeeded,,200,Successful",
        f"{filed.name},x,,failed,NoSuchKey,404,there is no such file",
    ]


def test_a_manifest_is_the_one_that_is_named_and_may_be_read(filed: Filed) -> None:  # noqa: F811
    manifest = manifest_in(filed, b"bucket,a")
    path, body = f"/buckets/{filed.id}/batch", {"action": "delete", "manifest": manifest}
    other = body | {"manifest": manifest | {"etag": "x"}}
    assert filed.ask("owner", "POST", path, json=other) == (412, "PRECONDITION_FAILED")
    none = body | {"manifest": manifest | {"path": "none"}}
    assert filed.ask("owner", "POST", path, json=none) == (404, "NOT_FOUND")
    assert filed.ask("stranger", "POST", path, json=body) == (404, "NOT_FOUND")
    elsewhere = body | {"report": {"bucket_id": str(uuid4())}}
    assert filed.ask("owner", "POST", path, json=elsewhere) == (404, "NOT_FOUND")


def test_a_report_is_written_where_one_may_write(shared_bucket: Filed) -> None:  # noqa: F811
    manifest = manifest_in(shared_bucket, b"bucket,a")
    path, body = f"/buckets/{shared_bucket.id}/batch", {"action": "delete", "manifest": manifest, "report": {}}
    assert shared_bucket.ask("reader", "POST", path, json=body) == (403, "PERMISSION_DENIED")


def test_a_manifest_has_so_many_bytes_at_most() -> None:
    found: Any = SimpleNamespace(key="k", etag="e", size=LARGEST)
    assert LARGEST == 1 << 30
    assert manifest_of(found, '"e"') == {"key": "k", "etag": "e", "size": LARGEST}
    found.size += 1
    with pytest.raises(TooLarge):
        manifest_of(found, "e")


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("nobody", (401, "AUTHENTICATION_FAILED")),
        ("stranger", (404, "NOT_FOUND")),
        ("prefix-reader", (403, "PERMISSION_DENIED")),
        ("auditor", (403, "PERMISSION_DENIED")),
    ],
)
def test_a_query_is_for_who_may_list(shared_bucket: Filed, who: str, expected: tuple[int, str]) -> None:  # noqa: F811
    assert shared_bucket.ask(who, "POST", f"/buckets/{shared_bucket.id}/batch", json=EVERYTHING) == expected


def test_who_may_read_changes_nothing_and_who_may_delete_does(shared_bucket: Filed) -> None:  # noqa: F811
    file = shared_bucket.put("batch/file")
    query = {"prefix": "batch/"}
    told = reported(shared_bucket, "reader", action="delete", query=query)
    assert [failure["error_code"] for failure in told["result"]["failures"]] == ["PERMISSION_DENIED"]
    told = reported(shared_bucket, "reader", action="move", files=[file["id"]], destination=TO)
    assert [failure["file_path"] for failure in told["result"]["failures"]] == ["batch/file"]
    assert "batch/file" in shared_bucket.listed()
    assert reported(shared_bucket, "manager", action="delete", query=query)["result"]["succeeded"] == 1
    lines = shared_bucket.people["admin"].ask("GET", "/audit", params={"resource": told["id"]}).json()["items"]
    assert [line["action"] for line in lines] == ["job.create"]


def test_another_bucket_has_to_be_one_that_he_sees(filed: Filed, shared_bucket: Filed) -> None:  # noqa: F811
    to = {"bucket_id": filed.id, "prefix": ""}
    body = {"action": "copy", "query": {"prefix": ""}, "destination": to}
    path = f"/buckets/{shared_bucket.id}/batch"
    assert shared_bucket.ask("reader", "POST", path, json=body) == (404, "NOT_FOUND")
    file = shared_bucket.put("a/copied")
    told = reported(shared_bucket, "owner", action="copy", files=[file["id"]], destination=to)
    assert told["result"]["succeeded"] == 1
    assert filed.listed() == ["copied"]


@pytest.mark.parametrize(
    "body",
    [
        {"action": "delete"},
        {"action": "delete", "files": []},
        {"action": "delete", "files": [str(uuid4()) for _ in range(MOST_FILES + 1)]},
        {"action": "delete", "files": ["x"]},
        {"action": "delete", "files": [str(uuid4())], "query": {"prefix": ""}},
        {"action": "delete", "query": {}},
        {"action": "delete", "query": {"prefix": "x" * 1025}},
        {"action": "delete", "query": {"prefix": "\0"}},
        {"action": "delete", "query": {"prefix": "", "tags": {f"t{number}": None for number in range(11)}}},
        {"action": "delete", "query": {"prefix": "", "tags": {"t": "x" * 3073}}},
        {"action": "delete", "query": {"prefix": "", "metadata": {"x" * 1025: None}}},
        {"action": "delete", "query": {"prefix": "", "type": "x" * 256}},
        {"action": "delete", "query": {"prefix": ""}, "destination": TO},
        {"action": "shred", "query": {"prefix": ""}},
        {"action": "move", "query": {"prefix": ""}},
        {"action": "move", "query": {"prefix": ""}, "destination": TO},  # below it
        {"action": "copy", "query": {"prefix": "t"}, "destination": TO},
        {"action": "copy", "query": {"prefix": "a/"}, "destination": TO, "permanent": True},
        {"action": "copy", "query": {"prefix": "a/"}, "destination": {"prefix": "x" * 1025}},
        {"action": "tag", "query": {"prefix": ""}},
        {"action": "tag", "query": {"prefix": ""}, "tags": {f"t{number}": "" for number in range(11)}},
        {"action": "tag", "query": {"prefix": ""}, "tags": {"aws:x": ""}},
        {"action": "tag", "query": {"prefix": ""}, "tags": {"x": "\0"}},
        {"action": "restore", "query": {"prefix": "", "type": "image/*"}},
        {"action": "delete", "manifest": {"path": "a"}},
        {"action": "delete", "manifest": {"path": "", "etag": "e"}},
        {"action": "delete", "manifest": {"path": "a", "etag": "e" * 65}},
        {"action": "delete", "manifest": {"path": "a", "etag": "e"}, "query": {"prefix": ""}},
        {"action": "delete", "query": {"prefix": ""}, "report": {}},
    ],
)
def test_what_makes_no_sense_is_refused(shared_bucket: Filed, body: dict[str, Any]) -> None:  # noqa: F811
    assert shared_bucket.ask("owner", "POST", f"/buckets/{shared_bucket.id}/batch", json=body) == (
        422,
        "VALIDATION_ERROR",
    )
