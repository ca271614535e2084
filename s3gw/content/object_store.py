"""One prefix of a bucket of S3, Google's or Azure's, through obstore: opened by its URL, with our errors and limits.

Credentials come from where obstore looks for them: variables of the environment (AWS_…, GOOGLE_…, AZURE_…), the files
that those name, and the roles of instances; for S3 from the profiles in ~/.aws too. We store none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import obstore
from obstore import exceptions
from obstore.store import AzureStore, GCSStore, S3Store

from s3gw.content.outage import Outage
from s3gw.content.store import BlobCorrupt, BlobNotFound, StoreUnavailable

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

    from s3gw.content.store_url import StoreUrl

_CONNECT = 5.0  # seconds, at most
_LISTED = 1000  # names at once
_LONGEST_REASON = 300
# What a store says of the whole bucket rather than of one object in it.
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")
_BEYOND_END = (
    "416 Range Not Satisfiable",
    "InvalidRange",
    "but object was only",
)  # never a mere 416: names of objects have digits
_UNKNOWN = ("501 Not Implemented",)
_LASTS = timedelta(minutes=5)  # of credentials from a profile, which then are asked for again


class ObjectStore:
    """A request takes `timeout` seconds at most, and obstore begins another one, where the first has failed, within
    half of that. For all threads.
    """

    def __init__(self, url: StoreUrl, endpoint: str | None, timeout: float) -> None:
        self.outage = Outage()
        self._store = _open(url, endpoint, timeout)

    def create(self, name: str, data: bytes) -> None:
        """Raises FileExistsError, and NotImplementedError where the store is known not to tell what exists."""
        with self._told(name):
            obstore.put(self._store, name, data, mode="create", use_multipart=False)

    def replace(self, name: str, data: bytes) -> None:
        with self._told(name):
            obstore.put(self._store, name, data, use_multipart=False)

    def read(self, name: str, most: int) -> memoryview:
        """All of it, or its first `most` bytes. Raises BlobNotFound."""
        with self._told(name):
            found = obstore.get(self._store, name)
            if found.meta["size"] <= most:
                return memoryview(found.bytes())
            return memoryview(obstore.get_range(self._store, name, start=0, length=most))

    def read_range(self, name: str, start: int, length: int) -> memoryview:
        """As many of the bytes as there are, at least one. Raises BlobNotFound, and BlobCorrupt at the end."""
        with self._told(name):
            return memoryview(obstore.get_range(self._store, name, start=start, length=length))

    def size(self, name: str) -> int:
        """Raises BlobNotFound."""
        with self._told(name):
            return int(obstore.head(self._store, name)["size"])

    def copy(self, name: str, to: str) -> None:
        """Within the store; over what is there. Raises BlobNotFound."""
        with self._told(name):
            obstore.copy(self._store, name, to)

    def delete(self, names: Sequence[str]) -> None:
        """In batches where the store has them. Nothing happens for what isn't there."""
        if len(names) == 1:
            self._delete_one(names[0])
            return
        try:
            with self._told(names[0]):
                obstore.delete(self._store, list(names))
        except BlobNotFound:  # Google's and Azure's say so, and leave open of which
            for name in names:
                self._delete_one(name)

    def _delete_one(self, name: str) -> None:
        try:
            with self._told(name):
                obstore.delete(self._store, name)
        except BlobNotFound:
            pass

    def names(self, folder: str) -> Iterator[str]:
        """Of all that lies below a folder of names."""
        with self._told(folder):
            pages = obstore.list(self._store, folder, chunk_size=_LISTED)
        while True:
            with self._told(folder):
                page = next(pages, None)
            if page is None:
                return
            yield from (str(found["path"]) for found in page)

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Our errors in the place of obstore's."""
        with self.outage.call():
            try:
                yield
            except exceptions.AlreadyExistsError:
                raise FileExistsError(name) from None
            except FileNotFoundError as error:
                if any(sign in str(error) for sign in _NO_BUCKET):
                    raise StoreUnavailable("there is no such bucket", again=False) from error
                raise BlobNotFound(name) from None
            except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
                raise StoreUnavailable(_reason(error), again=False) from error
            except exceptions.NotSupportedError as error:
                raise NotImplementedError(_reason(error)) from error
            except (exceptions.BaseError, OSError) as error:
                if any(sign in _reason(error) for sign in _BEYOND_END):
                    raise BlobCorrupt("the object is too short") from None
                if any(sign in _reason(error) for sign in _UNKNOWN):
                    raise NotImplementedError(_reason(error)) from error
                raise StoreUnavailable(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """Its first line: what follows is the same again, as Rust has it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:_LONGEST_REASON]


def _open(url: StoreUrl, endpoint: str | None, timeout: float) -> Any:
    client: ClientConfig = {
        "allow_http": endpoint is not None and endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=min(_CONNECT, timeout / 4)),
        "timeout": timedelta(seconds=timeout),
    }
    retry: RetryConfig = {
        "max_retries": 10,
        "retry_timeout": timedelta(seconds=timeout / 2),
        "backoff": {
            "init_backoff": timedelta(milliseconds=100),
            "max_backoff": timedelta(seconds=min(2.0, timeout / 8)),
            "base": 2,
        },
    }
    given: dict[str, Any] = {"client_options": client, "retry_config": retry, "prefix": url.prefix or None}
    config: Any = {} if endpoint is None else {"base_url" if url.kind == "gs" else "endpoint": endpoint}
    if url.kind == "gs":
        return GCSStore(url.bucket, config=config, **given)
    if url.kind == "az":
        return AzureStore(url.bucket, config=config, **given)
    if "AWS_CHECKSUM_ALGORITHM" not in os.environ:
        config["checksum_algorithm"] = "SHA256"  # the store holds what it gets to it
    return S3Store(url.bucket, config=config, credential_provider=_of_profile(), **given)


def _of_profile() -> Any:
    """Gives the credentials of a profile; None where there is none, or the environment has credentials itself."""
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return None
    file = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()
    if "AWS_PROFILE" not in os.environ and not file.exists():
        return None
    from botocore.session import get_session

    credentials = get_session().get_credentials()
    if credentials is None:
        return None

    def provide() -> dict[str, Any]:
        known = credentials.get_frozen_credentials()
        told = {"access_key_id": known.access_key, "secret_access_key": known.secret_key, "token": known.token}
        return told | {"expires_at": datetime.now(UTC) + _LASTS}

    return provide
