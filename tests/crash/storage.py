"""What must be true of a data folder at rest: files and rows match, and every count is right."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy import select

from s3gw import process_identity
from s3gw.app import open_services
from s3gw.config import load_settings
from s3gw.content.stored_chunk import is_intact
from s3gw.jobs.reaper import reap, unlink
from s3gw.jobs.sweep import sweep
from s3gw.metadata import contents, jobs, processes, schema, usage
from s3gw.metadata.blobs import Blob
from s3gw.metadata.contents import MANIFEST, PARTS, Content
from s3gw.metadata.database import Connection
from s3gw.services import Services

_BEAT = 0.02
_ROUNDS = 100


@contextmanager
def quick_heartbeat() -> Iterator[None]:
    """The floor of the reaper follows the heartbeats, which otherwise come every two seconds."""
    with patch.object(process_identity, "BEAT", _BEAT):
        yield


async def clean_up(services: Services) -> None:
    """Sweep, and reap until nothing is released any more."""
    await sweep(services, None, lambda _: None)
    for job in await services.database.read(jobs.list_jobs):
        if job.kind == "unlink":  # of a reaper that was killed between its commit and the files
            await unlink(services, json.loads(job.payload), lambda _: None)
    for _ in range(_ROUNDS):
        await reap(services, None, lambda _: None)
        if not await services.database.read(_count_released):
            return
        await asyncio.sleep(2 * _BEAT)  # until the floor has passed what was released in this round


def _count_released(conn: Connection) -> int:
    queries = [select(table.c.refs).where(table.c.refs == 0) for table in (schema.contents, schema.blobs)]
    return sum(len(conn.execute(query).all()) for query in queries)


async def find_disorder(services: Services) -> list[str]:
    """Everything that is wrong after `clean_up`, in words."""
    rows, wrong = await services.database.scan(_count)
    files = set(services.store.locations())
    if await services.database.read(_count_released):
        wrong.append("what was released isn't reaped")
    wrong += [f"the file {location} has no row" for location in files - {blob.location for blob in rows}]
    wrong += [f"the row of {blob.location} has no file" for blob in rows if blob.location not in files]
    wrong += [f"{blob.location} is corrupt" for blob in rows if not is_intact(services.store, blob)]
    return wrong


def _count(conn: Connection) -> tuple[list[Blob], list[str]]:
    table = schema.contents
    stored: list[Content] = []
    refs: dict[int, int] = {}
    for row in conn.execute(
        select(table.c.id, table.c.form, table.c.size, table.c.layout, table.c.digest, table.c.refs)
    ):
        stored.append(contents.from_row(tuple(row)[:5]))
        refs[row.id] = row.refs
    expected = Counter(row[0] for row in conn.execute(select(schema.objects.c.content_id)) if row[0] is not None)
    for table in (schema.parts, schema.trash):
        expected.update(row[0] for row in conn.execute(select(table.c.content_id)))
    expected.update(row[0] for row in conn.execute(select(schema.previews.c.content_id)) if row[0] is not None)
    blob_refs: Counter[bytes] = Counter()
    for content in stored:
        if content.form == PARTS:
            expected.update(part.content_id for part in content.parts)
        elif content.form == MANIFEST:
            blob_refs.update({extent.digest for extent in content.extents})
    columns = schema.blobs.c
    rows = [
        Blob._make(row)
        for row in conn.execute(select(columns.digest, columns.location, columns.size, columns.refs)).all()
    ]
    wrong = _differences("content", refs, expected)
    wrong += _differences("blob", {blob.digest: blob.refs for blob in rows}, blob_refs)
    return rows, wrong + _miscounted(conn) + _misnamed(conn)


def _miscounted(conn: Connection) -> list[str]:
    ids = conn.execute(select(schema.buckets.c.id)).scalars().all()
    counts = {bucket_id: (usage.of_bucket(conn, bucket_id), usage.count(conn, bucket_id)) for bucket_id in ids}
    return [f"bucket {id_}: {told}, but there is {is_}" for id_, (told, is_) in counts.items() if told != is_]


def _misnamed(conn: Connection) -> list[str]:
    """No two keys are the same file now."""
    table = schema.objects.c
    rows = conn.execute(select(table.file_id, table.is_current)).all()
    current = [row.file_id for row in rows if row.is_current]
    has_each = all(row.file_id is not None for row in rows)
    return [] if has_each and len(current) == len(set(current)) else ["two objects have the same file id, or none"]


def _differences(what: str, found: dict[Any, int], expected: Counter[Any]) -> list[str]:
    return [
        f"{what} {key!r} counts {found.get(key)}, but {expected.get(key)} name it"
        for key in found.keys() | expected.keys()
        if found.get(key) != expected.get(key)
    ]


async def _await_death(services: Services) -> None:
    """Of all others: that a process of a node with another folder has ended is told only by its silence."""
    database, data = services.database, services.settings.data
    for _ in range(300):
        dead = await process_identity.mark_dead_processes(database, data)
        if len(dead) == len(await database.scan(processes.list_processes)) - 1:
            return
        await asyncio.sleep(0.1)


async def _settle(data: Path, database_url: str | None, blobs: Mapping[str, str]) -> list[str]:
    settings = load_settings(data=data, database_url=database_url, **blobs)
    with quick_heartbeat(), patch.object(process_identity, "_SILENCE", 1.0):
        async with open_services(settings, "jobs") as services:
            await _await_death(services)
            await clean_up(services)
            return await find_disorder(services)


def settle(data: Path, database_url: str | None = None, **blobs: str) -> list[str]:
    """Sweep and reap a folder that no server uses; what is wrong then. `blobs`: the settings of a store elsewhere."""
    return asyncio.run(_settle(data, database_url, blobs))
