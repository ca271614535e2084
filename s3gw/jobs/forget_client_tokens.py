"""Deletes client tokens that are a day old by settled_clock.py's clock: no client repeats a request after so long."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from s3gw.jobs.settled_clock import SettledClock
from s3gw.metadata import client_tokens
from s3gw.metadata.database import now

if TYPE_CHECKING:
    from s3gw.storage import Storage

_KEPT = 86_400_000_000  # microseconds
_BATCH = 100
_clock = SettledClock()


async def forget_client_tokens(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    forgotten = 0
    settled = _clock.settle(await services.database.read(now))
    if settled is None:
        return
    while count := await services.database.write(client_tokens.forget, settled - _KEPT, _BATCH):
        forgotten += count
        progress({"tokens": forgotten})
