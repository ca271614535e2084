"""What is told to Sentry and OpenTelemetry: by their own libraries, from a real server, to servers of the test."""

from __future__ import annotations

import gzip
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from s3gw import telemetry
from s3gw.config import load_settings
from s3gw.s3.answer import Answer
from s3gw.wire.request import Request
from tests.api.people import PASSWORD, Person, register
from tests.gateways import client_of
from tests.servers import RunningServer, environment, running_server

TRACE = "0af7651916cd43dd8448eb211c80319c"
_LIBRARIES = ("sentry_sdk", "opentelemetry.sdk", "opentelemetry.exporter", "celery", "kombu")
_OFF = """
import json, os, sys
from types import SimpleNamespace
from s3gw import telemetry
import s3gw.processes.worker
import s3gw.jobs.process
telemetry.begin(SimpleNamespace(sentry_dsn=None))
from s3gw.api import app
print(json.dumps(sorted(sys.modules)))
"""


class Receiver:
    """Takes what is posted to it, as (path, body)."""

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:
                body = handler.rfile.read(int(handler.headers["Content-Length"]))
                if handler.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                self.got.append((handler.path, body))
                handler.send_response(200)
                handler.send_header("Content-Length", "2")
                handler.end_headers()
                handler.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def of(self, path: str) -> list[bytes]:
        return [body for at, body in list(self.got) if at.startswith(path)]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[RunningServer]:
    settings = {
        "S3GW_SENTRY_DSN": f"http://public@{receiver.address}/1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{receiver.address}",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        "S3GW_BUCKETS": "told",
    }
    with running_server(tmp_path_factory.mktemp("telemetry") / "data", "--workers", "1", **settings) as running:
        yield running


@pytest.fixture(scope="module")
def api(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.admin}/api/v1", timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def person(api: httpx.Client) -> Person:
    return register(api)


def eventually(found: Callable[[], Any]) -> Any:
    for _ in range(300):
        if value := found():
            return value
        time.sleep(0.1)
    raise AssertionError("it doesn't come")


def spoil(server: RunningServer, statement: str, *values: str) -> None:
    """What no door would write."""
    with sqlite3.connect(f"{server.facts['data']}/s3gw.db", timeout=30) as database:
        assert database.execute(statement, values).rowcount == 1


def events(receiver: Receiver) -> list[dict[str, Any]]:
    found = []
    for envelope in receiver.of("/api/1/envelope"):
        _, *lines = envelope.splitlines()
        found += [json.loads(line) for head, line in zip(lines[::2], lines[1::2], strict=False) if b'"event"' in head]
    return found


def spans(receiver: Receiver) -> dict[str, Any]:
    """Those of the trace TRACE, by name."""
    return {span.name: span for span in all_spans(receiver) if span.trace_id.hex() == TRACE}


def all_spans(receiver: Receiver) -> list[Any]:
    found: list[Any] = []
    for body in receiver.of("/v1/traces"):
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = {each.key: each.value.string_value for each in of_resource.resource.attributes}
            assert (resource["service.name"], resource["deployment.environment.name"]) == ("s3gw", "test")
            found += [span for scope in of_resource.scope_spans for span in scope.spans]
    return found


