"""Where a store keeps things, and what watches the room on those disks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3gw.disks.reserve import Reserve
from s3gw.disks.room import Room
from s3gw.metadata.database_url import database_folder

if TYPE_CHECKING:
    from pathlib import Path

    from s3gw.config import Settings


def blob_folder(settings: Settings) -> Path:
    """Where chunks lie, or where they wait to be sent to a store in the network."""
    return settings.data if settings.blobs is not None else settings.data / "blobs"


def restoring_file(settings: Settings) -> Path:
    """It is there from when a restore begins in the data folder until it has ended, and names the snapshot."""
    return settings.data / "restoring"


def open_room(settings: Settings) -> Room:
    database = database_folder(settings.database_url, settings.data)
    reserves = [Reserve(folder) for folder in reserve_folders(settings)]
    return Room(blob_folder(settings), database, settings.min_free_space, reserves)


def reserve_folders(settings: Settings) -> list[Path]:
    """The folders that have a reserve for a full disk."""
    folders = (settings.data.absolute(), database_folder(settings.database_url, settings.data))
    return list(dict.fromkeys(folder for folder in folders if folder is not None))
