"""SIGKILL of the whole process tree in the middle of an upload: it goes on after a restart from what was stored."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.people import PASSWORD, Person
from tests.crash.test_crash import kill_everything
from tests.places import folder_on_disk
from tests.servers import RunningServer, running_server

CONTENT = os.urandom(1 << 20) * 70  # more than is stored by itself
TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


@pytest.mark.soak
def test_an_upload_outlives_a_kill() -> None:
    with folder_on_disk() as folder:
        data = folder / "data"
        with running_server(data) as server:
            server.command("user", "create", "uploader", "--password", PASSWORD)
            server.command("bucket", "create", "uploads", "--owner", "uploader")
            where = begin(server)
            peer = send_and_stall(server, where, CONTENT[:-1000])
            with client(server) as api:
                while offset_of(api, where) < 64 << 20:
                    time.sleep(0.05)
            kill_everything(server, data)
            peer.close()
        with running_server(data) as server, client(server) as api:
            offset = offset_of(api, where)
            assert 64 << 20 <= offset < len(CONTENT)
            headers = {**TUS, "Upload-Offset": str(offset)}
            assert api.patch(where, content=CONTENT[offset:], headers=headers).status_code == 204
            bucket = where.split("/")[2]
            found = api.get(f"/buckets/{bucket}/file", params={"key": "a"}).json()
            assert found["checksum"] == hashlib.sha256(CONTENT).hexdigest()
            assert api.get(f"/buckets/{bucket}/files/{found['id']}/download").content == CONTENT


def client(server: RunningServer) -> httpx.Client:
    base_url = f"{server.admin}/api/v1"
    with httpx.Client(base_url=base_url, timeout=60) as api:
        return httpx.Client(base_url=base_url, timeout=60, headers=Person(api, "uploader").bearer)


def begin(server: RunningServer) -> str:
    bucket = server.command("bucket", "show", "uploads")["id"]
    with client(server) as api:
        said = {"Upload-Length": str(len(CONTENT)), "Upload-Metadata": f"path {base64.b64encode(b'a').decode()}"}
        answer = api.post(f"/buckets/{bucket}/uploads", headers={"Tus-Resumable": "1.0.0", **said})
        assert answer.status_code == 201, answer.text
        return urlsplit(answer.headers["Location"]).path.removeprefix("/api/v1")


def offset_of(api: httpx.Client, where: str) -> int:
    return int(api.head(where, headers={"Tus-Resumable": "1.0.0"}).headers["Upload-Offset"])


def send_and_stall(server: RunningServer, where: str, sent: bytes) -> socket.socket:
    with client(server) as api:
        token = api.headers["Authorization"]
    lines = {**TUS, "Host": "x", "Authorization": token, "Upload-Offset": "0", "Content-Length": str(len(CONTENT))}
    head = f"PATCH /api/v1{where} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    address = urlsplit(server.admin)
    peer = socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=60)
    peer.sendall(head.encode() + b"\r\n" + sent)
    return peer
