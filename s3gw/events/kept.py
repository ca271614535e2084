"""Connections to targets that are kept while they are used: one for each URL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from s3gw.events.message import PATIENCE

_IDLE = 3 * PATIENCE  # seconds after which one is closed; nobody can still use it then

Connection = TypeVar("Connection")


class _Place(Generic[Connection]):
    def __init__(self) -> None:
        self.lock = asyncio.Lock()  # held while it is opened
        self.connection: Connection | None = None
        self.used_at = 0.0


class Kept(Generic[Connection]):
    """Used on the event loop only."""

    def __init__(
        self,
        open_one: Callable[[str], Awaitable[Connection]],
        is_open: Callable[[Connection], bool],
        close_one: Callable[[Connection], Awaitable[None]],
    ) -> None:
        self._open_one, self._is_open, self._close_one = open_one, is_open, close_one
        self._places: dict[str, _Place[Connection]] = {}

    async def get(self, url: str) -> Connection:
        """One that is open, for as long as telling a message takes."""
        place = self._places.setdefault(url, _Place())
        place.used_at = time.monotonic()
        await self._close_idle(time.monotonic() - _IDLE)
        async with place.lock:
            if place.connection is None or not self._is_open(place.connection):
                place.connection = await self._open_one(url)
            return place.connection

    async def close(self) -> None:
        await self._close_idle(time.monotonic() + 1)

    async def _close_idle(self, before: float) -> None:
        idle = {url: place for url, place in self._places.items() if place.used_at < before}
        self._places = {url: place for url, place in self._places.items() if url not in idle}
        for place in idle.values():
            if place.connection is not None:
                await self._close_one(place.connection)
