"""The JSON API on a disk that is full: creates are refused, the rest goes on."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from tests.api.documented import HELD
from tests.api.people import PASSWORD, Person, refusal
from tests.disks.small_disks import small_disk
from tests.servers import running_server


@pytest.mark.soak
def test_below_the_floor_creates_are_refused_and_everything_else_goes_on(tmp_path: Path) -> None:
    settings = {"S3GW_MIN_FREE_SPACE": "", "S3GW_ROOT_PASSWORD": PASSWORD}
    with (
        small_disk(tmp_path / "data") as disk,
        running_server(disk.folder, "--workers", "1", **settings) as server,
        httpx.Client(base_url=f"{server.admin}/api/v1", timeout=60, event_hooks=HELD) as api,
    ):
        admin = Person(api, "admin")
        key = admin.http.post("/keys", json={}).json()["access_key_id"]
        disk.fill(leave=1 << 20)
        time.sleep(1.1)  # what was seen of the disk counts for a second
        new = {"username": "person", "email": "person@example.com", "password": PASSWORD}
        assert refusal(api.post("/users/register", json=new)) == (507, "STORAGE_FULL")
        assert refusal(admin.http.post("/keys", json={})) == (507, "STORAGE_FULL")
        health = api.get("/health")
        assert (health.status_code, health.json()["status"], health.json()["writing"]) == (200, "degraded", "full")
        assert Person(api, "admin").http.delete(f"/keys/{key}").status_code == 204
        disk.empty()
        time.sleep(1.1)
        assert api.post("/users/register", json=new).status_code == 201
