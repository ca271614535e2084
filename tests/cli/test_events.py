"""`s3gw events tail`: what becomes of objects, printed as it happens."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import Result

from s3gw.cli import events
from s3gw.metadata.outbox import ChangeRow
from tests.cli.commands import command, refusal
from tests.servers import RunningServer

Tail = Callable[..., Result]


@pytest.fixture
def tail(server: RunningServer, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Tail:
    """Something happens when it has begun, and when it was told somebody presses Ctrl+C.

    On PostgreSQL what is committed is told when no older transaction is open, and others may write beside this one.
    """
    run = command("--data", server.facts["data"], "--database-url", server.settings["S3GW_DATABASE_URL"])

    def happen() -> Iterator[None]:
        s3.put_object(Bucket=bucket, Key="a\x1bb", Body=b"hello")
        s3.delete_object(Bucket=bucket, Key="a\x1bb")
        give_up = time.monotonic() + 10
        while told < 2 and time.monotonic() < give_up:
            yield
        raise KeyboardInterrupt

    told, happening, printed = 0, happen(), events._print

    def count(rows: Sequence[ChangeRow], *shown: Any) -> None:
        nonlocal told
        told += sum(row.key == "a\x1bb" for row in rows)
        printed(rows, *shown)

    async def sleep(seconds: float) -> None:
        next(happening)
        await asyncio.sleep(0.01)

    monkeypatch.setattr(events, "_print", count)
    s3.put_object(Bucket=bucket, Key="before", Body=b"x")
    monkeypatch.setattr(events, "asyncio", SimpleNamespace(sleep=sleep))
    return lambda *options: run("events", "tail", *options)


def test_events_are_printed_as_they_happen(tail: Tail, bucket: str) -> None:
    done = tail("--json", "--bucket", bucket)
    assert done.exit_code == 0, done.output
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["event"], each["bucket"], each["key"]) for each in told] == [
        ("s3:ObjectCreated:Put", bucket, "a\x1bb"),
        ("s3:ObjectRemoved:Delete", bucket, "a\x1bb"),
    ]


def test_a_key_moves_no_cursor(tail: Tail, bucket: str) -> None:
    lines = [line for line in tail().stdout.splitlines() if bucket in line]
    assert len(lines) == 2 and "\x1b" not in "".join(lines)


def test_how_much_of_a_quota_is_used_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.dumps({"kind": "user", "name": "ada", "owner_id": "1", "threshold": 80})
    row = ChangeRow(0, 1, 1, 0, "quota", "", "", "", None, 0, "", "", "", "", *(0,) * 7, document)
    events._print([row], {}, True)
    events._print([row], {}, False)
    as_json, line = capsys.readouterr().out.splitlines()
    assert json.loads(as_json)["quota"] == {"kind": "user", "name": "ada", "threshold": 80}
    assert "s3gw:Quota:Threshold" in line and line.endswith("80 %  user ada")


def test_a_bucket_that_is_not_there_is_refused(tail: Tail) -> None:
    assert "no bucket" in refusal(tail("--bucket", "none"))
