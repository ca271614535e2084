"""A chunk that goes bad under a running server: found, told to admins and auditors, and healed by the same content."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, HTTPClientError

from tests.api.files import Filed, filed, people, shared_bucket  # noqa: F401
from tests.cli.commands import Ask
from tests.gateways import of_one_folder
from tests.servers import RunningServer

PATHS = ("/scrub", "/scrub/damaged", "/scrub/damaged/x-00000001")


def spoil(server: RunningServer, data: bytes) -> str:
    """The location of the file that has these bytes, of which the first is another now."""
    for path in Path(server.facts["data"], "blobs").glob("??/*"):
        if path.read_bytes().startswith(data):
            path.write_bytes(b"!" + path.read_bytes()[1:])
            return path.name
    raise AssertionError("nowhere")


def scrub(filed: Filed, ask: Ask) -> dict[str, Any]:  # noqa: F811
    """What the run told."""
    job = ask("scrub", "run")
    end = time.monotonic() + 30
    while time.monotonic() < end:
        told: dict[str, Any] = filed.people["admin"].ask("GET", f"/jobs/{job['id']}").json()
        if told["state"] not in ("queued", "running"):
            return told
        time.sleep(0.05)
    raise AssertionError("it didn't end")


def read(s3: Any, bucket: str, key: str) -> bytes | None:
    try:
        found: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except (ClientError, HTTPClientError):
        return None
    return found


@of_one_folder
def test_what_goes_bad_is_found_and_named_and_healed_by_an_upload(
    filed: Filed,  # noqa: F811
    ask: Ask,
    server: RunningServer,
    s3: Any,
    bucket: str,
) -> None:
    data = b"-" + os.urandom(100_000)
    s3.put_object(Bucket=bucket, Key="good?\n", Body=data)
    location = spoil(server, data)
    assert read(s3, bucket, "good?\n") is None
    told = scrub(filed, ask)
    assert (told["state"], told["kind"], told["priority"]) == ("done", "scrub", "heavy")
    auditor = filed.people["auditor"]
    status = auditor.ask("GET", "/scrub").json()
    assert status["damaged"] == status["last_run"]["damaged"] == 1 and status["job"] is None
    assert status["last_run"]["bytes"] > 100_000 and status["next_run"] is not None
    (listed,) = auditor.ask("GET", "/scrub/damaged", params={"state": "damaged"}).json()["items"]
    assert (listed["location"], listed["state"], listed["needed_by"]) == (location, "damaged", 1)
    shown = auditor.ask("GET", f"/scrub/damaged/{location}").json()
    (name,) = shown.pop("names")
    assert shown == listed
    assert (name["bucket"], name["key"], name["kind"]) == (bucket, "good?\n", "version")
    assert ask("scrub", "show", location)["names"][0]["key"] == "good?\n"
    assert [one["location"] for one in ask("scrub", "list", "--state", "damaged")] == [location]
    assert (ask("scrub", "status")["damaged"], ask("scrub", "status")["state"]) == (1, "idle")
    s3.put_object(Bucket=bucket, Key="again", Body=data)
    assert read(s3, bucket, "good?\n") == data
    assert ask("scrub", "status")["damaged"] == 0
    healed = auditor.ask("GET", f"/scrub/damaged/{location}").json()
    assert healed["state"] == "healed" and healed["healed_at"] >= healed["found_at"]
    assert Path(server.facts["data"], "blobs", "damaged", location).read_bytes()[:1] == b"!"


@pytest.mark.parametrize(
    ("who", "expected"), [("nobody", (401, "AUTHENTICATION_FAILED")), ("owner", (403, "PERMISSION_DENIED"))]
)
def test_nobody_but_admins_and_auditors_sees_it(
    shared_bucket: Filed,  # noqa: F811
    who: str,
    expected: tuple[int, str],
) -> None:
    for path in PATHS:
        assert shared_bucket.ask(who, "GET", path) == expected


def test_what_is_not_there_is_not_found(filed: Filed) -> None:  # noqa: F811
    assert filed.ask("auditor", "GET", PATHS[2]) == (404, "NOT_FOUND")
    assert filed.ask("auditor", "GET", f"/scrub/damaged/{'x' * 141}") == (422, "VALIDATION_ERROR")
