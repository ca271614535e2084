"""The pace of background work that writes in steps: after each it pauses for as long as that took, so that writers of
requests have at least half of the time, and more when they are many.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def paced(step: Awaitable[T]) -> T:
    began_at = time.monotonic()
    outcome = await step
    await asyncio.sleep(time.monotonic() - began_at)
    return outcome
