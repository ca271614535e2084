"""Which processes serve, on which machines, and what the reaper has before it: for whoever shows it."""

from __future__ import annotations

from typing import Any, NamedTuple

from s3gw.metadata import measures, processes
from s3gw.metadata.database import Connection


class Nodes(NamedTuple):
    """Some of the `total` processes that live."""

    processes: list[dict[str, Any]]
    total: int
    released: dict[str, int]


def page(conn: Connection, offset: int = 0, limit: int | None = None) -> Nodes:
    return Nodes(processes.seen(conn, offset, limit), processes.count(conn), measures.released(conn))
