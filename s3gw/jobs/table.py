"""The kinds of background work: one row each. An incomplete row fails at import."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from s3gw.jobs.expire_uploads import expire_uploads
from s3gw.jobs.reaper import reap
from s3gw.jobs.sweep import sweep

if TYPE_CHECKING:
    from s3gw.context import Services

Progress = Callable[[Any], None]
Handler = Callable[["Services", Any, Progress], Awaitable[None]]


class Kind(NamedTuple):
    """`every`: seconds between two runs of periodic work, None for what is enqueued by changes."""

    handler: Handler
    attempts: int
    every: float | None = None


KINDS: dict[str, Kind] = {
    "reap": Kind(reap, 20, every=5),
    "sweep": Kind(sweep, 20, every=60),
    "expire_uploads": Kind(expire_uploads, 20, every=3600),
}

for _name, _kind in KINDS.items():
    if _kind.attempts < 1 or (_kind.every is not None and _kind.every <= 0):
        raise ImportError(f"the job {_name} would never run")
