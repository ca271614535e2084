"""The table of kinds: complete, and each handler takes what the runner gives."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

from s3gw.jobs import table
from s3gw.jobs.table import KINDS, Kind
from s3gw.metadata.job_kinds import Priority


async def handle(services: Any, payload: Any, progress: Any) -> None:
    pass


@pytest.mark.parametrize("name", KINDS)
def test_a_handler_is_a_coroutine_function_of_services_payload_and_progress(name: str) -> None:
    assert inspect.iscoroutinefunction(KINDS[name].handler)
    assert list(inspect.signature(KINDS[name].handler).parameters) == ["services", "payload", "progress"]


@pytest.mark.parametrize(
    "kind",
    [
        Kind(handle, Priority.NEEDED),
        Kind(handle, Priority.NEEDED, every=5, attempts=5),
        Kind(handle, Priority.NEEDED, every=0),
        Kind(handle, Priority.NEEDED, attempts=0),
        Kind(handle, Priority.NEEDED, attempts=1, at_once=0),
        Kind(handle, Priority.NEEDED, attempts=1, everywhere=0),
        Kind(handle, Priority.NEEDED, every=5, in_celery=True),
    ],
    ids=["neither", "both", "never", "no attempts", "no place", "no place anywhere", "periodic in Celery"],
)
def test_an_incomplete_row_fails_at_import(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    source = inspect.getsource(table)
    rows = source.index("KINDS: dict")
    end = source.index("}\n", rows)
    broken = f'{source[:end]}    "broken": _BROKEN,\n{source[end:]}'
    with pytest.raises(ImportError, match="broken"):
        exec(compile(broken, "table.py", "exec"), {**vars(importlib.import_module("s3gw.jobs.table")), "_BROKEN": kind})


def test_a_kind_without_a_priority_that_doors_know_fails_at_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(table.PRIORITIES, "reap")
    with pytest.raises(ImportError, match=r"job_kinds\.py"):
        exec(compile(inspect.getsource(table), "table.py", "exec"), dict(vars(table)))
