"""Archives that a job unpacks: sent with the request, or a file of the bucket."""

from __future__ import annotations

from typing import Any

from tests.access.policies import document, statement
from tests.api.files import Filed, share
from tests.api.files import filed as filed
from tests.api.files import people as people
from tests.api.test_jobs import ended
from tests.api.test_unpack import FILES, LONG, unpack
from tests.made_archives import tar_of, zip_of

EXPECTED = [f"in/{name.replace('./', '')}" for name in FILES if name != "p/"]


def of_stored(filed: Filed, key: str, who: str = "owner", **params: str) -> Any:
    path = f"{filed.path}/{filed.find(key)['id']}/unpack"
    return filed.people[who].ask("POST", path, params={"path": "in", **params})


def test_an_archive_that_is_sent_is_unpacked_by_a_job_and_then_gone(filed: Filed) -> None:
    answer = unpack(filed, zip_of(FILES), path="in", as_job="true")
    assert answer.status_code == 202, answer.text
    told = ended(filed.owner, answer.json()["job_id"])
    assert (told["kind"], told["state"], told["progress"]) == ("unpack", "done", {"done": 4, "total": 4}), told
    assert told["result"] == {"succeeded": 4, "failed": 0, "failures": []}
    assert sorted(filed.listed()) == sorted(EXPECTED)
    assert filed.find("in/p/c.png")["mime_type"] == "image/png"
    assert filed.s3.list_multipart_uploads(Bucket=filed.name).get("Uploads", []) == []


def test_a_file_that_is_an_archive_is_unpacked_and_stays(filed: Filed) -> None:
    filed.put("x.tar.gz", tar_of({name: FILES[name] for name in FILES if name != "p/"}, "w:gz"))
    told = ended(filed.owner, of_stored(filed, "x.tar.gz").json()["id"])
    assert told["result"]["succeeded"] == 4, told
    assert sorted(filed.listed()) == sorted([*EXPECTED, "x.tar.gz"])
    assert filed.s3.get_object(Bucket=filed.name, Key="in/ä/b.bin")["Body"].read() == LONG
    again = ended(filed.owner, of_stored(filed, "x.tar.gz").json()["id"])
    assert {failure["error_code"] for failure in again["result"]["failures"]} == {"FILE_ALREADY_EXISTS"}
    assert again["result"]["failed"] == 4


def test_what_is_no_archive_fails_and_what_may_not_be_put_is_reported(filed: Filed) -> None:
    filed.put("no.zip", LONG)
    told = ended(filed.owner, of_stored(filed, "no.zip").json()["id"])
    assert (told["state"], told["error"]["error_code"]) == ("failed", "VALIDATION_ERROR")
    deny = statement("Deny", Action="s3:PutObject", Resource=f"arn:aws:s3:::{filed.name}/in/a")
    filed.s3.put_bucket_policy(Bucket=filed.name, Policy=document(deny))
    filed.put("yes.zip", zip_of({"a": b"1", "b": b"2"}))
    told = ended(filed.owner, of_stored(filed, "yes.zip").json()["id"])
    assert [failure["error_code"] for failure in told["result"]["failures"]] == ["PERMISSION_DENIED"]
    assert told["result"]["succeeded"] == 1


def test_what_has_failed_is_tried_again_by_who_asked_for_it_and_admins(filed: Filed) -> None:
    filed.put("no.zip", LONG)
    first = ended(filed.owner, of_stored(filed, "no.zip").json()["id"])
    path = f"/jobs/{first['id']}/retry"
    for who, refused in (("nobody", 401), ("stranger", 404), ("auditor", 403)):
        assert filed.ask(who, "POST", path)[0] == refused
    for who in ("owner", "admin"):
        again = filed.people[who].ask("POST", path).json()
        assert (again["state"], again["error"], again["attempts"]) == ("queued", None, 0)
        told = ended(filed.owner, first["id"])
        assert (told["state"], told["error"], told["attempts"]) == ("failed", first["error"], 1)
        assert told["begun_at"] > first["begun_at"]
    lines = filed.people["admin"].ask("GET", "/audit", params={"resource": first["id"]}).json()["items"]
    assert [line["action"] for line in lines] == ["job.retry", "job.retry", "job.create"]
    done = of_stored(filed, "no.zip").json()["id"]
    filed.owner.ask("POST", f"/jobs/{done}/cancel")
    if ended(filed.owner, done)["state"] == "cancelled":
        assert filed.ask("owner", "POST", f"/jobs/{done}/retry") == (409, "CONFLICT")


def test_a_job_for_which_an_archive_was_sent_is_not_tried_again_without_it(filed: Filed) -> None:
    answer = unpack(filed, b"PK\x03\x04 and no zip", path="in", as_job="true")
    assert ended(filed.owner, answer.json()["id"])["state"] == "failed"
    again = filed.owner.ask("POST", f"/jobs/{answer.json()['id']}/retry")
    assert (again.status_code, again.json()["detail"]) == (
        409,
        "what was sent for this job is gone: send it again",
    )


def test_a_quota_counts_what_was_sent_while_it_is_kept(filed: Filed) -> None:
    filed.owner.ask("PUT", f"/buckets/{filed.id}", json={"storage_quota": 1_000_000})
    assert filed.ask("owner", "POST", f"/buckets/{filed.id}/unpack", params={"as_job": "true"}, content=LONG * 2) == (
        413,
        "QUOTA_EXCEEDED",
    )
    answer = unpack(filed, zip_of({"a": LONG}), as_job="true")  # the archive fits, and what is in it doesn't beside it
    told = ended(filed.owner, answer.json()["id"])
    assert [failure["error_code"] for failure in told["result"]["failures"]] == ["QUOTA_EXCEEDED"]
    assert filed.owner.ask("GET", f"/buckets/{filed.id}/storage").json()["bytes_left"] == 1_000_000


def test_it_is_for_who_may_put_there_and_read_the_archive(filed: Filed) -> None:
    filed.put("secret/x.zip", zip_of({"a": b"1"}))
    share(filed, "writer", {"permission": "write", "prefix": "a/"})
    body = zip_of({"1": b"1"})
    assert unpack(filed, body, "writer", path="a", as_job="true").status_code == 202
    assert unpack(filed, body, "writer", path="b", as_job="true").status_code in (403, 404)
    assert unpack(filed, body, "stranger", as_job="true").status_code == 404
    assert of_stored(filed, "secret/x.zip", "writer", path="a").status_code == 404
    assert of_stored(filed, "secret/x.zip", "auditor").status_code == 403
