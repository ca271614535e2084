"""Objects below a prefix of a bucket, through obstore: where a backup in an object store lies (remote.py).

Credentials, region and endpoint come from where obstore looks for them (AWS_… in the environment, roles of instances).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from s3gw.backup.place import BackupError, NotInBackup

_KINDS = ("s3", "gs", "az")
_TIMEOUT = timedelta(seconds=60)  # of a request
_TRYING = timedelta(seconds=180)  # for how long one that failed is tried again
_LISTED = 1000
_LONGEST_REASON = 300
_INSTALL = "backups in an object store need obstore: pip install 's3gw[remote]'"


class Objects:
    """For all threads. Every method raises BackupError where the store can't be used."""

    def __init__(self, url: str) -> None:
        kind, _, rest = url.partition("://")
        if kind not in _KINDS or not rest.strip("/"):
            raise BackupError(f"{url}: a backup is in a folder, or at s3://BUCKET/PREFIX, gs://… or az://…")
        try:
            import obstore
            from obstore.store import from_url
        except ImportError:
            raise BackupError(_INSTALL) from None
        self.url, self._obstore = url, obstore
        plain = os.environ.get("AWS_ENDPOINT_URL", os.environ.get("AWS_ENDPOINT", "")).startswith("http://")
        options: dict[str, Any] = {
            "client_options": {"allow_http": plain, "timeout": _TIMEOUT},
            "retry_config": {"max_retries": 10, "retry_timeout": _TRYING},
        }
        if kind == "s3" and "AWS_CHECKSUM_ALGORITHM" not in os.environ:
            options["config"] = {"checksum_algorithm": "SHA256"}  # the store holds what it gets to it
        with self._told(url):
            self._store: Any = from_url(url, **options)

    def create(self, name: str, data: bytes) -> None:
        """Raises FileExistsError."""
        with self._told(name):
            self._obstore.put(self._store, name, data, mode="create", use_multipart=False)

    def replace(self, name: str, data: bytes) -> None:
        with self._told(name):
            self._obstore.put(self._store, name, data, use_multipart=False)

    def read(self, name: str) -> bytes:
        """Raises NotInBackup."""
        with self._told(name):
            return bytes(self._obstore.get(self._store, name).bytes())

    def copy(self, name: str, to: str) -> None:
        """Raises NotInBackup."""
        with self._told(name):
            self._obstore.copy(self._store, name, to)

    def delete(self, name: str) -> None:
        """Nothing happens for what isn't there."""
        try:
            with self._told(name):
                self._obstore.delete(self._store, name)
        except NotInBackup:
            pass

    def names(self, folder: str) -> Iterator[str]:
        """Of all that lies below a folder of names."""
        with self._told(folder):
            pages = self._obstore.list(self._store, folder, chunk_size=_LISTED)
        while True:
            with self._told(folder):
                page = next(pages, None)
            if page is None:
                return
            yield from (str(found["path"]) for found in page)

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Our errors in the place of obstore's."""
        exceptions = self._obstore.exceptions
        try:
            yield
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
            raise FileExistsError(name) from None
        except (exceptions.BaseError, OSError, ValueError) as error:
            text = str(error).strip()
            if "NoSuchBucket" in text:
                raise BackupError(f"{self.url} can't be used: there is no such bucket") from None
            if isinstance(error, FileNotFoundError):
                raise NotInBackup(f"{name} isn't in the backup") from None
            reason = (text.splitlines() or [type(error).__name__])[0][:_LONGEST_REASON]
            raise BackupError(f"{self.url} can't be used: {reason}") from error
