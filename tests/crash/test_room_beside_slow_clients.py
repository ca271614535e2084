"""What is deleted is freed while slow clients read and write, but for what a read itself still needs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash.client import BUCKET, Client
from tests.crash.sockets import RawClient, eventually, random_body, stored
from tests.servers import running_server

_WITHIN = 60  # seconds
_READ, _DELETED = random_body(24 << 20), random_body(9 << 20)


def _pins(data: Path) -> int:
    with closing(sqlite3.connect(data / "s3gw.db")) as conn:
        ((count,),) = conn.execute("SELECT count(*) FROM content_pins").fetchall()
    return int(count)


@pytest.mark.soak
def test_slow_clients_keep_only_what_they_read(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_server(data, S3GW_BUCKETS=BUCKET) as server, Client(server.s3) as client:
        for key, body in (("read", _READ), ("deleted", _DELETED), ("stays", _DELETED[:500_000])):
            assert client.request("PUT", f"{BUCKET}/{key}", body).status == 200
        reader, writer = RawClient(server, receive_buffer=32 * 1024), RawClient(server)
        reader.begin("GET", "read")
        writer.begin("PUT", "written", len(_READ))
        writer.send(_READ[: 17 << 20])  # two whole chunks, which are stored already, and the beginning of a third
        before = stored(data)
        for key in ("read", "deleted"):
            assert client.request("DELETE", f"{BUCKET}/{key}").status == 204
        deleted = len(_DELETED) // (8 << 20) + 1
        assert eventually(lambda: stored(data)["blobs"] == before["blobs"] - deleted, within=_WITHIN)
        writer.send(_READ[17 << 20 :])
        assert writer.read_answer()[0] == 200
        assert client.request("GET", f"{BUCKET}/written").body == _READ
        status, body = reader.read_answer()
        assert (status, body == _READ) == (200, True)
        assert client.request("DELETE", f"{BUCKET}/written").status == 204
        assert eventually(lambda: stored(data)["files"] == 1, within=_WITHIN)
        assert eventually(lambda: _pins(data) == 0)
        reader.close()
        writer.close()
