"""What is decided on one node holds for the very next request on the other: nothing that a worker remembers is trusted.

Each test has the other node know the state before, by requests, so that whatever it remembers is there.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.api.people import PASSWORD
from tests.content.bodies import random_bytes
from tests.gateways import client_of, refusal
from tests.nodes.conftest import Nodes

_numbers = itertools.count()
DENIED = (403, "AccessDenied")
TUS = {"Tus-Resumable": "1.0.0"}


class Person(NamedTuple):
    """Somebody with a key; S3 and the JSON API on both nodes."""

    name: str
    id: str
    key: tuple[str, str]
    s3: Any
    other_s3: Any


@pytest.fixture(scope="module")
def apis(nodes: Nodes) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    one, other = (httpx.Client(base_url=f"{node.admin}/api/v1", timeout=60) for node in nodes[:2])
    with one, other:
        yield one, other


@pytest.fixture
def person(nodes: Nodes) -> Person:
    name = f"person-{next(_numbers)}"
    made = nodes.one.command("user", "create", name, "--password", PASSWORD)
    key = nodes.one.command("key", "create", name)
    pair = key["access_key_id"], key["secret_access_key"]
    return Person(name, made["id"], pair, client_of(nodes.one, pair), client_of(nodes.other, pair))


def log_in(api: httpx.Client, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens_of(api, name)['access_token']}"}


def tokens_of(api: httpx.Client, name: str) -> dict[str, Any]:
    answer = api.post("/users/login", json={"username": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def policy(effect: str, action: str, resource: str, **more: Any) -> str:
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_key_that_was_made_disabled_or_deleted(nodes: Nodes, person: Person) -> None:
    person.s3.create_bucket(Bucket=f"of-{person.name}")
    assert [found["Name"] for found in person.other_s3.list_buckets()["Buckets"]] == [f"of-{person.name}"]
    for change, expected in (("disable", "InvalidAccessKeyId"), ("enable", None), ("delete", "InvalidAccessKeyId")):
        nodes.one.command("key", change, person.key[0])
        if expected is None:
            person.other_s3.list_buckets()
        else:
            assert refusal(person.other_s3.list_buckets) == (403, expected)


def test_a_policy_of_a_bucket_and_one_of_a_key(nodes: Nodes, person: Person, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"v")
    read = {"Bucket": bucket, "Key": "k"}
    assert refusal(person.other_s3.get_object, **read) == DENIED
    resource = f"arn:aws:s3:::{bucket}/*"
    s3.put_bucket_policy(Bucket=bucket, Policy=policy("Allow", "s3:GetObject", resource, Principal="*"))
    assert person.other_s3.get_object(**read)["Body"].read() == b"v"
    s3.delete_bucket_policy(Bucket=bucket)
    assert refusal(person.other_s3.get_object, **read) == DENIED
    own = f"own-{person.name}"
    person.s3.create_bucket(Bucket=own)
    person.other_s3.put_object(Bucket=own, Key="k", Body=b"v")
    deny = nodes.one.data / f"{person.name}.json"
    deny.write_text(policy("Deny", "s3:PutObject", "*"))
    nodes.one.command("policy", "put", "--key", person.key[0], str(deny))
    assert refusal(person.other_s3.put_object, Bucket=own, Key="k", Body=b"w") == DENIED
    nodes.one.command("policy", "delete", "--key", person.key[0])
    person.other_s3.put_object(Bucket=own, Key="k", Body=b"w")


def test_a_grant_and_the_end_of_a_session(
    nodes: Nodes, person: Person, apis: tuple[httpx.Client, httpx.Client]
) -> None:
    one, other = apis
    name = f"friend-{next(_numbers)}"
    friend = nodes.one.command("user", "create", name, "--password", PASSWORD)
    owners, friends = log_in(one, person.name), log_in(one, name)
    made = one.post("/buckets", json={"name": f"granted-{person.name}"}, headers=owners)
    assert made.status_code == 201, made.text
    path = f"/buckets/{made.json()['id']}"
    assert other.get(f"{path}/files", headers=friends).status_code == 404
    shared = one.post(f"{path}/share", json={"user_id": friend["id"], "permission": "read"}, headers=owners)
    assert shared.status_code == 201, shared.text
    assert other.get(f"{path}/files", headers=friends).status_code == 200
    assert one.delete(f"{path}/access/{friend['id']}", headers=owners).status_code == 204
    assert other.get(f"{path}/files", headers=friends).status_code == 404
    link = one.post(f"{path}/links", json={"kind": "folder", "prefix": ""}, headers=owners)
    assert link.status_code == 201, link.text
    there = nodes.other.share + "/" + link.json()["url"].split("/", 3)[3]
    assert httpx.get(there, timeout=20).status_code == 200
    assert one.delete(f"/links/{link.json()['id']}", headers=owners).status_code == 204
    assert httpx.get(there, timeout=20).status_code == 404
    tokens = tokens_of(one, person.name)
    ending = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert other.get("/users/me", headers=ending).status_code == 200
    assert one.post("/users/logout", json={"refresh_token": tokens["refresh_token"]}).status_code == 204
    assert other.get("/users/me", headers=ending).status_code == 401


def test_wrong_passwords_count_on_all_nodes_together(
    nodes: Nodes, person: Person, apis: tuple[httpx.Client, httpx.Client]
) -> None:
    wrong = {"username": person.name, "password": "not the password"}
    statuses = [apis[number % 2].post("/users/login", json=wrong).status_code for number in range(12)]
    assert statuses == [401] * 10 + [429] * 2


def test_a_quota_and_rules_of_web_pages(nodes: Nodes, s3: Any, other_s3: Any, bucket: str) -> None:
    other_s3.put_object(Bucket=bucket, Key="k", Body=b"12345")
    nodes.one.command("quota", "set", "--bucket", bucket, "--bytes", "8")
    with pytest.raises(ClientError, match="QuotaExceeded"):
        other_s3.put_object(Bucket=bucket, Key="l", Body=b"12345")
    nodes.one.command("quota", "set", "--bucket", bucket, "--bytes", "none")
    other_s3.put_object(Bucket=bucket, Key="l", Body=b"12345")
    asked = {"Origin": "https://page.example", "Access-Control-Request-Method": "GET"}
    assert httpx.options(f"{nodes.other.s3}/{bucket}/k", headers=asked).status_code == 403
    rules = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://page.example"]}]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    assert httpx.options(f"{nodes.other.s3}/{bucket}/k", headers=asked).status_code == 200
    s3.delete_bucket_cors(Bucket=bucket)
    assert httpx.options(f"{nodes.other.s3}/{bucket}/k", headers=asked).status_code == 403


def test_of_writers_on_both_nodes_who_want_to_be_first_one_is(nodes: Nodes, bucket: str) -> None:
    clients = [client_of(node) for node in nodes[:2] for _ in range(4)]

    def put(number: int) -> int:
        try:
            clients[number].put_object(Bucket=bucket, Key="k", Body=b"%d" % number, IfNoneMatch="*")
        except ClientError as error:
            return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
        return 200

    with ThreadPoolExecutor(len(clients)) as threads:
        statuses = list(threads.map(put, range(len(clients))))
    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 409, 412}


def test_an_upload_in_parts_and_one_that_resumes_go_on_at_the_other_node(
    nodes: Nodes, person: Person, apis: tuple[httpx.Client, httpx.Client]
) -> None:
    name, pieces = f"uploads-{person.name}", [random_bytes(5 << 20), random_bytes(5 << 20), b"end"]
    headers = log_in(apis[0], person.name)
    made = apis[0].post("/buckets", json={"name": name}, headers=headers)
    assert made.status_code == 201, made.text
    clients = (person.s3, person.other_s3)
    upload = person.s3.create_multipart_upload(Bucket=name, Key="parts")["UploadId"]
    where = {"Bucket": name, "Key": "parts", "UploadId": upload}
    parts = [
        {"PartNumber": n, "ETag": clients[n % 2].upload_part(**where, PartNumber=n, Body=piece)["ETag"]}
        for n, piece in enumerate(pieces, 1)
    ]
    person.other_s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    assert person.s3.get_object(Bucket=name, Key="parts")["Body"].read() == b"".join(pieces)
    metadata = f"path {base64.b64encode(b'resumed').decode()}"
    begun = apis[0].post(
        f"/buckets/{made.json()['id']}/uploads",
        headers={**headers, **TUS, "Upload-Length": str(sum(map(len, pieces))), "Upload-Metadata": metadata},
    )
    assert begun.status_code == 201, begun.text
    path = "/" + begun.headers["Location"].partition("/api/v1/")[2]
    sent = 0
    for number, piece in enumerate(pieces):
        more = {"Upload-Offset": str(sent), "Content-Type": "application/offset+octet-stream"}
        told = apis[number % 2].patch(path, content=piece, headers={**headers, **TUS, **more})
        assert told.status_code == 204, told.text
        sent += len(piece)
    whole = person.other_s3.get_object(Bucket=name, Key="resumed")["Body"].read()
    assert hashlib.sha256(whole).digest() == hashlib.sha256(b"".join(pieces)).digest()


def test_what_was_put_on_one_node_is_read_listed_overwritten_and_deleted_on_the_other(
    nodes: Nodes, s3: Any, other_s3: Any, bucket: str
) -> None:
    for number, (here, there) in enumerate(((s3, other_s3), (other_s3, s3)) * 5):
        key, body = f"k{number}", b"%d" % number
        here.put_object(Bucket=bucket, Key=key, Body=body)
        assert there.get_object(Bucket=bucket, Key=key)["Body"].read() == body
        assert key in {row["Key"] for row in there.list_objects_v2(Bucket=bucket)["Contents"]}
        there.put_object(Bucket=bucket, Key=key, Body=b"new")
        assert here.get_object(Bucket=bucket, Key=key)["Body"].read() == b"new"
        here.delete_object(Bucket=bucket, Key=key)
        assert refusal(there.get_object, Bucket=bucket, Key=key) == (404, "NoSuchKey")


def test_a_request_that_is_sent_again_to_the_other_node_is_done_once(
    nodes: Nodes, person: Person, apis: tuple[httpx.Client, httpx.Client]
) -> None:
    headers = {**log_in(apis[0], person.name), "Idempotency-Key": f"once-{person.name}"}
    body = {"name": f"once-{person.name}"}
    first, again = (api.post("/buckets", json=body, headers=headers) for api in apis)
    assert (first.status_code, again.status_code) == (201, 201), again.text
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.json()["id"] == again.json()["id"]
