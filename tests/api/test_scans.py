"""Virus scanning at every door: what is held or infected is read by nobody, and what admins see and do of it."""

from __future__ import annotations

import io
import json
import time
import zipfile
from typing import Any, NamedTuple

import httpx
import pytest

from tests.api.files import Filed, people, shared_bucket
from tests.api.files import filed as filed
from tests.cli.commands import Ask
from tests.events.receiver import receiving
from tests.gateways import INFECTED, UNANSWERED, refusal
from tests.servers import RunningServer

__all__ = ["filed", "people", "shared_bucket"]
STATUS = {"clean": "clean", "infected": "infected", "waiting": "pending"}
CODES = {"infected": "INFECTED", "waiting": "SCAN_PENDING"}
DENIED = (403, "AccessDenied")


class Held(NamedTuple):
    """A bucket in which all is held until it is clean, with files that are called what they are."""

    filed: Filed
    files: dict[str, Any]

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """By the bucket's owner."""
        return self.filed.owner.ask(method, path, **more)

    def path(self, name: str, more: str = "") -> str:
        return f"{self.filed.path}/{self.files[name]['id']}{more}"


def set_policy(filed: Filed, policy: str | None, who: str = "admin") -> tuple[int, str]:
    return filed.ask(who, "PUT", f"/buckets/{filed.id}", json={"scan_policy": policy})


def wait_for(filed: Filed, key: str, status: str) -> dict[str, Any]:
    until = time.monotonic() + 30
    while (found := filed.find(key))["scan_status"] != status:
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return found


