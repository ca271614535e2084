"""A full PostgreSQL under two nodes: what adds rows is 507 on both, what is there is read, and it comes back."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.crash.sockets import eventually
from tests.disks.small_disks import small_disk
from tests.gateways import client_of
from tests.places import folder_on_disk
from tests.postgresql import run_server, unprivileged_user
from tests.raw_requests import send
from tests.servers import RunningServer, running_server

pytestmark = pytest.mark.soak


def _put_until_refused(node: RunningServer, number: int) -> tuple[int, str]:
    """Rows have room in pages that are there already; a table grows when these are full."""
    for step in range(5000):
        answer = send(node, "PUT", f"/kept/{number}-{step}", b"x" * 12_000)
        if answer.status != 200:
            return answer.refusal
    raise AssertionError("nothing was refused")


def test_a_full_tablespace_refuses_new_rows_on_each_node_and_is_served_again_when_there_is_room(tmp_path: Path) -> None:
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "tablespace"))
        place = disk.folder / "of-postgresql"
        place.mkdir()
        if user := unprivileged_user():
            os.chown(place, user["user"], user["group"])
            for folder in (disk.folder, *tmp_path.parents[:2], tmp_path):
                folder.chmod(0o755)
        server = stack.enter_context(contextmanager(run_server)())
        server.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
        server.execute("CREATE DATABASE full_one TEMPLATE template0 TABLESPACE small")
        settings = {"S3GW_DATABASE_URL": server.url("full_one"), "S3GW_MASTER_KEY": "6b" * 32}
        settings |= {"S3GW_BUCKET_DEFAULTS": "classic"}
        folder = stack.enter_context(folder_on_disk())
        second = folder / "second"
        second.mkdir()
        (second / "blobs").symlink_to(folder / "first" / "blobs")
        nodes = [
            stack.enter_context(running_server(place_of, "--workers", "1", **settings))
            for place_of in (folder / "first", second)
        ]
        client_of(nodes[0]).create_bucket(Bucket="kept")
        assert send(nodes[0], "PUT", "/kept/before", b"value").status == 200
        disk.fill()
        refused = [_put_until_refused(node, number) for number, node in enumerate(nodes)]
        assert refused == [(507, "InsufficientStorage")] * 2
        for node in nodes:
            assert send(node, "GET", "/kept/before").body == b"value"
            assert node.get(f"{node.admin}/readyz")[0] == 200
        disk.empty()
        for number, node in enumerate(nodes):
            assert eventually(lambda: send(node, "PUT", f"/kept/after-{number}", b"value").status == 200)  # noqa: B023
            assert eventually(lambda: b'"writing":"ok"' in node.get(f"{node.admin}/readyz")[1])  # noqa: B023
        assert send(nodes[1], "DELETE", "/kept/before").status == 204
