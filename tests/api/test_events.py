"""Events as they happen: what a stream tells of objects, to whom, and how it is gone on with."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from s3gw.cli.command import session
from s3gw.metadata import buckets, outbox, quota_warnings
from tests.api.askers import Person, new_person
from tests.api.files import Filed, people, share, shared_bucket
from tests.api.files import filed as filed
from tests.cli.commands import Ask
from tests.gateways import of_one_server
from tests.servers import RunningServer

WORKERS = 2  # of the server that tests share
__all__ = ["filed", "people", "shared_bucket"]


class Message(NamedTuple):
    """Of server-sent events."""

    id: str
    event: str
    data: Any

    @property
    def told(self) -> tuple[str, str]:
        return self.data["event"], self.data["file_path"]


class Stream:
    """Reads what a stream tells; `last_id` is what a client would go on from."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer, self.last_id = answer, ""
        self._lines = answer.iter_lines()

    def messages(self) -> Iterator[Message]:
        fields: dict[str, str] = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
                continue
            self.last_id = fields.get("id", self.last_id)
            if "data" in fields:
                yield Message(self.last_id, fields.get("event", "message"), json.loads(fields["data"]))
            fields = {}

    def next(self, count: int = 1) -> list[Message]:
        found: list[Message] = []
        for message in self.messages():
            found.append(message)
            if len(found) == count:
                return found
        raise AssertionError(f"it ended after {found}")

    def begin(self) -> None:
        """When this is done, what happens next is told."""
        for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "id":
                self.last_id = value
                return


