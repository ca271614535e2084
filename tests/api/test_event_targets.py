"""Targets of events at the JSON API: who may make, see and change them, and what a bucket tells them."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert

from s3gw.cli.command import session
from s3gw.metadata.database import Connection
from s3gw.metadata.schema import event_deliveries
from tests.api.files import Filed, people, shared_bucket
from tests.api.files import filed as filed
from tests.api.people import PASSWORD, refusal
from tests.cli.commands import Ask
from tests.events.receiver import receiving
from tests.servers import RunningServer

__all__ = ["filed", "people", "shared_bucket"]
_numbers = itertools.count()
WHO = ("nobody", "stranger", "member", "owner", "auditor", "admin")
# What each gets of a target of the owner's.
TABLE: dict[str, tuple[int, ...]] = {
    "POST /event-targets": (401, 201, 403, 201, 201, 201),
    "GET /event-targets": (401, 200, 200, 200, 200, 200),
    "GET /event-targets/{target_id}": (401, 404, 200, 200, 200, 200),
    "PUT /event-targets/{target_id}": (401, 404, 403, 200, 403, 200),
    "GET /event-targets/{target_id}/dead": (401, 404, 403, 200, 200, 200),
    "POST /event-targets/{target_id}/retry": (401, 404, 403, 200, 403, 200),
    "POST /event-targets/{target_id}/dead/1/retry": (401, 404, 403, 404, 403, 404),  # it has no such message
    "DELETE /event-targets/{target_id}/dead/1": (401, 404, 403, 404, 403, 404),
    "POST /event-targets/{target_id}/test": (401, 404, 403, 202, 403, 202),
    "DELETE /event-targets/{target_id}": (401, 404, 403, 204, 403, 204),
}
# Of a bucket in which each has what he is called after.
OF_BUCKET: dict[str, dict[str, int]] = {
    "GET": {"nobody": 401, "stranger": 404, "reader": 403, "owner": 200, "auditor": 403, "admin": 200},
    "PUT": {"nobody": 401, "stranger": 404, "writer": 403, "owner": 200, "auditor": 403, "admin": 200},
}
CREATED = ["s3:ObjectCreated:*"]


def new(**more: Any) -> dict[str, Any]:
    return {"name": f"target-{next(_numbers)}", "url": "https://user:pass@example.com/hook?token=t", **more}


def make(filed: Filed, by: str = "owner", **more: Any) -> dict[str, Any]:
    answer = filed.people[by].ask("POST", "/event-targets", json=new(**more))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.fixture(scope="module")
def member(api: httpx.Client, ask: Ask, people: dict[str, Any]) -> dict[str, str]:
    """Headers of a user in the owner's account."""
    name = f"{people['owner'].name}-member"
    ask("user", "create", name, "--account", people["owner"].name, "--password", PASSWORD)
    tokens = api.post("/users/login", json={"username": name, "password": PASSWORD}).json()
    return {"Authorization": f"Bearer {tokens['access_token']}"}


@pytest.mark.parametrize("route", TABLE)
def test_everybody_gets_of_targets_what_the_table_says(
    shared_bucket: Filed, member: dict[str, str], route: str
) -> None:
    method, path = route.split()
    target = make(shared_bucket)
    for who, expected in zip(WHO, TABLE[route], strict=True):
        if who == "auditor" and method == "DELETE":  # the owner has deleted his
            target = make(shared_bucket)
        headers = {"nobody": {}, "member": member}.get(who) if who in ("nobody", "member") else None
        asker = shared_bucket.people[who].headers if headers is None else headers
        body = new() if path == "/event-targets" else {"is_enabled": False}
        more = {"json": body} if method in ("POST", "PUT") and not path.endswith("/retry") else {}
        answer = shared_bucket.api.request(method, path.format(target_id=target["id"]), headers=asker, **more)
        assert answer.status_code == expected, (who, route, answer.text)


@pytest.mark.parametrize("method", OF_BUCKET)
def test_what_a_bucket_tells_is_for_whom_s3_lets(shared_bucket: Filed, method: str) -> None:
    target = make(shared_bucket)["name"]
    more = {"json": {"rules": [{"target": target, "events": CREATED}]}} if method == "PUT" else {}
    for who, expected in OF_BUCKET[method].items():
        status, code = shared_bucket.ask(who, method, f"/buckets/{shared_bucket.id}/notifications", **more)
        assert status == expected, (who, code)


def test_a_secret_is_told_once_and_a_url_never(filed: Filed) -> None:
    made = make(filed)
    assert made["secret"].startswith("whsec_") and made["address"] == "https://example.com/hook"
    path = f"/event-targets/{made['id']}"
    for answer in (filed.owner.ask("GET", path), filed.owner.ask("PUT", path, json={"is_enabled": True})):
        assert answer.json()["secret"] is None and "pass" not in answer.text and "token" not in answer.text
    other = filed.owner.ask("PUT", path, json={"new_secret": True}).json()["secret"]
    assert other.startswith("whsec_") and other != made["secret"]
    moved = filed.owner.ask("PUT", path, json={"url": "http://other.example.com/"}).json()
    assert (moved["address"], moved["secret"], moved["arn"]) == ("http://other.example.com/", None, made["arn"])


