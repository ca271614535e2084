"""Opens the store of blobs that the settings say: a folder, or a bucket elsewhere (S3GW_BLOBS); or two of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from s3gw.content.direct_io import DirectIo
from s3gw.content.filesystem import FilesystemStore
from s3gw.content.store_url import FOLDER, parse_store_url
from s3gw.content.two_stores import TwoStores
from s3gw.folders import blob_folder

if TYPE_CHECKING:
    from s3gw.config import Settings
    from s3gw.content.store import BlobStore

_CACHE = "cache"


def open_blob_store(settings: Settings, require_room: Callable[[], None] = lambda: None) -> BlobStore:
    """For an owner who closes it. `require_room` raises OSError when no new chunk shall be begun."""
    first = open_store_at(settings, settings.blobs or FOLDER, require_room)
    if settings.blobs_other is None:
        return first
    return TwoStores(first, open_store_at(settings, settings.blobs_other, require_room))


def open_store_at(settings: Settings, place: str, require_room: Callable[[], None] = lambda: None) -> BlobStore:
    """`place` is a URL, or FOLDER for that of the data folder."""
    if place == FOLDER:
        return FilesystemStore(settings.data / "blobs", require_room, DirectIo(settings.direct_io))
    from s3gw.content.chunk_cache import CachedStore, ChunkCache
    from s3gw.content.object_store import ObjectStore  # with a library that is an extra
    from s3gw.content.remote import RemoteStore

    objects = ObjectStore(parse_store_url(place), settings.blobs_endpoint, settings.blobs_timeout)
    store = RemoteStore(objects, settings.data, require_room)
    if not settings.blobs_cache:
        return store
    return CachedStore(store, ChunkCache(settings.data / _CACHE, settings.blobs_cache, require_room))


def place_of_blobs(settings: Settings) -> str:
    """For people."""
    return settings.blobs or str(blob_folder(settings))