def zip_with(content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("inside.txt", content)
    return made.getvalue()


@pytest.fixture(scope="module")
def held(shared_bucket: Filed) -> Held:
    assert set_policy(shared_bucket, "hold") == (200, "")
    bodies = {"clean": b"hello", "infected": b"a" * 20_000 + INFECTED, "waiting": zip_with(UNANSWERED)}
    for key, body in bodies.items():
        shared_bucket.put(key, body)
    return Held(shared_bucket, {key: wait_for(shared_bucket, key, STATUS[key]) for key in bodies})


def test_what_is_clean_is_read_as_ever(held: Held) -> None:
    s3, bucket = held.filed.s3, held.filed.name
    found = s3.get_object(Bucket=bucket, Key="clean")
    assert found["Body"].read() == b"hello"
    assert found["ResponseMetadata"]["HTTPHeaders"]["x-s3gw-scan-status"] == "clean"
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/clean")
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"hello"  # known by its content, at once
    assert held.ask("GET", held.path("clean", "/download")).content == b"hello"


@pytest.mark.parametrize("name", CODES)
def test_s3_gives_nothing_of_what_is_withheld(held: Held, name: str) -> None:
    s3, bucket = held.filed.s3, held.filed.name
    here = {"Bucket": bucket, "Key": name}
    for more in ({}, {"Range": "bytes=0-0"}, {"IfNoneMatch": "*"}, {"PartNumber": 1}):
        assert refusal(s3.get_object, **here, **more) == DENIED
    signed = s3.generate_presigned_url("get_object", Params=here)
    assert httpx.get(signed).status_code == 403
    source = f"{bucket}/{name}"
    for more in ({}, {"ChecksumAlgorithm": "SHA256"}):
        assert refusal(s3.copy_object, Bucket=bucket, Key="to", CopySource=source, **more) == DENIED
    upload = s3.create_multipart_upload(Bucket=bucket, Key="to")["UploadId"]
    part = {"Bucket": bucket, "Key": "to", "UploadId": upload, "PartNumber": 1, "CopySource": source}
    for more in ({}, {"CopySourceRange": "bytes=0-1"}):
        assert refusal(s3.upload_part_copy, **part, **more) == DENIED
    s3.abort_multipart_upload(Bucket=bucket, Key="to", UploadId=upload)
    assert "to" not in held.filed.listed()


@pytest.mark.parametrize("name", STATUS)
def test_how_it_stands_is_told(held: Held, name: str) -> None:
    s3, here = held.filed.s3, {"Bucket": held.filed.name, "Key": name}
    headers = s3.head_object(**here)["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-s3gw-scan-status"] == STATUS[name]
    told = {"Key": "s3gw:scan-status", "Value": STATUS[name]}
    assert s3.get_object_tagging(**here)["TagSet"] == [told]
    s3.put_object_tagging(**here, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_object_tagging(**here)["TagSet"] == [{"Key": "a", "Value": "b"}, told]
    assert s3.head_object(**here)["TagCount"] == 1
    assert held.files[name]["scan_status"] == STATUS[name]
    listed = held.ask("GET", held.filed.path).json()["items"]
    assert {item["file_path"]: item["scan_status"] for item in listed}[name] == STATUS[name]


def test_only_we_say_how_it_stands(held: Held) -> None:
    s3, here, tag = held.filed.s3, {"Bucket": held.filed.name, "Key": "clean"}, "s3gw:scan-status"
    tagging = {"TagSet": [{"Key": tag, "Value": "clean"}]}
    assert refusal(s3.put_object_tagging, **here, Tagging=tagging) == (400, "InvalidTag")
    assert refusal(s3.put_object, **here, Body=b"", Tagging=f"{tag}=clean") == (400, "InvalidTag")
    answer = held.ask("PUT", held.path("clean"), json={"tags": {tag: "clean"}})
    assert (answer.status_code, answer.json()["error_code"]) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize("name", CODES)
def test_the_api_says_why(held: Held, name: str) -> None:
    refused = 403, CODES[name]
    for path in ("/download", "/download?attachment=true", "/entries", "/entry?name=inside.txt"):
        answer = held.ask("GET", held.path(name, path))
        assert (answer.status_code, answer.json()["error_code"]) == refused, path
    assert held.filed.ask("admin", "GET", held.path(name, "/download")) == refused
    assert held.filed.ask("stranger", "GET", held.path(name, "/download")) == (404, "NOT_FOUND")
    assert held.filed.ask("nobody", "GET", held.path(name, "/download")) == (401, "AUTHENTICATION_FAILED")
    ids = [held.files[each]["id"] for each in ("clean", name)]
    answer = held.ask("POST", f"/buckets/{held.filed.id}/archive", json={"files": ids})
    assert (answer.status_code, answer.json()["error_code"]) == refused


def test_a_zip_of_a_folder_has_only_what_is_clean(held: Held) -> None:
    answer = held.ask("GET", f"/buckets/{held.filed.id}/archive")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert "clean" in archive.namelist() and not {"infected", "waiting"} & set(archive.namelist())


@pytest.mark.parametrize("name", CODES)
def test_share_links_give_nothing_of_it(held: Held, name: str) -> None:
    body = {"file_id": held.files[name]["id"]}
    link = held.ask("POST", f"/buckets/{held.filed.id}/links", json=body).json()
    assert httpx.get(link["url"]).status_code == 200
    for more in ("/download", "/view"):
        assert httpx.get(link["url"] + more).status_code == 403
    folder = {"kind": "folder", "prefix": "", "max_downloads": 1}
    url = held.ask("POST", f"/buckets/{held.filed.id}/links", json=folder).json()["url"]
    assert httpx.get(f"{url}/download", params={"path": name}).status_code == 403
    with zipfile.ZipFile(io.BytesIO(httpx.get(f"{url}/archive").content)) as archive:  # nothing was counted before
        assert name not in archive.namelist()


def test_a_batch_does_not_bring_it_elsewhere(held: Held, filed: Filed) -> None:
    ids = [held.files[name]["id"] for name in STATUS]
    body = {"action": "copy", "files": ids, "destination": {"bucket_id": filed.id, "prefix": ""}}
    job = held.ask("POST", f"/buckets/{held.filed.id}/batch", json=body)
    assert job.status_code in (200, 202), job.text
    path, until = f"/jobs/{job.json()['id']}", time.monotonic() + 30
    while (found := held.ask("GET", path).json())["state"] in ("queued", "running"):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert filed.listed() == ["clean"]
    assert {"INFECTED", "SCAN_PENDING"} <= set(json.dumps(found).replace('"', " ").split())


def test_what_is_withheld_is_renamed_tagged_and_deleted_as_ever(held: Held) -> None:
    held.filed.put("to-rename", UNANSWERED)
    file = held.filed.find("to-rename")
    path = f"{held.filed.path}/{file['id']}"
    renamed = held.ask("PUT", path, json={"file_path": "renamed", "metadata": {"a": "b"}})
    assert renamed.status_code == 200 and renamed.json()["scan_status"] == "pending"
    assert refusal(held.filed.s3.get_object, Bucket=held.filed.name, Key="renamed") == DENIED
    assert held.ask("DELETE", path).status_code == 204


def test_what_it_overwrites_can_be_restored(held: Held) -> None:
    """Though the bucket keeps no trash."""
    held.filed.put("precious", b"hello")
    wait_for(held.filed, "precious", "clean")
    held.filed.put("precious", INFECTED)
    file = wait_for(held.filed, "precious", "infected")
    (trashed,) = held.ask("GET", held.filed.path, params={"deleted": "true"}).json()["items"]
    assert (trashed["id"], trashed["scan_status"]) == (file["id"], "clean")
    answer = held.ask("POST", f"{held.filed.path}/{file['id']}/restore", params={"overwrite": "true"})
    assert answer.status_code == 200, answer.text
    assert held.ask("GET", f"{held.filed.path}/{file['id']}/download").content == b"hello"


def test_under_serve_only_what_is_infected_is_withheld(filed: Filed) -> None:
    assert set_policy(filed, "serve") == (200, "")
    filed.put("waiting", UNANSWERED)
    filed.put("infected", INFECTED)
    assert filed.s3.get_object(Bucket=filed.name, Key="waiting")["Body"].read() == UNANSWERED
    wait_for(filed, "infected", "infected")
    assert refusal(filed.s3.get_object, Bucket=filed.name, Key="infected") == DENIED
    assert filed.owner.ask("GET", f"{filed.path}/{filed.find('waiting')['id']}/download").content == UNANSWERED
    assert set_policy(filed, "off") == (200, "")
    assert filed.s3.get_object(Bucket=filed.name, Key="infected")["Body"].read() == INFECTED
    assert filed.find("infected")["scan_status"] is None
    headers = filed.s3.head_object(Bucket=filed.name, Key="infected")["ResponseMetadata"]["HTTPHeaders"]
    assert "x-s3gw-scan-status" not in headers
    assert filed.s3.get_object_tagging(Bucket=filed.name, Key="infected")["TagSet"] == []


def test_what_was_there_is_held_from_the_moment_that_a_bucket_says_so(filed: Filed) -> None:
    filed.put("old", b"older than that")
    assert set_policy(filed, "hold") == (200, "")
    assert filed.find("old")["scan_status"] in ("pending", "clean")
    wait_for(filed, "old", "clean")
    assert filed.s3.get_object(Bucket=filed.name, Key="old")["Body"].read() == b"older than that"


def test_who_may_set_what_a_bucket_does(filed: Filed) -> None:
    for who, expected in (("stranger", 404), ("auditor", 403), ("owner", 200), ("admin", 200)):
        assert set_policy(filed, "hold", who)[0] == expected, who
    shown = filed.owner.ask("GET", f"/buckets/{filed.id}").json()
    assert shown["scan_policy"] == "hold"
    assert set_policy(filed, None, "owner") == (200, "")
    assert filed.owner.ask("GET", f"/buckets/{filed.id}").json()["scan_policy"] is None
    assert set_policy(filed, "whatever") == (422, "VALIDATION_ERROR")


def digest_of(held: Held, *keys: str) -> str:
    """Of an infected content, when all of these are listed."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        answer = held.filed.people["admin"].ask("GET", "/scans", params={"state": "infected", "per_page": 1000})
        for scan in answer.json()["items"]:
            if {file["file_path"] for file in scan["files"] if file["bucket_id"] == held.filed.id} == set(keys):
                return str(scan["digest"])
        time.sleep(0.05)
    raise AssertionError(f"{keys} aren't listed")


def test_what_was_found_is_listed_by_pages(held: Held) -> None:
    admin = held.filed.people["admin"]
    assert digest_of(held, "infected")
    first = admin.ask("GET", "/scans", params={"per_page": 1}).json()
    second = admin.ask("GET", "/scans", params={"per_page": 1, "cursor": first["next_cursor"]}).json()
    assert first["total"] >= 3 and first["items"][0]["digest"] < second["items"][0]["digest"]
    assert refusal_of(admin.ask("GET", "/scans", params={"cursor": "MTp4"})) == (422, "VALIDATION_ERROR")
    status = admin.ask("GET", "/scans/status").json()
    assert (status["policy"], status["scanner"], status["is_down"]) == ("off", "command", False)
    assert status["contents"]["infected"] >= 1 and status["contents"]["pending"] >= 1


def refusal_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("GET", "/status"), ("POST", f"/{'0' * 64}/release"), ("DELETE", f"/{'0' * 64}")]
)
def test_only_admins_change_it_and_auditors_see_it(held: Held, method: str, path: str) -> None:
    changes = method != "GET"
    table = {"nobody": 401, "owner": 403, "auditor": 403 if changes else 200, "admin": 404 if changes else 200}
    for who, expected in table.items():
        assert held.filed.ask(who, method, f"/scans{path}")[0] == expected, who


def test_an_admin_lets_one_through(held: Held) -> None:
    held.filed.put("false-alarm", INFECTED + b" it is not")
    wait_for(held.filed, "false-alarm", "infected")
    admin, digest = held.filed.people["admin"], digest_of(held, "false-alarm")
    assert admin.ask("DELETE", f"/scans/{'x' * 64}").status_code == 404
    released = admin.ask("POST", f"/scans/{digest}/release")
    assert released.json()["state"] == "released"
    found = held.filed.s3.get_object(Bucket=held.filed.name, Key="false-alarm")
    assert found["Body"].read() == INFECTED + b" it is not"
    for method, path in (("POST", f"/scans/{digest}/release"), ("DELETE", f"/scans/{digest}")):
        assert held.filed.ask("admin", method, path) == (409, "CONFLICT")
    lines = admin.ask("GET", "/audit", params={"action": "scan.release", "per_page": 1}).json()["items"]
    assert (lines[0]["resource"], lines[0]["before"]["threat"]) == (digest, "Test.Virus")


def test_an_admin_deletes_what_has_one(held: Held) -> None:
    body = INFECTED + b" to be deleted"
    for key in ("bad/1", "bad/2"):
        held.filed.put(key, body)
        wait_for(held.filed, key, "infected")
    admin, digest = held.filed.people["admin"], digest_of(held, "bad/1", "bad/2")
    answer = admin.ask("DELETE", f"/scans/{digest}").json()
    assert answer == {"deleted": 2, "refused": 0, "is_truncated": False}
    assert not {"bad/1", "bad/2"} & set(held.filed.listed())
    lines = admin.ask("GET", "/audit", params={"action": "scan.delete", "per_page": 1}).json()["items"]
    assert (lines[0]["resource"], lines[0]["after"]) == (digest, {"deleted": 2})


def test_what_a_rule_keeps_is_not_deleted(held: Held) -> None:
    held.filed.put("kept", INFECTED + b" and kept")
    wait_for(held.filed, "kept", "infected")
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObjectVersion"}
    policy = {"Version": "2012-10-17", "Statement": [statement | {"Resource": f"arn:aws:s3:::{held.filed.name}/*"}]}
    held.filed.s3.put_bucket_policy(Bucket=held.filed.name, Policy=json.dumps(policy))
    digest = digest_of(held, "kept")
    answer = held.filed.people["admin"].ask("DELETE", f"/scans/{digest}").json()
    held.filed.s3.delete_bucket_policy(Bucket=held.filed.name)
    assert answer == {"deleted": 0, "refused": 1, "is_truncated": False}
    assert "kept" in held.filed.listed()


def told_of(records: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(record["s3"]["object"]["key"], record["eventName"]) for record in records}


def test_whom_a_bucket_tells_hears_what_was_found(filed: Filed, server: RunningServer) -> None:
    assert set_policy(filed, "serve") == (200, "")
    with receiving() as receiver:
        target = filed.owner.ask("POST", "/event-targets", json={"name": f"scan-{filed.name}", "url": receiver.url})
        rules = {"rules": [{"target": target.json()["name"], "events": ["s3gw:Scan:*"]}]}
        assert filed.ask("owner", "PUT", f"/buckets/{filed.id}/notifications", json=rules) == (200, "")
        filed.put("good", b"hello you")
        filed.put("bad", INFECTED + b" told")
        told = {("good", "s3gw:Scan:Clean"), ("bad", "s3gw:Scan:Infected")}
        receiver.wait_for(lambda records: told_of(records) == told)  # once at least
    assert filed.owner.ask("DELETE", f"/event-targets/{target.json()['id']}").status_code == 204


def test_the_command_line_tells_and_does_the_same(held: Held, ask: Ask) -> None:
    held.filed.put("by-command", INFECTED + b" by command")
    wait_for(held.filed, "by-command", "infected")
    digest, name = digest_of(held, "by-command"), f"{held.filed.name}/by-command"
    listed = {found["digest"]: found["objects"] for found in ask("scan", "list", "--state", "infected")}
    assert listed[digest] == [name]
    assert ask("scan", "release", digest)["state"] == "released"
    (line,) = ask("audit", "list", "--resource", digest)
    assert (line["action"], line["door"]) == ("scan.release", "cli")
    status = ask("scan", "status")
    assert status["down"] is None and status["released"] >= 1
    assert ask("scan", "run")["queued"] is True
