"""When access keys were used last. Requests only note it in memory; it is written beside them, of each key at most once
a minute, however many processes see it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from s3gw.metadata import key_uses
from s3gw.metadata.database import Database, DatabaseUnavailable

_PAUSE, _WITHIN = 5.0, 60.0  # seconds: between two looks, and between two writes of a key
_AT_ONCE = 500  # keys in one transaction
_logger = logging.getLogger("s3gw.server")


class KeyUses:
    """Used on the event loop only. `last`: access key ID → seconds since the epoch, of valid signatures."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._written: dict[str, float] = {}  # those of the last minute
        self.last: dict[str, float] = {}

    @asynccontextmanager
    async def written(self) -> AsyncIterator[None]:
        """Write in the background, and what is left at the end."""
        writing = asyncio.create_task(self._write_until_cancelled())
        try:
            yield
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await self._try_to_write()

    async def _write_until_cancelled(self) -> None:
        while True:
            await asyncio.sleep(_PAUSE)
            await self._try_to_write()

    async def _try_to_write(self) -> None:
        try:
            await self.write()
        except DatabaseUnavailable as error:
            _logger.debug("the last uses of keys can't be written: %s", error)

    async def write(self) -> None:
        """What is due; the rest, and what can't be written, stays for later."""
        if self._database.is_read_only:
            self.last.clear()
        due = {key: at for key, at in self.last.items() if at - self._written.get(key, 0) >= _WITHIN}
        keys = list(due)
        for begin in range(0, len(keys), _AT_ONCE):
            batch = {key: int(due[key] * 1_000_000) for key in keys[begin : begin + _AT_ONCE]}
            await self._database.write(key_uses.note_uses, batch, int(_WITHIN * 1_000_000))
            for key in batch:
                self._written[key] = due[key]
                if self.last.get(key) == due[key]:  # it wasn't used again
                    del self.last[key]
        now = time.time()
        self._written = {key: at for key, at in self._written.items() if now - at < _WITHIN}
