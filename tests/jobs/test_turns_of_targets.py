"""Where more targets are to be told something than can be at a time, each has its turn."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from s3gw.jobs import deliver_events
from s3gw.jobs.deliver_events import Deliverer
from s3gw.metadata.event_deliveries import Delivery, Outcome
from tests.jobs.conftest import Process

pytestmark = pytest.mark.anyio
_DELIVERY = Delivery(1, "t", 1, "k", "s3:ObjectCreated:Put", "{}", 1, 0)


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
    silent = [f"silent{number}" for number in range(30)]
    deliverer.begin(silent)
    await asyncio.sleep(0)
    first = set(served)
    assert len(first) == deliver_events._DOUBTFUL_AT_ONCE
    deliverer.begin([*silent, "good"])
    await asyncio.sleep(0)
    assert set(served) == first
    silence.set()
    while deliverer._serving:  # noqa: ASYNC110
        await asyncio.sleep(0)
    silence.clear()
    deliverer.begin([*silent, "good"])
    await asyncio.sleep(0)
    assert {*silent, "good"} - first <= set(served)
    await deliverer.end()


async def test_who_has_answered_waits_for_none_that_never_did(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[str] = []

    async def serve(deliverer: Deliverer, target_id: str) -> None:
        served.append(target_id)
        await asyncio.Event().wait()

    monkeypatch.setattr(Deliverer, "_serve", serve)
    nobody: Any = None
    monkeypatch.setattr(deliver_events, "open_keyring", lambda settings: nobody)
    deliverer = Deliverer(process.services, nobody)
    told, refused = (Outcome(_DELIVERY, error) for error in (None, "nobody listens"))
    deliverer._note("good", [told])
    deliverer._note("gone", [told])
    deliverer._note("gone", [refused] * deliver_events._TROUBLED)
    silent = [f"silent{number}" for number in range(100)]
    deliverer.begin([*silent, "gone"])
    deliverer.begin([*silent, "gone", "good"])
    await asyncio.sleep(0)
    assert "good" in served and "gone" not in served
    assert len(served) == deliver_events._DOUBTFUL_AT_ONCE + 1
    await deliverer.end()