def test_what_is_shared_is_an_admins(filed: Filed) -> None:
    assert filed.ask("owner", "POST", "/event-targets", json=new(is_shared=True)) == (403, "PERMISSION_DENIED")
    path = f"/event-targets/{make(filed)['id']}"
    assert filed.ask("owner", "PUT", path, json={"is_shared": True}) == (403, "PERMISSION_DENIED")
    assert filed.ask("admin", "PUT", path, json={"is_shared": True}) == (200, "")
    for method, more in (("PUT", {"json": {"url": "https://example.com/elsewhere"}}), ("DELETE", {})):
        assert filed.ask("owner", method, path, **more) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    "wrong", [{"name": "a b"}, {"name": ""}, {"url": "ftp://example.com/"}, {"url": "https://"}, {"secret": "whsec_"}]
)
def test_what_is_no_target_is_invalid(filed: Filed, wrong: dict[str, str]) -> None:
    assert filed.ask("owner", "POST", "/event-targets", json=new(**wrong)) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("kind", "url"), [("redis", "redis://example.com"), ("amqp", "amqps://u:p@example.com?exchange=e")]
)
def test_targets_of_other_kinds_are_an_admins(filed: Filed, kind: str, url: str) -> None:
    assert filed.ask("owner", "POST", "/event-targets", json=new(url=url)) == (403, "PERMISSION_DENIED")
    made = make(filed, "admin", url=url)
    assert (made["kind"], made["secret"], made["address"]) == (kind, None, url.replace("u:p@", ""))
    path = f"/event-targets/{made['id']}"
    for change in ({"new_secret": True}, {"url": "https://example.com/"}):
        assert filed.ask("admin", "PUT", path, json=change) == (422, "VALIDATION_ERROR")
    path = f"/event-targets/{make(filed)['id']}"
    for who in ("owner", "admin"):
        assert filed.ask(who, "PUT", path, json={"url": url}) == (422, "VALIDATION_ERROR")


def test_a_name_is_taken_once_in_an_account(filed: Filed) -> None:
    name = make(filed)["name"]
    assert filed.ask("owner", "POST", "/event-targets", json=new(name=name)) == (409, "CONFLICT")


def test_a_bucket_tells_what_is_put_here_or_by_s3(filed: Filed) -> None:
    path, target = f"/buckets/{filed.id}/notifications", make(filed)
    rule = {"id": "mine", "target": target["name"], "events": CREATED, "prefix": "a/", "suffix": ".jpg"}
    told = {"rules": [rule | {"target": target["arn"]}]}
    assert filed.owner.ask("PUT", path, json={"rules": [rule]}).json() == told
    assert filed.owner.ask("GET", path).json() == told
    found = filed.s3.get_bucket_notification_configuration(Bucket=filed.name)
    (queue,) = found["QueueConfigurations"]
    assert (queue["Id"], queue["QueueArn"], queue["Events"]) == ("mine", target["arn"], CREATED)
    topic = {"Id": "topic", "TopicArn": target["arn"].replace(":sqs:", ":sns:"), "Events": CREATED}
    configuration = {"TopicConfigurations": [topic]}
    filed.s3.put_bucket_notification_configuration(Bucket=filed.name, NotificationConfiguration=configuration)
    shown = filed.owner.ask("GET", path).json()
    assert [each["target"] for each in shown["rules"]] == [topic["TopicArn"]]
    assert filed.owner.ask("PUT", path, json=shown).json() == shown
    found = filed.s3.get_bucket_notification_configuration(Bucket=filed.name)
    assert found["TopicConfigurations"] == [topic]
    assert filed.owner.ask("PUT", path, json={"rules": []}).json() == {"rules": []}
    assert "TopicConfigurations" not in filed.s3.get_bucket_notification_configuration(Bucket=filed.name)


@pytest.mark.parametrize(
    "wrong",
    [{"target": "none"}, {"target": "arn:aws:sqs"}, {"target": ":"}, {"events": ["s3:None"]}, {"events": []}],
)
def test_rules_that_can_not_be_are_invalid(filed: Filed, wrong: dict[str, Any]) -> None:
    rule = {"target": make(filed)["name"], "events": CREATED} | wrong
    put = filed.ask("owner", "PUT", f"/buckets/{filed.id}/notifications", json={"rules": [rule]})
    assert put == (422, "VALIDATION_ERROR")


