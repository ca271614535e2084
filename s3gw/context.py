"""What a handler is given: the services of this process and the facts of one request.

`Services` is made once per process (app.py), `Context` once per request (gateway.py). No logic lives here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from s3gw.auth.principal import Principal
from s3gw.metadata.buckets import Bucket
from s3gw.wire.request import Request

if TYPE_CHECKING:
    from s3gw.auth.credentials import Credentials
    from s3gw.auth.payload import VerifyingBody
    from s3gw.blobs.read_pins import ReadPins
    from s3gw.blobs.reader import ContentReader
    from s3gw.blobs.store import BlobStore
    from s3gw.blobs.writer import BodyWriter
    from s3gw.config import Settings
    from s3gw.disks.room import Room
    from s3gw.documents import Documents
    from s3gw.incarnation import Incarnation
    from s3gw.metadata.database import Database

Output = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a process works with."""

    settings: Settings
    database: Database
    store: BlobStore
    writer: BodyWriter
    reader: ContentReader
    pins: ReadPins
    incarnation: Incarnation
    credentials: Credentials
    documents: Documents
    room: Room


@dataclass(slots=True)
class Context:
    """One authenticated and authorized request.

    `bucket` and `source_bucket` (of a copy) are those that were authorized. `allowed` asks the authorizer about one
    more key of the bucket (DeleteObjects). `status` and `headers` are what the answer has beyond the AWS model.
    """

    services: Services
    request: Request
    principal: Principal
    request_id: str
    now: int  # microseconds since the epoch
    bucket: Bucket | None = None
    source_bucket: Bucket | None = None
    body: VerifyingBody | None = None
    allowed: Callable[[str, str], bool] | None = None
    status: int | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def the_bucket(self) -> Bucket:
        assert self.bucket is not None, "the operation's row says that it needs a bucket"
        return self.bucket

    @property
    def the_body(self) -> VerifyingBody:
        assert self.body is not None, "the operation's row says that it reads a body"
        return self.body

    def lock_key(self, key: str, bucket: Bucket | None = None) -> str:
        """The name under which writers of a key take turns (PostgreSQL's advisory lock)."""
        return f"{(bucket or self.the_bucket).id}/{key}"
