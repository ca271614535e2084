"""Keeps the reserves of the disks (disks/reserve.py) filled as long as there is room for them.

Not a row of the table of jobs: each machine has disks of its own, and a full one can't lease a job.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from s3gw.disks.faults import in_words
from s3gw.disks.reserve import Reserve
from s3gw.disks.room import floor_of

PAUSE, LONGEST_PAUSE = 5.0, 60.0  # seconds; longer after each attempt that a quota ended
_logger = logging.getLogger("s3gw.jobs")


async def keep_reserve(folders: list[Path], floor: int | None) -> None:
    """Run until cancelled. `floor` is the setting: 0 says that nothing is kept free, so there is no reserve either."""
    pause = PAUSE
    while floor != 0:
        try:
            for folder in folders:
                await asyncio.to_thread(_fill, folder, floor)
            pause = PAUSE
        except OSError as error:
            _logger.warning("the reserve can't be filled: %s", in_words(error))
            pause = min(LONGEST_PAUSE, 2 * pause)
        await asyncio.sleep(pause)


def _fill(folder: Path, floor: int | None) -> None:
    Reserve(folder).fill(floor_of(folder, floor))
