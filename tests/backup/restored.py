"""What was restored, looked at without a server's processes."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from s3gw.metadata.dump import open_dump
from s3gw.metadata.dumped import tables
from tests.backup.load import CLIENTS, state_after
from tests.crash.client import BUCKET, open_gateway

# Of a restored store its own: who it is, what has happened to it, and on PostgreSQL numbers of transactions.
OWN = {"settings", "audit_log", "changes", "change_readers", "usage", "blobs", "jobs"}


def put_master_key(source: Path, data: Path) -> None:
    shutil.copy(source / "master.key", data / "master.key")


async def objects_of(data: Path, url: str | None) -> dict[str, bytes]:
    """Every object of the bucket with its bytes, as the gateway answers them."""
    found = {}
    async with open_gateway(data, database_url=url) as gateway:
        listing = await gateway.request("GET", f"{BUCKET}?list-type=2")
        for key in re.findall(rb"<Key>([^<]*)</Key>", listing.body):
            answer = await gateway.request("GET", f"{BUCKET}/{key.decode()}")
            assert answer.status == 200
            found[key.decode()] = answer.body
    return found


def steps_of(found: dict[str, bytes], first: Sequence[int], last: Sequence[int]) -> list[int | None]:
    """After how many steps of each client this was the state, between these; None: it never was."""
    steps: list[int | None] = []
    for client in range(CLIENTS):
        own = {key: body for key, body in found.items() if key.startswith(f"{client}/")}
        moments = range(first[client], last[client] + 2)  # one may have been written and not acknowledged
        steps.append(next((moment for moment in moments if state_after(client, moment) == own), None))
    return steps


def rows_in(url: str | None, data: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows but those of OWN, and of `blobs` those that count."""
    with tempfile.TemporaryDirectory() as scratch, open_dump(url, data, Path(scratch)) as dump:
        return {table.name: list(dump.rows(table)) for table in tables() if table.name not in OWN}