def told_of(span: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


@pytest.mark.soak
@pytest.mark.parametrize("is_traced", [True, pytest.param(False, marks=pytest.mark.soak)])
def test_a_job_is_a_span_that_names_the_request_by_which_it_was_asked_for(
    receiver: Receiver, person: Person, is_traced: bool
) -> None:
    # Before the test that spoils the store, with which the job process can't work.
    made = person.http.post("/buckets", json={"name": f"traced-{is_traced}".lower()}).json()["id"]
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"} if is_traced else {}
    asked = person.http.delete(f"/buckets/{made}", params={"force": "true"}, headers=headers)
    assert asked.status_code == 202
    request = asked.headers["X-Request-Id"]

    def both() -> Any:
        known = all_spans(receiver)
        mine = [span for span in known if told_of(span).get("s3gw.request_id") == request]
        jobs = [span for span in known if span.name == "job delete_bucket" and span.links]
        of_mine = [span for span in jobs if mine and span.links[0].span_id == mine[0].span_id]
        return (mine[0], of_mine[0]) if of_mine else None

    span, job = eventually(both)
    assert job.links[0].trace_id == span.trace_id != job.trace_id
    assert (span.trace_id.hex() == TRACE) == is_traced
    told = told_of(job)
    assert (told["s3gw.job.kind"], told["s3gw.job.outcome"], told["s3gw.job.attempts"]) == ("delete_bucket", "done", 1)


def test_mistakes_on_both_doors_are_told_without_what_was_sent(
    server: RunningServer, receiver: Receiver, api: httpx.Client, person: Person
) -> None:
    s3 = client_of(server)
    s3.put_object(Bucket="told", Key="key", Body=b"5ec7e7-body", Metadata={"name": "value"})
    spoil(server, "UPDATE objects SET user_metadata = '{5ec7e7' WHERE key = ?", "key")
    spoil(server, "UPDATE users SET role = '5ec7e7' WHERE name = ?", person.name)
    with pytest.raises(ClientError) as failed:
        s3.get_object(Bucket="told", Key="key")
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    answer = person.http.put("/users/me".replace("me", person.id), json={"email": "5ec7e7@example.com"})
    assert answer.status_code == 500, answer.text
    ids = {failed.value.response["ResponseMetadata"]["RequestId"], answer.headers["X-Request-Id"]}
    told = eventually(lambda: len(events(receiver)) >= 2 and events(receiver))
    assert len(told) == 2
    assert all(any(request_id in json.dumps(event) for event in told) for request_id in ids)
    for event in told:
        assert event["exception"]["values"][-1]["stacktrace"]["frames"]
        assert event["release"].startswith("s3gw@")
    sent = json.dumps(told)
    for secret in ("5ec7e7", "Signature=", person.tokens["access_token"], PASSWORD):
        assert secret not in sent


def test_refusals_are_no_errors(server: RunningServer, receiver: Receiver, api: httpx.Client) -> None:
    before = len(events(receiver))
    assert api.get("/users/me").status_code == 401
    assert api.post("/users/register", json={}).status_code == 422
    with pytest.raises(ClientError):
        client_of(server).get_object(Bucket="told", Key="none")
    time.sleep(1)
    assert len(events(receiver)) == before


def test_a_request_of_either_door_is_a_span_of_its_trace(
    server: RunningServer, receiver: Receiver, api: httpx.Client
) -> None:
    parent = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    answer = api.get("/health", headers=parent, params={"token": "5ec7e7"})
    assert httpx.get(f"{server.s3}/told/key?X-Amz-Signature=5ec7e7", headers=parent).status_code == 400
    found = eventually(lambda: {"health", "GetObject"} <= spans(receiver).keys() and spans(receiver))
    for name, status in (("health", 200), ("GetObject", 400)):
        span = found[name]
        assert span.parent_span_id.hex() == "b7ad6b7169203331"
        told = {each.key: each.value.string_value or each.value.int_value for each in span.attributes}
        assert (told["http.response.status_code"], told["http.request.method"]) == (status, "GET")
        assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 60e9
    told = {each.key: each.value.string_value for each in found["health"].attributes}
    assert told["s3gw.request_id"] == answer.headers["X-Request-Id"]
    assert b"5ec7e7" not in b"".join(receiver.of("/v1/traces"))


def test_spans_tell_the_bucket_and_no_key(server: RunningServer, receiver: Receiver) -> None:
    parent = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    assert httpx.put(f"{server.s3}/told/5ec7e7-key", headers=parent).status_code == 403
    found = eventually(lambda: spans(receiver).get("PutObject"))
    told = told_of(found)
    assert (told["aws.s3.bucket"], told["s3gw.operation"], told["error.type"]) == ("told", "PutObject", "AccessDenied")
    assert "url.path" not in told and b"5ec7e7" not in b"".join(receiver.of("/v1/traces"))


def test_what_strangers_send_makes_no_span_long() -> None:
    long = b"a" * 30_000
    answered = Answer({"method": "GET", "raw_path": long, "headers": []}, lambda message: None)  # type: ignore[arg-type, return-value]
    answered.request = Request.from_scope(
        {"method": "GET", "scheme": "http", "path": "/", "query_string": b"", "headers": [(b"user-agent", long)]}
    )
    told = telemetry._attributes(answered)
    assert max(len(str(value)) for value in told.values()) == telemetry._LONGEST


@pytest.mark.soak
def test_nothing_of_them_is_loaded_unless_asked_for() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", _OFF], env=environment(), capture_output=True, check=True, timeout=60
    )
    loaded = json.loads(done.stdout)
    assert [name for name in loaded if name.startswith(_LIBRARIES)] == []


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"S3GW_SENTRY_DSN": "http://key@localhost/1"}, "pip install 's3gw[sentry]'"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost"}, "pip install 's3gw[otel]'"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost", "OTEL_SDK_DISABLED": "true"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost", "OTEL_TRACES_EXPORTER": "none"}, None),
        ({}, None),
    ],
)
def test_a_start_without_the_extra_says_what_to_install(
    variables: dict[str, str], says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(telemetry, "find_spec", lambda name: None)  # as where they aren't installed
    told = telemetry.refusal(load_settings())
    assert (told is None) if says is None else (told is not None and says in told)


@pytest.mark.parametrize(("name", "value"), [("S3GW_SENTRY_DSN", "none"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")])
def test_what_can_not_be_used_is_refused_by_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost")
    monkeypatch.setenv(name, value)
    assert str(telemetry.refusal(load_settings())).startswith(name)
