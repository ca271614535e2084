"""Objects below a prefix of a bucket: where a backup in an object store lies (remote.py).

The store is opened as one for chunks is (content/object_store.py). Another endpoint than the cloud's is that of
AWS_ENDPOINT_URL, because the settings' is where the chunks of the server are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from s3gw.backup.place import BackupError, NotInBackup
from s3gw.content.store import BlobNotFound, StoreUnavailable
from s3gw.content.store_url import check_store_url, parse_store_url

_TIMEOUT = 120.0  # seconds of a request; one that failed is tried again for half as long
_ALL = 1 << 40  # bytes


class Objects:
    """For all threads. Every method raises BackupError where the store can't be used."""

    def __init__(self, url: str) -> None:
        try:
            place = parse_store_url(check_store_url(url))
        except ValueError as error:
            raise BackupError(f"{url}: a backup is in a folder, or at a URL that {error}") from None
        from s3gw.content.object_store import ObjectStore  # with a library that is an extra

        endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") if place.kind == "s3" else None
        self.url = url
        self._store = ObjectStore(place, endpoint or None, _TIMEOUT)

    def create(self, name: str, data: bytes) -> None:
        """Raises FileExistsError."""
        with self._told(name):
            self._store.create(name, data)

    def replace(self, name: str, data: bytes) -> None:
        with self._told(name):
            self._store.replace(name, data)

    def read(self, name: str) -> bytes:
        """Raises NotInBackup."""
        with self._told(name):
            return bytes(self._store.read(name, _ALL))

    def copy(self, name: str, to: str) -> None:
        """Raises NotInBackup."""
        with self._told(name):
            self._store.copy(name, to)

    def delete(self, name: str) -> None:
        """Nothing happens for what isn't there."""
        with self._told(name):
            self._store.delete([name])

    def names(self, folder: str) -> Iterator[str]:
        """Of all that lies below a folder of names."""
        with self._told(folder):
            yield from self._store.names(folder)

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Our errors in the place of the store's."""
        try:
            yield
        except BlobNotFound:
            raise NotInBackup(f"{name} isn't in the backup") from None
        except (StoreUnavailable, NotImplementedError) as error:
            raise BackupError(f"{self.url} can't be used: {error}") from error
