"""The table of kinds: complete, and each handler takes what the runner gives."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

from s3gw.jobs import table
from s3gw.jobs.table import KINDS, Kind


async def handle(services: Any, payload: Any, progress: Any) -> None:
    pass


@pytest.mark.parametrize("name", KINDS)
def test_a_handler_is_a_coroutine_function_of_services_payload_and_progress(name: str) -> None:
    assert inspect.iscoroutinefunction(KINDS[name].handler)
    assert list(inspect.signature(KINDS[name].handler).parameters) == ["services", "payload", "progress"]


@pytest.mark.parametrize(
    "kind",
    [Kind(handle), Kind(handle, every=5, attempts=5), Kind(handle, every=0), Kind(handle, attempts=0)],
    ids=["neither", "both", "never", "no attempts"],
)
def test_an_incomplete_row_fails_at_import(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    source = inspect.getsource(table)
    rows = source.index("KINDS: dict")
    end = source.index("}\n", rows)
    broken = f'{source[:end]}    "broken": _BROKEN,\n{source[end:]}'
    with pytest.raises(ImportError, match="broken"):
        exec(compile(broken, "table.py", "exec"), {**vars(importlib.import_module("s3gw.jobs.table")), "_BROKEN": kind})
