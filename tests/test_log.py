"""Log lines: one per request, one line each, without secrets."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from s3gw import log
from s3gw.processes.startup_report import log_line
from s3gw.s3.answer import Answer
from s3gw.wire.request import Request


@pytest.fixture(autouse=True)
def _leave_logging_as_it_was(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    log.flush()  # lines that other tests left
    capsys.readouterr()
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers[:], root.level = before


def answer(**changes: Any) -> Answer:
    async def send(message: Any) -> None:
        raise AssertionError("nothing is sent")

    scope = {
        "type": "http",
        "method": "GET",
        "raw_path": b"/bucket/a%20key",
        "path": "/bucket/a key",
        "query_string": b"X-Amz-Signature=5ec7e7&X-Amz-Security-Token=70ke4",
        "client": ("192.0.2.1", 1234),
        "headers": [(b"authorization", b"AWS4-HMAC-SHA256 Signature=5ec7e7")],
    }
    made = Answer(scope, send)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


async def _log(*answers: Answer) -> None:
    for one in answers:
        log.access(one)
    log.flush()


def test_an_access_line_says_who_asked_for_what_and_what_became_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json", True)
    asyncio.run(_log(answer(operation="GetObject", status=200, bytes_sent=42)))
    line = json.loads(capsys.readouterr().err)
    assert line["client"] == "192.0.2.1"
    assert (line["method"], line["path"], line["operation"]) == ("GET", "/bucket/a%20key", "GetObject")
    assert (line["status"], line["error"], line["bytes"], line["user"]) == (200, "-", 42, "anonymous")
    assert line["aborted"] is None
    assert len(line["request_id"]) == 16


def test_no_line_carries_a_signature_or_a_token(capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("text", "json"):
        log.configure(form, True)
        asyncio.run(_log(answer()))
    lines = capsys.readouterr().err
    assert lines.count("\n") == 2
    assert "5ec7e7" not in lines
    assert "70ke4" not in lines


def test_access_lines_come_without_a_flush(capsys: pytest.CaptureFixture[str]) -> None:
    async def wait() -> None:
        log.access(answer())
        await asyncio.sleep(0.3)

    log.configure("text", True)
    asyncio.run(wait())
    assert "path=/bucket/a%20key " in capsys.readouterr().err


def test_access_lines_can_be_turned_off(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("text", False)
    asyncio.run(_log(answer()))
    assert capsys.readouterr().err == ""


def test_a_message_can_not_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("text", True)
    logging.getLogger("s3gw.test").warning("bucket %s", "a\nlevel=access status=200")
    assert capsys.readouterr().err.count("\n") == 1


def test_a_traceback_is_in_the_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json", True)
    try:
        raise RuntimeError("why")
    except RuntimeError:
        logging.getLogger("s3gw.test").exception("failed")
    line = json.loads(capsys.readouterr().err)
    assert line["message"] == "failed"
    assert "RuntimeError: why" in line["traceback"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_strangers_send_makes_no_line_long(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    long = b"a" * 30_000
    scope = {
        "type": "http", "method": "GET", "raw_path": b"/" + long, "path": "/", "scheme": "http",
        "query_string": b"prefix=" + long + b"&partNumber=" + long + b"&versionId=" + long,
        "client": ("192.0.2.1", 1), "headers": [(b"host", long), (b"user-agent", long)],
    }  # fmt: skip
    log.configure(form, True)
    whole, unread = answer(scope=scope), answer(scope=scope)
    whole.request = Request.from_scope(scope | {"raw_path": b"/bucket"})
    asyncio.run(_log(whole, unread))
    logging.getLogger("s3gw.test").warning("failed: %s", "a" * 30_000)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) < 3000


def test_a_line_of_text_begins_like_all_others(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("text", True)
    asyncio.run(_log(answer()))
    logging.getLogger("s3gw.test").info("something")
    lines = [*capsys.readouterr().err.splitlines(), log_line("text", "info", "something")]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info s3gw\.\w+ ", line) for line in lines)


def test_the_text_of_a_user_agent_can_not_forge_a_field(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("text", True)
    forged = answer()
    forged.scope["headers"].append((b"user-agent", b'x" status=200 "'))
    asyncio.run(_log(forged))
    assert r'agent="x\" status=200 \""' in capsys.readouterr().err
