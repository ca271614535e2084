"""What each process that keeps the store open has: the database, the blobs and this process's identity.

Opened together and closed in the opposite order. The job process needs no more; app.py adds what serves requests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from s3gw.blob_store import open_blob_store
from s3gw.content.read_pins import ReadPins
from s3gw.folders import open_room
from s3gw.metadata.engines import open_database
from s3gw.process_identity import open_process_identity

if TYPE_CHECKING:
    from s3gw.config import Settings
    from s3gw.content.store import BlobStore
    from s3gw.disks.room import Room
    from s3gw.metadata.database import Database
    from s3gw.process_identity import ProcessIdentity


@dataclass(frozen=True)
class Storage:
    settings: Settings
    database: Database
    store: BlobStore
    pins: ReadPins
    process_identity: ProcessIdentity
    room: Room


@asynccontextmanager
async def open_storage(settings: Settings, role: str) -> AsyncIterator[Storage]:
    """`role` is worker or jobs."""
    database = open_database(settings.database_url, settings.data)
    room = open_room(settings)
    try:
        store = open_blob_store(settings, room.require_for_file)
        try:
            pins = ReadPins()
            async with open_process_identity(database, settings.data, role, pins) as identity:
                yield Storage(settings, database, store, pins, identity, room)
        finally:
            store.close()
    finally:
        await database.close()
