"""A Change: what a function is given that writes to a bucket or to what is in it, instead of a bare connection.

It says who changes what, when, and on which request, and it owns the locks that were taken for it. Whatever has to be
asked or recorded at every change of an object belongs here, so that no way to change one can go around it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from s3gw.metadata import audit, buckets, outbox, quotas
from s3gw.metadata.audit import Actor
from s3gw.metadata.buckets import State
from s3gw.metadata.database import Connection, Database, Foreseen
from s3gw.metadata.outbox import ChangedObject, Noted
from s3gw.metadata.prepared import Prepared
from s3gw.metadata.quotas import NearLimit
from s3gw.metadata.usage import NOTHING, Usage

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KeyLock:
    bucket_id: int
    key: str

    def name(self) -> str:
        return f"{self.bucket_id}/{self.key}"


@dataclass(frozen=True, slots=True)
class PartLock:
    upload_id: str
    number: int

    def name(self) -> str:
        return f"upload/{self.upload_id}/{self.number}"


@dataclass(frozen=True, slots=True)
class BucketLock:
    """Of who creates, configures or deletes the bucket; `bucket` is its name."""

    bucket: str

    def name(self) -> str:
        return f"bucket/{self.bucket}"


@dataclass(frozen=True, slots=True)
class TokenLock:
    """Of a client token."""

    bucket_id: int
    token: str

    def name(self) -> str:
        return f"{self.bucket_id} client token {self.token}"


# Writers that have one in common take turns: PostgreSQL's advisory locks. SQLite's writers take turns anyway.
Lock = KeyLock | PartLock | BucketLock | TokenLock


# Whether the change may be about this version (a row of `objects`, or None); raises AccessDenied.
Check = Callable[[Any], None]


class ChangeFacts(NamedTuple):
    """`actor` tells on whose behalf it is done. `owner_id` is the user that will own what is written; `now` is the time
    of the request, in microseconds. `checks` have to be made before the end: they ask whether the version that is
    changed (object) or copied from (source) may be. `operation` is AWS's name of what is done, or the kind of a job.
    `keeps_overwritten`: what is overwritten stays restorable, though the bucket keeps no trash. `foreseen`: see
    Database.write.
    """

    bucket_id: int
    actor: Actor
    owner_id: str
    now: int
    checks: Mapping[str, Check] = MappingProxyType({})
    operation: str = ""
    keeps_overwritten: bool = False
    foreseen: tuple[Foreseen, ...] = ()


class NotLocked(Exception):
    """A write of a key or part without its lock: beside another writer it could decide from what is no longer so."""


class NotChecked(Exception):
    """A change that never asked whether it may be about the version that it is about: it is undone."""


class Change:
    """Made for one transaction, and not used after it."""

    __slots__ = (
        "_actor",
        "_checks",
        "_locks",
        "_more",
        "_noted",
        "_operation",
        "_state",
        "_unchecked",
        "bucket_id",
        "conn",
        "keeps_overwritten",
        "now",
        "owner_id",
    )

    def __init__(self, conn: Connection, facts: ChangeFacts, locks: Iterable[Lock]) -> None:
        self.conn = conn
        self.bucket_id, self._actor, self.owner_id, self.now, self._checks, self._operation = facts[:6]
        self.keeps_overwritten = facts.keeps_overwritten
        self._unchecked = set(self._checks)
        self._locks = frozenset(locks)
        self._state: State | None = None
        self._noted: list[Noted] = []
        self._more = NOTHING

    def count(
        self,
        bytes: int = 0,
        part_bytes: int = 0,
        objects: int = 0,
        versions: int = 0,
        markers: int = 0,
        trash_bytes: int = 0,
        trashed: int = 0,
    ) -> None:
        """What is added to usage by the change of the object that is noted next, or taken from it."""
        of = self._more
        self._more = Usage(
            of.bytes + bytes,
            of.part_bytes + part_bytes,
            of.objects + objects,
            of.versions + versions,
            of.markers + markers,
            of.trash_bytes + trash_bytes,
            of.trashed + trashed,
        )

    def note(self, changed: ChangedObject) -> None:
        """What became of an object, for the outbox, with what was counted since the note before."""
        self._noted.append(Noted(changed, self._more))
        self._more = NOTHING

    def finish(self, is_alone: bool = True) -> None:
        """Write what was noted. Raises NotChecked, QuotaExceeded, and NearLimit where it has to be done `is_alone`."""
        if self._unchecked:
            raise NotChecked(", ".join(sorted(self._unchecked)))
        assert self._more == NOTHING, "what is counted belongs to a key"
        if self._noted:
            state = self.state
            if state.has_quotas:
                quotas.require_room(self.conn, self.bucket_id, state, self._noted, self._actor.id, is_alone)
            outbox.write(
                self.conn,
                self.bucket_id,
                self.now,
                self._operation,
                self._actor,
                self._noted,
                bool(state.has_prefix_quotas),
            )

    def check(self, on: str, version: Any) -> None:
        """Whether this version may be changed ("object") or copied from ("source"), its entity tag compared with one
        that the call names ("compared"), or this upload ended ("upload"); None: there is none.
        """
        if on in self._checks:
            self._checks[on](version)
            self._unchecked.discard(on)

    def turn_to(self, checks: Mapping[str, Check]) -> None:
        """What follows is about another object, which has these. Raises NotChecked for the one before."""
        if self._unchecked:
            raise NotChecked(", ".join(sorted(self._unchecked)))
        self._checks, self._unchecked = checks, set(checks)

    @property
    def actor(self) -> Actor:
        """For lines about something else that changes with the bucket."""
        return self._actor

    def record(self, action: str, before: Any, after: Any, key: str | None = None) -> None:
        """Write to the audit log what becomes of the bucket, or of something about an object, that isn't its bytes."""
        bucket = buckets.name_of(self.conn, self.bucket_id)
        kind, resource = ("bucket", bucket) if key is None else ("object", f"{bucket}/{key}")
        audit.record(self.conn, self._actor, action, kind, resource, before, after)

    def lock_bucket(self) -> str:
        """Keep the bucket from being deleted or configured until the end; give its versioning state."""
        return self.state.versioning

    @property
    def state(self) -> State:
        """Of the bucket, which is locked as by `lock_bucket`."""
        if self._state is None:
            self._state = buckets.lock_shared(self.conn, self.bucket_id)
        return self._state

    @property
    def asks(self) -> Sequence[tuple[Prepared, dict[str, Any]]]:
        """What `state` will ask."""
        return ((buckets.LOCK_SHARED, {"bucket_id": self.bucket_id}),) if self._state is None else ()

    def lock_bucket_exclusively(self) -> None:
        """Before it is configured or deleted: nobody writes into it until the end."""
        buckets.lock_exclusive(self.conn, self.bucket_id)

    def require_key(self, key: str) -> None:
        """Raises NotLocked, on SQLite too, where nothing would go wrong."""
        self._require(KeyLock(self.bucket_id, key))

    def require_part(self, upload_id: str, number: int) -> None:
        self._require(PartLock(upload_id, number))

    def _require(self, lock: Lock) -> None:
        if lock not in self._locks:
            raise NotLocked(lock.name())


async def change(
    database: Database,
    facts: ChangeFacts,
    locks: Collection[Lock],
    fn: Callable[Concatenate[Change, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run `fn` as one transaction, under the locks; what it returns or raises arrives when that is durable."""
    names = tuple(dict.fromkeys(lock.name() for lock in locks))
    try:
        return await database.write(_run, False, facts, locks, fn, args, kwargs, keys=names, foreseen=facts.foreseen)
    except NearLimit:
        return await database.write(_run, True, facts, locks, fn, args, kwargs, keys=names)


def _run(
    conn: Connection,
    is_alone: bool,
    facts: ChangeFacts,
    locks: Collection[Lock],
    fn: Callable[..., T],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> T:
    change = Change(conn, facts, locks)
    outcome = fn(change, *args, **kwargs)
    change.finish(is_alone)
    return outcome