@contextmanager
def streaming(filed: Filed, person: Person, last_id: str | None = None, **query: Any) -> Iterator[Stream]:
    headers = person.headers | ({} if last_id is None else {"Last-Event-ID": last_id})
    with (
        httpx.Client(base_url=filed.api.base_url, timeout=20) as client,
        client.stream("GET", "/events", headers=headers, params=query) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        stream = Stream(answer)
        if last_id is None:
            stream.begin()
        yield stream


def test_what_becomes_of_objects_is_told_as_it_happens(filed: Filed) -> None:
    with streaming(filed, filed.owner) as stream:
        file = filed.put("a ü/1", b"hello")
        tags = {"TagSet": [{"Key": "k", "Value": "v"}]}
        filed.s3.put_object_tagging(Bucket=filed.name, Key="a ü/1", Tagging=tags)
        filed.s3.delete_object(Bucket=filed.name, Key="a ü/1")
        created, tagged, removed = stream.next(3)
    assert [created.told, tagged.told, removed.told] == [
        ("s3:ObjectCreated:Put", "a ü/1"),
        ("s3:ObjectTagging:Put", "a ü/1"),
        ("s3:ObjectRemoved:Delete", "a ü/1"),
    ]
    assert (created.data["bucket_id"], created.data["bucket"], created.data["file_id"]) == (
        filed.id,
        filed.name,
        file["id"],
    )
    assert (created.data["file_size"], created.data["version_id"], created.event) == (5, None, "message")
    assert len({created.id, tagged.id, removed.id}) == 3


def test_only_what_one_may_list_and_read_is_told(filed: Filed, api: httpx.Client, ask: Ask) -> None:
    share(filed, "prefix-reader", {"permission": "read", "prefix": "a/"})
    share(filed, "writer", {"permission": "write"})
    own = f"own-{uuid.uuid4().hex[:12]}"
    stranger = filed.people["stranger"]
    bucket_id = stranger.ask("POST", "/buckets", json={"name": own}).json()["id"]
    with (
        streaming(filed, stranger) as of_stranger,
        streaming(filed, filed.people["prefix-reader"]) as of_prefix,
        streaming(filed, filed.owner) as of_owner,
    ):
        for key in ("b/1", "a/1", "ab", "a/2"):
            filed.s3.put_object(Bucket=filed.name, Key=key, Body=b"x")
        filed.s3.delete_object(Bucket=filed.name, Key="b/1")
        filed.s3.delete_object(Bucket=filed.name, Key="a/1")
        put = stranger.ask("POST", f"/buckets/{bucket_id}/files", params={"path": "mine"}, content=b"x")
        assert put.status_code == 201
        assert [each.told[1] for each in of_stranger.next()] == ["mine"]
        assert [each.told for each in of_prefix.next(3)] == [
            ("s3:ObjectCreated:Put", "a/1"),
            ("s3:ObjectCreated:Put", "a/2"),
            ("s3:ObjectRemoved:Delete", "a/1"),
        ]
        assert [each.told[1] for each in of_owner.next(6)] == ["b/1", "a/1", "ab", "a/2", "b/1", "a/1"]


def test_who_loses_a_right_is_told_nothing_more(filed: Filed) -> None:
    reader = filed.people["reader"]
    share(filed, "reader", {"permission": "read"})
    own = reader.ask("POST", "/buckets", json={"name": f"own-{uuid.uuid4().hex[:12]}"}).json()["id"]
    with streaming(filed, reader) as stream:
        filed.put("before")
        assert [each.told[1] for each in stream.next()] == ["before"]
        assert filed.owner.ask("DELETE", f"/buckets/{filed.id}/access/{reader.id}").status_code == 204
        filed.put("after")
        reader.ask("POST", f"/buckets/{own}/files", params={"path": "own"}, content=b"x")
        assert [each.told[1] for each in stream.next()] == ["own"]


def test_an_object_that_one_may_list_and_not_read_is_not_told(filed: Filed, api: httpx.Client, ask: Ask) -> None:
    stranger = filed.people["stranger"]
    arn = f"arn:aws:s3:::{filed.name}"
    principal = {"AWS": f"arn:aws:iam::{account_of(filed, stranger)}:root"}
    statements = [
        {"Effect": "Allow", "Principal": principal, "Action": "s3:ListBucket", "Resource": arn},
        {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": f"{arn}/open/*"},
    ]
    policy = {"Version": "2012-10-17", "Statement": statements}
    filed.s3.put_bucket_policy(Bucket=filed.name, Policy=json.dumps(policy))
    with streaming(filed, stranger) as stream:
        filed.put("closed/1")
        filed.put("open/1")
        assert [each.told[1] for each in stream.next()] == ["open/1"]


def account_of(filed: Filed, person: Person) -> str:
    made = person.ask("POST", "/event-targets", json={"name": f"t{uuid.uuid4().hex}", "url": "https://example.com/"})
    return str(made.json()["arn"].split(":")[4])


def test_a_stream_ends_with_its_session(filed: Filed, api: httpx.Client, ask: Ask) -> None:
    person = new_person(api, ask, "streamed")
    bucket = person.ask("POST", "/buckets", json={"name": f"own-{uuid.uuid4().hex[:12]}"}).json()
    with streaming(filed, person) as stream:
        ask("user", "disable", person.name)
        filed.s3.put_object(Bucket=bucket["name"], Key="a", Body=b"x")
        assert list(stream.messages()) == []


def test_a_stream_goes_on_behind_the_last_event_that_came(filed: Filed) -> None:
    query = {"bucket": filed.id}
    with streaming(filed, filed.owner, **query) as stream:
        filed.put("1")
        filed.put("2")
        first, second = stream.next(2)
    filed.put("3")
    for last, expected in ((first, ["2", "3"]), (second, ["3"])):
        with streaming(filed, filed.owner, last.id, **query) as stream:
            assert [each.told[1] for each in stream.next(len(expected))] == expected


def test_an_id_that_no_stream_has_told_begins_with_a_gap(filed: Filed) -> None:
    with streaming(filed, filed.owner, f"{10**17}-{10**17}", bucket=filed.id) as stream:
        (gap,) = stream.next()
        assert (gap.event, gap.data) == ("gap", {})
        filed.put("next")
        assert [each.told[1] for each in stream.next()] == ["next"]


@of_one_server("a node that has read it already tells what is gone from the outbox")
def test_who_comes_back_too_late_hears_of_a_gap(filed: Filed, server: RunningServer) -> None:
    with streaming(filed, filed.owner, bucket=filed.id) as stream:
        filed.put("1")
        (first,) = stream.next()
    for key in "23":
        filed.put(key)
    keep_one_change(server)
    with streaming(filed, filed.owner, first.id, bucket=filed.id) as stream:
        gap, last = stream.next(2)
        assert (gap.event, last.told[1]) == ("gap", "3")


def near(filed: Filed, kind: Any, ref: str, owner_id: str) -> quota_warnings.Near:
    return quota_warnings.Near(kind, ref, "it", None, owner_id, 100, None, 85, 1, told=80, event_level=0)


def test_of_a_quota_its_owner_is_told_and_nobody_else(filed: Filed, server: RunningServer) -> None:
    admin, owner = filed.people["admin"], filed.owner
    share(filed, "manager", {"permission": "admin"})
    with (
        session(Path(server.facts["data"]), server.settings["S3GW_DATABASE_URL"], False) as metadata,
        streaming(filed, owner) as stream,
        streaming(filed, owner, event="s3:ObjectCreated:*", bucket=filed.id) as of_objects,
        streaming(filed, filed.people["manager"]) as of_manager,
        streaming(filed, admin, event="s3gw:Quota:*") as of_admin,
    ):
        bucket = metadata.read(buckets.find, filed.name)
        metadata.write(quota_warnings.tell, near(filed, "bucket", str(bucket.id), owner.id), 80)
        metadata.write(quota_warnings.tell, near(filed, "user", owner.id, owner.id), 80)
        metadata.write(quota_warnings.tell, near(filed, "user", admin.id, admin.id), 95)
        filed.put("last")
        of_bucket, of_user = (message.data for message in stream.next(2))
        assert of_bucket["event"] == of_user["event"] == "s3gw:Quota:Threshold"
        assert (of_bucket["bucket_id"], of_bucket["bucket"]) == (filed.id, filed.name)
        assert (of_user["bucket_id"], of_user["quota"]["kind"]) == (None, "user")
        quota = of_bucket["quota"]
        assert (quota["kind"], quota["threshold"], quota["used_bytes"], quota["max_bytes"]) == ("bucket", 80, 85, 100)
        for others in (of_objects, of_manager):
            assert [message.told[1] for message in others.next()] == ["last"]
        assert [message.data["quota"]["threshold"] for message in of_admin.next()] == [95]
        metadata.write(quota_warnings.forget_gone)


def keep_one_change(server: RunningServer) -> None:
    """As soon as all readers have come to it."""
    ends_at = time.monotonic() + 20
    with session(Path(server.facts["data"]), server.settings["S3GW_DATABASE_URL"], False) as metadata:
        while len(metadata.read(outbox.following, outbox.BEGINNING, 2).rows) > 1:
            assert time.monotonic() < ends_at
            metadata.write(outbox.trim, 100_000, 1)


def test_only_what_is_asked_for_is_told(filed: Filed) -> None:
    other = filed.owner.ask("POST", "/buckets", json={"name": f"other-{uuid.uuid4().hex[:12]}"}).json()["id"]
    events = ["s3:ObjectRemoved:*", "s3:ObjectCreated:Copy"]
    with streaming(filed, filed.owner, bucket=filed.id, prefix="a/", event=events) as stream:
        filed.owner.ask("POST", f"/buckets/{other}/files", params={"path": "a/other"}, content=b"x")
        filed.put("a/1")
        filed.put("b/1")
        filed.s3.copy_object(Bucket=filed.name, Key="a/2", CopySource={"Bucket": filed.name, "Key": "a/1"})
        filed.s3.delete_object(Bucket=filed.name, Key="b/1")
        filed.s3.delete_object(Bucket=filed.name, Key="a/1")
        assert [each.told for each in stream.next(2)] == [
            ("s3:ObjectCreated:Copy", "a/2"),
            ("s3:ObjectRemoved:Delete", "a/1"),
        ]


@pytest.mark.parametrize(
    ("who", "query", "headers", "expected"),
    [
        ("nobody", {}, {}, (401, "AUTHENTICATION_FAILED")),
        ("owner", {"event": "s3:None"}, {}, (422, "VALIDATION_ERROR")),
        ("owner", {"bucket": str(uuid.uuid4())}, {}, (404, "NOT_FOUND")),
        ("stranger", {"bucket": ""}, {}, (404, "NOT_FOUND")),
        ("owner", {}, {"Last-Event-ID": "1"}, (422, "VALIDATION_ERROR")),
        ("owner", {}, {"Last-Event-ID": "9" * 19 + "-1"}, (422, "VALIDATION_ERROR")),
        ("owner", {"prefix": "a\0"}, {}, (422, "VALIDATION_ERROR")),
    ],
)
def test_what_is_no_stream_is_refused(
    shared_bucket: Filed, who: str, query: dict[str, str], headers: dict[str, str], expected: tuple[int, str]
) -> None:
    given = {name: value or shared_bucket.id for name, value in query.items()}
    assert shared_bucket.ask(who, "GET", "/events", params=given, headers=headers) == expected


@of_one_server("each worker of each node allows as many")
def test_a_user_has_five_streams_of_a_worker_at_most(filed: Filed, api: httpx.Client, ask: Ask) -> None:
    """And one whose client has gone leaves its place to another at once."""
    person, url = new_person(api, ask, "greedy"), f"{filed.api.base_url}events"
    with httpx.Client(timeout=20, limits=httpx.Limits(max_connections=None)) as client:
        asked = client.build_request("GET", url, headers=person.headers)
        answers = [client.send(asked, stream=True) for _ in range(WORKERS * 5 + 1)]
        refused = [answer for answer in answers if answer.status_code != 200]
        assert refused and {answer.status_code for answer in refused} == {429}
        assert "Retry-After" in refused[0].headers
        for answer in answers:
            answer.close()
        ends_at = time.monotonic() + 10
        while client.send(asked, stream=True).status_code != 200:
            assert time.monotonic() < ends_at
            time.sleep(0.01)
