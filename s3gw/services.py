"""What a process works with: made once, by app.py, for the doors and the jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s3gw.auth.credentials import Credentials
    from s3gw.blobs.read_pins import ReadPins
    from s3gw.blobs.reader import ContentReader
    from s3gw.blobs.store import BlobStore
    from s3gw.blobs.writer import BodyWriter
    from s3gw.config import Settings
    from s3gw.disks.room import Room
    from s3gw.incarnation import Incarnation
    from s3gw.metadata.database import Database


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    database: Database
    store: BlobStore
    writer: BodyWriter
    reader: ContentReader
    pins: ReadPins
    incarnation: Incarnation
    credentials: Credentials
    room: Room
