"""Puts a process together: services from settings, and the two ASGI applications on top of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from s3gw.auth.credentials import Credentials
from s3gw.auth.master_key import find_master_key
from s3gw.blobs.filesystem import FilesystemStore
from s3gw.blobs.read_pins import ReadPins
from s3gw.blobs.reader import ContentReader
from s3gw.blobs.writer import BodyWriter
from s3gw.context import Services
from s3gw.disks.reserve import Reserve
from s3gw.disks.room import Room
from s3gw.documents import Documents
from s3gw.metadata.database import database_folder, open_database

if TYPE_CHECKING:
    from pathlib import Path

    from s3gw.config import Settings


@dataclass(frozen=True)
class Application:
    s3: Any
    admin: Any


def blob_folder(settings: Settings) -> Path:
    return settings.data / "blobs"


def open_room(settings: Settings) -> Room:
    database = database_folder(settings.database_url, settings.data)
    reserves = [Reserve(folder) for folder in reserve_folders(settings)]
    return Room(blob_folder(settings), database, settings.min_free_space, reserves)


def reserve_folders(settings: Settings) -> list[Path]:
    """Those beside which something is kept for a full disk."""
    folders = (settings.data.absolute(), database_folder(settings.database_url, settings.data))
    return list(dict.fromkeys(folder for folder in folders if folder is not None))


@asynccontextmanager
async def open_services(settings: Settings, role: str) -> AsyncIterator[Services]:
    """Everything a process works with, closed in the opposite order. `role` is worker or jobs."""
    from s3gw.incarnation import open_incarnation

    database = open_database(settings.database_url, settings.data)
    room = open_room(settings)
    try:
        store = FilesystemStore(blob_folder(settings), room.require_for_file)
        pins = ReadPins()
        documents = Documents(settings.upload_memory // 8, settings.max_xml_body, settings.body_timeout)
        async with open_incarnation(database, settings.data, role, pins) as incarnation:
            writer = BodyWriter(
                database,
                store,
                incarnation.name,
                pins,
                inline_limit=settings.inline_limit,
                chunk_size=settings.chunk_size,
                memory=settings.upload_memory - documents.memory,
            )
            reader = ContentReader(database, store)
            credentials = Credentials(find_master_key(settings))
            try:
                yield Services(
                    settings, database, store, writer, reader, pins, incarnation, credentials, documents, room
                )
            finally:
                await writer.close()
                await reader.close()
    finally:
        await database.close()


@asynccontextmanager
async def open_application(settings: Settings) -> AsyncIterator[Application]:
    # The job process needs services too, but not AWS's model and the web framework.
    from s3gw.admin.app import build_admin_app
    from s3gw.gateway import Gateway

    async with open_services(settings, "worker") as services:
        yield Application(Gateway(services), build_admin_app(services.database, blob_folder(settings), services.room))
