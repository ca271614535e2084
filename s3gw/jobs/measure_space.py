"""Measures once an hour how many bytes are stored for all objects, and how many of these one version alone needs, and
notes it for the dashboard. It reads each chunk's row in short steps, and no chunk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from s3gw.jobs.pace import paced
from s3gw.metadata import samples, stored_bytes
from s3gw.metadata.stored_contents import Unit

if TYPE_CHECKING:
    from s3gw.storage import Storage

_STEP = 1000  # rows
_MOST_SHARED = (
    250_000  # chunks that are remembered, about 50 MB; where there are more nothing is said of what is exclusive
)


async def measure_space(services: Storage, payload: Any, progress: Callable[[Any], None]) -> None:
    database, rows = services.database, 0
    physical = once = 0
    shared: set[Unit] = set()
    for walk, first in ((stored_bytes.chunks, b""), (stored_bytes.in_rows, 0)):
        place: Any = first
        while place is not None:
            step = await paced(database.scan(walk, place, _STEP))
            place, rows = step.place, rows + step.rows
            physical, once = physical + step.bytes, once + step.once
            if len(shared) <= _MOST_SHARED:
                shared |= step.shared
            progress({"rows": rows})
    is_known = len(shared) <= _MOST_SHARED
    exclusive = max(0, once - sum(unit.size for unit in shared)) if is_known else None
    counted = await database.scan(samples.counted)
    found = counted._replace(physical=physical, exclusive=exclusive)
    await database.write(samples.add, {}, found)
