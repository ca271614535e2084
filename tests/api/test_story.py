"""The whole of it, once: from registering to the end of the account, as an application and its users go through it."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import socket
import time
import zipfile
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.api.mail_folder import message_to, token_of
from tests.api.people import PASSWORD, Person, new_name
from tests.gateways import of_one_server
from tests.servers import RunningServer

BODY = os.urandom(3 << 20)
TUS = {"Tus-Resumable": "1.0.0"}
SENT = 1_700_000


class Story(NamedTuple):
    server: RunningServer
    api: httpx.Client

    def new_person(self) -> Person:
        name = new_name()
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        assert self.api.post("/users/register", json=body).status_code == 201
        token = token_of(message_to(self.server, body["email"], "Confirm your address"))
        assert self.api.post("/users/verify-email", json={"token": token}).status_code == 204
        return Person(self.api, name)

    def s3_of(self, person: Person) -> Any:
        key = done(person.http.post("/keys", json={"description": "laptop"}), 201)
        return boto3.client(
            "s3",
            endpoint_url=self.server.s3,
            region_name="us-east-1",
            aws_access_key_id=key["access_key_id"],
            aws_secret_access_key=key["secret_access_key"],
            config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
        )

    def break_off(self, person: Person, where: str) -> None:
        """A PATCH of all of it, of which a part is sent before the connection ends."""
        address = urlsplit(self.server.admin)
        lines = {**TUS, **person.bearer, "Host": "x", "Upload-Offset": "0", "Content-Length": str(len(BODY))}
        lines["Content-Type"] = "application/offset+octet-stream"
        head = f"PATCH /api/v1{where} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=60) as peer:
            peer.sendall(head.encode() + b"\r\n" + BODY[:SENT])


def done(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def upload(story: Story, person: Person, bucket: str) -> dict[str, Any]:
    """Broken off, and gone on with over a new connection: whichever worker has it."""
    path = base64.b64encode(b"holidays/sea.bin").decode()
    tags = base64.b64encode(b'{"project": "lighthouse"}').decode()
    said = {**TUS, "Upload-Length": str(len(BODY)), "Upload-Metadata": f"path {path},tags {tags}"}
    answer = person.http.post(f"/buckets/{bucket}/uploads", headers=said)
    assert answer.status_code == 201, answer.text
    where = urlsplit(answer.headers["Location"]).path.removeprefix("/api/v1")
    story.break_off(person, where)
    for _ in range(200):
        offset = int(person.http.request("HEAD", where, headers=TUS).headers["Upload-Offset"])
        if offset == SENT:
            break
        time.sleep(0.05)
    assert offset == SENT
    with httpx.Client(base_url=story.api.base_url, timeout=60) as client:
        headers = {**TUS, **person.bearer, "Content-Type": "application/offset+octet-stream"}
        rest = client.patch(where, content=BODY[SENT:], headers={**headers, "Upload-Offset": str(SENT)})
    assert rest.status_code == 204, rest.text
    found: dict[str, Any] = done(person.http.get(f"/buckets/{bucket}/file", params={"key": "holidays/sea.bin"}))
    assert found["checksum"] == hashlib.sha256(BODY).hexdigest()
    return found


def searched(person: Person, bucket: str, words: str) -> list[str]:
    """As soon as the index has it, within two seconds."""
    for _ in range(40):
        found = done(person.http.get(f"/buckets/{bucket}/search", params={"q": words}))["items"]
        if found:
            break
        time.sleep(0.05)
    return [file["file_path"] for file in found]


def refused(call: Any, **arguments: Any) -> str:
    try:
        call(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


@of_one_server("a proxy drops what it has when its client goes")
def test_from_registering_to_the_end_of_the_account(server: RunningServer, api: httpx.Client, admin: Person) -> None:
    story = Story(server, api)
    ada, bob = story.new_person(), story.new_person()
    s3, name = story.s3_of(ada), f"story-{ada.id[:8]}"
    bucket = done(ada.http.post("/buckets", json={"name": name, "storage_quota": 4 << 20}), 201)["id"]
    files = f"/buckets/{bucket}/files"

    sea = upload(story, ada, bucket)
    assert s3.get_object(Bucket=name, Key="holidays/sea.bin")["Body"].read() == BODY
    assert refused(s3.put_object, Bucket=name, Key="too much", Body=BODY) == "QuotaExceeded"
    s3.put_object(Bucket=name, Key="holidays/hills.txt", Body=b"green", ContentType="text/plain")
    assert searched(ada, bucket, "lighthouse") == ["holidays/sea.bin"]

    download = f"{files}/{sea['id']}/download"
    assert bob.http.get(download).status_code == 404
    done(ada.http.post(f"/buckets/{bucket}/share", json={"username": bob.name, "permission": "read"}), 201)
    assert bob.http.get(download).content == BODY
    assert refused(story.s3_of(bob).put_object, Bucket=name, Key="his", Body=b"") == "AccessDenied"

    link = done(ada.http.post(f"/buckets/{bucket}/links", json={"file_id": sea["id"], "password": "open sesame"}), 201)
    with httpx.Client(timeout=60) as visitor:
        assert visitor.get(f"{link['url']}/download").status_code == 403
        assert visitor.post(link["url"], data={"password": "open sesame"}).status_code == 303
        assert visitor.get(f"{link['url']}/download").content == BODY
        assert done(ada.http.get(f"/links/{link['id']}"))["downloads"] == 1
        done(ada.http.delete(f"/links/{link['id']}"), 204)
        assert visitor.get(f"{link['url']}/download").status_code == 404

    archive = zipfile.ZipFile(
        io.BytesIO(ada.http.get(f"/buckets/{bucket}/archive", params={"prefix": "holidays/"}).content)
    )
    assert archive.testzip() is None
    assert {entry.filename: entry.file_size for entry in archive.infolist()} == {"sea.bin": len(BODY), "hills.txt": 5}

    s3.delete_object(Bucket=name, Key="holidays/sea.bin")
    assert ada.http.get(download).status_code == 404
    assert done(ada.http.post(f"{files}/{sea['id']}/restore"))["id"] == sea["id"]
    assert s3.get_object(Bucket=name, Key="holidays/sea.bin")["Body"].read() == BODY

    told = done(admin.http.get("/audit", params={"actor": ada.name, "per_page": 1000}))["items"]
    actions = {line["action"] for line in told}
    expected = {
        "user.register",
        "user.verify",
        "key.create",
        "bucket.create",
        "grant.create",
        "link.create",
        "link.revoke",
    }
    assert expected <= actions

    done(ada.http.request("DELETE", f"/users/{ada.id}", json={"password": PASSWORD}), 204)
    assert ada.http.get("/users/me").status_code == 401
    assert refused(s3.list_buckets) == "InvalidAccessKeyId"
