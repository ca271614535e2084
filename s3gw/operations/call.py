"""What is asked for, by whoever: a door makes a Call, perform.py performs it, a handler is given it.

It knows nothing of HTTP, XML or JSON, and holds no logic.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

from s3gw.auth.principal import Principal
from s3gw.errors import S3Error
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.change import BucketLock, Change, ChangeFacts, KeyLock, Lock, change
from s3gw.services import Services

if TYPE_CHECKING:
    from s3gw.checksums import Hasher

P = ParamSpec("P")
T = TypeVar("T")
Input = dict[str, Any]
Output = dict[str, Any]


class Body(Protocol):
    """The bytes of an object or part that a client sends."""

    hashers: dict[str, Hasher]  # what must be computed beside the MD5, by algorithm; more may be added

    @property
    def size(self) -> int | None:
        """As announced, in bytes; None where the client left it open."""

    @property
    def has_ended(self) -> bool:
        """Whether all of it was read."""

    @property
    def checksum_algorithm(self) -> str | None:
        """Of the checksum that the client sends along."""

    async def read(self) -> bytes:
        """The next piece, or b"" at the end; raises when the body isn't what the client announced."""

    async def read_into(self, room: memoryview, patience: float) -> int:
        """Fill `room` with what comes next, for `patience` seconds at most; see content/receive.py."""

    def verify(self, md5_hex: str, digests: Mapping[str, bytes]) -> None:
        """Compare what the client announced with the digests of all `hashers`. Raises the S3Error."""


class Source(NamedTuple):
    """The object that is copied from; `version_id` is None where the current version is meant."""

    bucket: Bucket
    key: str
    version_id: str | None


class Document(Protocol):
    """What a request says in its body, beside its head."""

    async def read(self) -> Input:
        """The members; raises what is wrong with it."""


@dataclass(slots=True)
class Call:
    """One operation of an authenticated principal.

    `input` has boto3's member names; those in `document` are added when the call is allowed, and `problem`, what is
    wrong with the request, is told then: AWS answers 403 and 404 first. `bucket`, `source` and `may` are set when the
    call is performed: the buckets were found and authorized (a door that knows the bucket may have set it);
    `may(key, version_id)` asks about one more key of an operation on many.
    """

    services: Services
    principal: Principal
    input: Input
    request_id: str
    now: int  # microseconds since the epoch
    body: Body | None = None
    document: Document | None = None
    problem: S3Error | None = None
    bucket: Bucket | None = None
    source: Source | None = None
    may: Callable[[str, str | None], bool] | None = None

    @property
    def the_bucket(self) -> Bucket:
        assert self.bucket is not None, "the operation's row says that it needs a bucket"
        return self.bucket

    @property
    def the_source(self) -> Source:
        assert self.source is not None, "the operation's row says that it needs a source"
        return self.source

    @property
    def the_body(self) -> Body:
        assert self.body is not None, "the operation's row says that it reads a body"
        return self.body

    def key_lock(self, key: str) -> KeyLock:
        return KeyLock(self.the_bucket.id, key)

    @property
    def bucket_lock(self) -> BucketLock:
        return BucketLock(self.the_bucket.name)

    async def change(
        self, locks: Collection[Lock], fn: Callable[Concatenate[Change, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `fn` as one transaction on the bucket; what it returns or raises arrives when that is durable."""
        facts = ChangeFacts(self.the_bucket.id, self.principal.user_id, self.now, self.request_id)
        return await change(self.services.database, facts, locks, fn, *args, **kwargs)
