"""What is asked for, by whoever: a door makes a Call, perform.py performs it, a handler is given it.

It knows nothing of HTTP, XML or JSON, and holds no logic.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

from s3gw.access.rules import NO_BUCKET_RULES, NO_IDENTITY_RULES, BucketRules, IdentityRules
from s3gw.auth.principal import Principal
from s3gw.content.read_pins import Pin
from s3gw.errors import S3Error
from s3gw.metadata.audit import Actor
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.change import BucketLock, Change, ChangeFacts, Check, KeyLock, Lock, change
from s3gw.metadata.database import Foreseen
from s3gw.metadata.objects import ObjectVersion
from s3gw.metadata.read_objects import Scanned
from s3gw.metadata.uploads import Upload
from s3gw.services import OperationServices

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
    rules: BucketRules = NO_BUCKET_RULES


class ReadAhead(NamedTuple):
    """What was read of the call's object together with its bucket, and the pin that was opened before. The content is
    None where only the row was asked for.
    """

    pin: Pin
    object: Scanned


class Context(Protocol):
    """How a call came, as far as rules may ask for it; each is looked up when one does."""

    @property
    def source_ip(self) -> str | None: ...
    @property
    def is_secure(self) -> bool: ...
    @property
    def tls_version(self) -> str | None:
        """1.2 | 1.3; None where another server ended TLS."""

    @property
    def user_agent(self) -> str | None: ...
    @property
    def referer(self) -> str | None: ...
    @property
    def signature_version(self) -> str | None:
        """AWS4-HMAC-SHA256 | AWS"""

    @property
    def signature_age(self) -> int | None:
        """In milliseconds."""

    @property
    def auth_type(self) -> str | None:
        """REST-HEADER | REST-QUERY-STRING | POST"""

    @property
    def content_sha256(self) -> str | None: ...


class GivenContext(NamedTuple):
    """What is known without a request."""

    source_ip: str | None = None
    is_secure: bool = False
    user_agent: str | None = None
    referer: str | None = None
    signature_version: str | None = None
    signature_age: int | None = None
    auth_type: str | None = None
    content_sha256: str | None = None
    tls_version: str | None = None


NO_CONTEXT = GivenContext()


# Given the change and what makes it; gives what that gives.
Around = Callable[[Change, Callable[[], Any]], Any]


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
    `may(key, named)` asks about one more key of an operation on many; `named` has the members that are about it alone.
    It raises AccessDenied, or gives what is to be asked where an entity tag is compared with that of what is there.
    `identity` and `rules` are those about the principal and the bucket. `creates_object`: what it writes is an object
    when it is done, unlike a part of one. `checks` are questions that only the row of the object answers
    (authorize.py): a handler that reads it calls `check`, one that changes it has the Change do so. `only_granted`: a
    list is to have only what the principal was granted. `door` is what the audit log tells: s3 | api.
    `operation` is AWS's name of it. `ahead`, and `foreseen` of its first change, are there where a round trip was to be
    saved. `around` is run in each transaction that changes something, and runs the change itself: a door compares there
    what it was told to compare.
    """

    services: OperationServices
    principal: Principal
    input: Input
    request_id: str
    now: int  # microseconds since the epoch
    body: Body | None = None
    document: Document | None = None
    problem: S3Error | None = None
    bucket: Bucket | None = None
    source: Source | None = None
    may: Callable[[str, Mapping[str, str]], Check] | None = None
    context: Context = NO_CONTEXT
    identity: IdentityRules = NO_IDENTITY_RULES
    rules: BucketRules = NO_BUCKET_RULES
    creates_object: bool = True
    checks: dict[str, Check] = field(default_factory=dict)
    checked: set[str] = field(default_factory=set)
    only_granted: bool = False
    door: str = "s3"
    operation: str = ""
    ahead: ReadAhead | None = None
    foreseen: tuple[Foreseen, ...] = ()
    around: Around | None = None

    def check(self, on: str, found: ObjectVersion | Upload | None) -> None:
        """Whether the call may be about this version of its object or source, or this upload (`on`: object, source,
        upload). Raises AccessDenied.
        """
        if on in self.checks:
            self.checks[on](found)
            self.checked.add(on)

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

    @property
    def scan_policy(self) -> str:
        """Of its bucket: off | serve | hold."""
        return self.scan_policy_of(self.the_bucket)

    def scan_policy_of(self, bucket: Bucket) -> str:
        return bucket.scan_policy or self.services.settings.scan

    def key_lock(self, key: str) -> KeyLock:
        return KeyLock(self.the_bucket.id, key)

    @property
    def bucket_lock(self) -> BucketLock:
        return BucketLock(self.the_bucket.name)

    @property
    def owner_of_new(self) -> str:
        """Whose what the call writes is: the account's that writes, or the bucket owner's ("Object Ownership")."""
        account = self.principal.account_owner_id  # "" of nobody
        return account if account and self.rules.has_acls else self.the_bucket.owner_id

    def actor(self) -> Actor:
        """As the audit log tells of who asks."""
        user, address = self.principal, self.context.source_ip or ""
        return Actor(user.user_id, user.name, self.door, address, self.request_id)

    async def change(
        self, locks: Collection[Lock], fn: Callable[Concatenate[Change, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `fn` as one transaction on the bucket; what it returns or raises arrives when that is durable."""
        whose = self.the_bucket.id, self.actor(), self.owner_of_new, self.now
        foreseen, self.foreseen = self.foreseen, ()
        facts = ChangeFacts(*whose, self.checks, self.operation, self.scan_policy == "hold", foreseen)
        run = fn if self.around is None else _inside(self.around, fn)
        outcome = await change(self.services.database, facts, locks, run, *args, **kwargs)
        self.checked.update(self.checks)  # a change without them fails
        return outcome


def _inside(around: Around, fn: Callable[Concatenate[Change, P], T]) -> Callable[Concatenate[Change, P], T]:
    def run(change: Change, /, *args: P.args, **kwargs: P.kwargs) -> T:
        outcome: T = around(change, lambda: fn(change, *args, **kwargs))
        return outcome

    return run


Handler = Callable[[Call, Any], Awaitable[Output]]
