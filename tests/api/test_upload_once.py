"""Uploads under an Idempotency-Key: stored once, and of another body nothing is."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from s3gw.api import upload_once as module
from s3gw.api.upload_once import Sent, Stored, upload_once
from s3gw.auth.request_digests import RequestDigests
from s3gw.metadata import idempotency_keys
from s3gw.metadata.database import Database
from s3gw.problems import Conflict
from tests.api.files import Filed
from tests.api.files import filed as filed
from tests.api.files import people as people
from tests.api.people import refusal

LONG = os.urandom(1_500_000)
MISMATCH = (422, "IDEMPOTENCY_MISMATCH")


def raw(filed: Filed, key: str, body: Any, **params: str) -> httpx.Response:
    return filed.upload("a", body, params=params, headers={"Idempotency-Key": f"{filed.id}-{key}"})


def form(filed: Filed, key: str, files: list[tuple[str, bytes]], name: str = "files", **fields: str) -> httpx.Response:
    """httpx makes up a boundary for each."""
    parts = [(name, part) for part in files]
    return filed.owner.ask(
        "POST", filed.path, data=fields, files=parts, headers={"Idempotency-Key": f"{filed.id}-{key}"}
    )


def versions(filed: Filed) -> int:
    return len(filed.s3.list_object_versions(Bucket=filed.name).get("Versions", []))


@pytest.fixture
def versioned(filed: Filed) -> Filed:
    """Where each time that something is stored leaves a version."""
    filed.s3.put_bucket_versioning(Bucket=filed.name, VersioningConfiguration={"Status": "Enabled"})
    return filed


def check_replayed(first: httpx.Response, again: httpx.Response) -> None:
    assert (first.status_code, "Idempotent-Replayed" in first.headers) == (201, False), first.text
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true"), again.text
    assert again.json() == first.json()
    assert again.headers.get("ETag") == first.headers.get("ETag")


def test_bytes_that_are_sent_again_are_stored_once(versioned: Filed) -> None:
    key = str(uuid.uuid4())
    first = raw(versioned, key, LONG, overwrite="true")
    check_replayed(first, raw(versioned, key, LONG, overwrite="true"))
    assert versions(versioned) == 1


def test_bytes_of_no_announced_length_are_stored_once(versioned: Filed) -> None:
    def pieces() -> Iterator[bytes]:
        yield LONG[:700_000]
        yield LONG[700_000:]

    check_replayed(*(raw(versioned, "pieces", pieces(), overwrite="true") for _ in range(2)))
    assert versions(versioned) == 1


def test_of_other_bytes_under_the_key_nothing_is_stored(versioned: Filed) -> None:
    assert raw(versioned, "key", LONG, overwrite="true").status_code == 201
    for body, params in ((LONG[:-1] + b"x", {}), (b"short", {}), (LONG, {"overwrite": "false"})):
        assert refusal(raw(versioned, "key", body, **{"overwrite": "true", **params})) == MISMATCH
    assert refusal(form(versioned, "key", [("a", LONG)], overwrite="true")) == MISMATCH
    assert versions(versioned) == 1
    assert versioned.s3.get_object(Bucket=versioned.name, Key="a")["Body"].read() == LONG


@pytest.mark.parametrize("name", ["file", "files"])
def test_a_form_that_is_sent_again_is_stored_once(versioned: Filed, name: str) -> None:
    files = [("a", LONG), ("b", b"")][: 1 if name == "file" else 2]
    first, again = (form(versioned, "form", files, name, overwrite="true") for _ in range(2))
    check_replayed(first, again)
    assert versions(versioned) == len(files)
    for other in ([("a", LONG[1:] + b"x"), *files[1:]], [("x", LONG), *files[1:]]):
        assert refusal(form(versioned, "form", other, name, overwrite="true")) == MISMATCH
    assert refusal(form(versioned, "form", files, name, overwrite="true", tags="{}")) == MISMATCH
    assert versions(versioned) == len(files)


def test_what_was_refused_leaves_the_key_free(filed: Filed) -> None:
    filed.put("a")
    assert refusal(raw(filed, "key", LONG)) == (409, "FILE_ALREADY_EXISTS")
    assert raw(filed, "key", b"other", overwrite="true").status_code == 201


def test_of_twins_one_is_stored_and_the_others_wait_or_are_told_its_answer(versioned: Filed) -> None:
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: raw(versioned, "twins", LONG, overwrite="true"), range(4)))
    assert sum(answer.status_code == 201 and "Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {answer.json()["error_code"] for answer in answers if answer.status_code == 409} <= {"CONFLICT"}
    assert versions(versioned) == 1


def test_what_is_no_key_is_refused(filed: Filed) -> None:
    assert refusal(raw(filed, "two words", b"x")) == (422, "VALIDATION_ERROR")
    assert filed.listed() == []


@pytest.mark.anyio
async def test_an_upload_that_lasts_keeps_its_key(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that it does: whoever comes long after it began is told to wait."""
    monkeypatch.setattr(module, "_RENEW", 0.02)
    monkeypatch.setattr(idempotency_keys, "_LONGEST_RUN", 300_000)
    services: Any = SimpleNamespace(database=database, request_digests=RequestDigests(bytes(32)))
    scope = {"type": "http", "method": "POST", "path": "/x", "query_string": b"", "scheme": "http", "server": ("s", 1)}
    request = Request({**scope, "headers": [(b"idempotency-key", b"key")]})
    ends = asyncio.Event()

    async def store() -> Stored:
        await ends.wait()
        return Stored(SimpleNamespace(model_dump=lambda mode: {}), Sent((), ()))  # type: ignore[arg-type]

    async def read() -> Sent:
        return Sent((), ())

    async def ask() -> Any:
        return await upload_once(services, "user", request, "POST /x", [], store, read)

    running = asyncio.create_task(ask())
    await asyncio.sleep(0.5)
    with pytest.raises(Conflict):
        await asyncio.wait_for(ask(), 5)
    ends.set()
    assert isinstance(await running, Stored)
    assert (await ask()).headers["Idempotent-Replayed"] == "true"


@pytest.mark.anyio
async def test_a_repeat_is_answered_when_another_master_key_counts(database: Database) -> None:
    """By a process that was started since, and never knew the old one."""
    scope = {"type": "http", "method": "POST", "path": "/x", "query_string": b"", "scheme": "http", "server": ("s", 1)}
    request, sent = Request({**scope, "headers": [(b"idempotency-key", b"key")]}), Sent((("path", "a"),), ())

    async def store() -> Stored:
        return Stored(SimpleNamespace(model_dump=lambda mode: {}), sent)  # type: ignore[arg-type]

    async def read() -> Sent:
        return sent

    answers = []
    for key in (bytes(32), bytes(31) + b"1"):
        services: Any = SimpleNamespace(database=database, request_digests=RequestDigests(key))
        answers.append(await upload_once(services, "user", request, "POST /x", [], store, read))
    assert isinstance(answers[0], Stored)
    assert answers[1].headers["Idempotent-Replayed"] == "true"