def test_a_target_that_a_bucket_names_is_told(filed: Filed) -> None:
    with receiving() as receiver:
        target = make(filed, url=receiver.url)
        rules = {"rules": [{"target": target["name"], "events": CREATED}]}
        assert filed.ask("owner", "PUT", f"/buckets/{filed.id}/notifications", json=rules) == (200, "")
        filed.put("a")
        (record,) = receiver.wait_for(lambda records: len(records) == 1)
        assert record["s3"]["object"]["key"] == "a"


def test_a_target_is_told_a_test_event_of_no_bucket(filed: Filed) -> None:
    with receiving() as receiver:
        target = make(filed, url=receiver.url)
        answer = filed.owner.ask("POST", f"/event-targets/{target['id']}/test")
        assert (answer.status_code, answer.json()["waiting"]) == (202, 1)
        ends_at = time.monotonic() + 30
        while filed.owner.ask("GET", f"/event-targets/{target['id']}").json()["waiting"]:
            assert time.monotonic() < ends_at
            time.sleep(0.05)
        assert [told.document["Event"] for told in receiver.told] == ["s3:TestEvent"]
    lines = filed.people["admin"].ask("GET", "/audit", params={"resource": target["id"]}).json()["items"]
    assert "event_target.test" in {line["action"] for line in lines}


@pytest.fixture
def dead(filed: Filed, server: RunningServer) -> dict[str, Any]:
    """A target that is disabled, and that couldn't be told three events."""
    target = make(filed)
    assert filed.ask("owner", "PUT", f"/event-targets/{target['id']}", json={"is_enabled": False}) == (200, "")
    values = {"target_id": target["id"], "bucket_id": 1, "event": "ObjectCreated:Put", "message": "{}"}
    values |= {"state": "dead", "attempts": 9, "due_at": 0, "created_at": 1, "error": "it answered 500"}

    def add(conn: Connection) -> None:
        for key in ("a", "b", "b"):
            conn.execute(insert(event_deliveries).values(values | {"key": key}))

    with session(Path(server.facts["data"]), server.settings.get("S3GW_DATABASE_URL"), False) as metadata:
        metadata.write(add)
    return target


def test_what_could_not_be_told_is_listed_by_pages_and_told_again(filed: Filed, dead: dict[str, Any]) -> None:
    path = f"/event-targets/{dead['id']}"
    first = filed.owner.ask("GET", f"{path}/dead", params={"per_page": 2}).json()
    assert ([each["key"] for each in first["items"]], first["total"]) == (["a", "b"], 3)
    assert first["items"][0]["error"] == "it answered 500"
    second = filed.owner.ask("GET", f"{path}/dead", params={"per_page": 2, "cursor": first["next_cursor"]}).json()
    assert ([each["key"] for each in second["items"]], second["next_cursor"]) == (["b"], None)
    shown = filed.owner.ask("GET", path).json()
    assert (shown["waiting"], shown["dead"]) == (0, 3)
    assert filed.owner.ask("POST", f"{path}/retry").json() == {"retried": 3}
    shown = filed.owner.ask("GET", path).json()
    assert (shown["waiting"], shown["dead"]) == (3, 0)
    lines = filed.people["admin"].ask("GET", "/audit", params={"per_page": 5}).json()["items"]
    assert "event_target.retry" in [line["action"] for line in lines]


def test_one_thing_that_could_not_be_told_is_told_again_and_another_is_forgotten(
    filed: Filed, dead: dict[str, Any]
) -> None:
    path = f"/event-targets/{dead['id']}"
    one, two, three = (each["id"] for each in filed.owner.ask("GET", f"{path}/dead").json()["items"])
    assert filed.owner.ask("POST", f"{path}/dead/{two}/retry").json() == {"retried": 1}
    assert filed.ask("owner", "DELETE", f"{path}/dead/{three}") == (204, "")
    assert [each["id"] for each in filed.owner.ask("GET", f"{path}/dead").json()["items"]] == [one]
    shown = filed.owner.ask("GET", path).json()
    assert (shown["waiting"], shown["dead"]) == (1, 1)
    for gone in (two, three):
        assert filed.ask("owner", "POST", f"{path}/dead/{gone}/retry") == (404, "NOT_FOUND")
        assert filed.ask("owner", "DELETE", f"{path}/dead/{gone}") == (404, "NOT_FOUND")
    asked = filed.people["admin"].ask("GET", "/audit", params={"resource": dead["id"], "per_page": 2})
    assert [line["action"] for line in asked.json()["items"]] == ["event_target.drop", "event_target.retry"]


def test_what_is_no_cursor_of_the_dead_is_invalid(filed: Filed) -> None:
    target, cursor = make(filed), "MTp4"  # 1:x
    answer = filed.owner.ask("GET", f"/event-targets/{target['id']}/dead", params={"cursor": cursor})
    assert refusal(answer) == (422, "VALIDATION_ERROR")
