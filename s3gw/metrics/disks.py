"""How much room the disks of this machine have, that of the blobs and that of the database."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from s3gw.folders import blob_folder
from s3gw.metadata.database_url import database_folder

if TYPE_CHECKING:
    from s3gw.config import Settings


class Disk(NamedTuple):
    name: str  # blobs | database
    free: int
    size: int


def disks_of(settings: Settings) -> list[Disk]:
    """Those that can be asked: a database or a store in the network has none here. It is for a thread."""
    folders = {"blobs": blob_folder(settings), "database": database_folder(settings.database_url, settings.data)}
    found = []
    for name, folder in folders.items():
        try:
            disk = os.statvfs(folder) if folder is not None else None
        except OSError:
            disk = None
        if disk is not None:
            found.append(Disk(name, disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize))
    return found
