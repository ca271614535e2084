"""Where more targets are to be told something than can be at a time, each has its turn."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from s3gw.jobs import deliver_events
from s3gw.jobs.deliver_events import Deliverer
from tests.jobs.conftest import Process

pytestmark = pytest.mark.anyio


async def test_who_had_no_turn_for_longest_is_first(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[str] = []
    silence = asyncio.Event()

    async def serve(deliverer: Deliverer, target_id: str) -> None:
        served.append(target_id)
        await silence.wait()

    monkeypatch.setattr(Deliverer, "_serve", serve)
    nobody: Any = None  # is told anything
    monkeypatch.setattr(deliver_events, "open_keyring", lambda settings: nobody)
    deliverer = Deliverer(process.services, nobody)
    silent = [f"silent{number}" for number in range(60)]
    deliverer.begin(silent)
    await asyncio.sleep(0)
    first = set(served)
    assert len(first) == deliver_events._TARGETS_AT_ONCE
    silence.set()
    while deliverer._serving:  # noqa: ASYNC110
        await asyncio.sleep(0)
    silence.clear()
    deliverer.begin([*silent, "good"])
    await asyncio.sleep(0)
    assert {*silent, "good"} - first <= set(served)
    await deliverer.end()
