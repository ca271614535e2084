"""The dashboard, the settings and the verification of the audit log, as admins and auditors ask for them."""

from __future__ import annotations

import time

import pytest

from tests.api.people import Person
from tests.cli.commands import Ask
from tests.gateways import of_one_server
from tests.servers import ROOT_KEY, RunningServer


@pytest.mark.parametrize(("name", "steps", "seconds"), [("hour", 60, 60), ("day", 72, 1200), ("year", 53, 7 * 86_400)])
def test_the_dashboard_has_a_point_for_each_step(auditor: Person, name: str, steps: int, seconds: int) -> None:
    told = auditor.http.get("/dashboard", params={"range": name}).json()
    assert (len(told["points"]), told["step_seconds"], told["range"]) == (steps, seconds, name)
    assert "blobs" in {disk["disk"] for disk in told["space"]["disks"]}  # PostgreSQL has its own elsewhere
    assert told["space"]["users"] >= 1 and told["waiting"]["jobs_queued"] > 0
    assert auditor.http.get("/dashboard", params={"range": "century"}).status_code == 422


@pytest.mark.soak
def test_what_a_server_answers_is_in_the_next_sample(admin: Person) -> None:
    ends_at, doors = time.monotonic() + 90, set[str]()
    while "api" not in doors and time.monotonic() < ends_at:
        told = admin.http.get("/dashboard").json()
        doors = {door["door"] for door in told["doors"]}
        time.sleep(1)
    assert told["total"]["requests"] > 0 and told["total"]["first_byte"]["p95"] > 0


@of_one_server("its number of workers is that of one server")
def test_settings_are_told_with_their_source_and_without_secrets(admin: Person, server: RunningServer) -> None:
    answer = admin.http.get("/settings")
    told = {one["variable"]: one for one in answer.json()["items"]}
    assert (told["S3GW_WORKERS"]["value"], told["S3GW_WORKERS"]["source"]) == (2, "option")
    assert (told["S3GW_API_RATE_LIMIT"]["value"], told["S3GW_API_RATE_LIMIT"]["source"]) == ("off", "environment")
    assert (told["S3GW_REGION"]["value"], told["S3GW_REGION"]["source"]) == ("us-east-1", "default")
    assert told["S3GW_ROOT_SECRET_ACCESS_KEY"]["value"] == "(set)"
    assert ROOT_KEY[1] not in answer.text and str(server.data.absolute()) in answer.text


def test_the_audit_log_is_verified_also_against_a_head_that_was_kept(auditor: Person, ask: Ask) -> None:
    kept = auditor.http.get("/audit/verification").json()
    assert kept["faults"] == [] and kept["head"].count(":") == 1
    again = auditor.http.get("/audit/verification", params={"head": kept["head"]}).json()
    assert again["faults"] == [] and again["lines"] >= kept["lines"]
    other = f"{kept['head'].partition(':')[0]}:{'0' * 64}"
    if not other.startswith("0:"):
        assert auditor.http.get("/audit/verification", params={"head": other}).json()["faults"] != []
    assert auditor.http.get("/audit/verification", params={"head": "x"}).status_code == 422
