"""SQL of idempotency keys: a create that is repeated under its key is answered as it was, and done once.

The row decides, on whatever worker or node a repeat comes: writers of one key take turns (their `keys`), so of those
that come at the same time one begins and the others find its row. It is removed when the create is refused or fails,
and has its answer when it succeeded. A process that died in between leaves a row without an answer: after a while a
repeat takes it over.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, insert, select, update

from s3gw.metadata.database import Connection, now
from s3gw.metadata.schema import idempotency_keys as table
from s3gw.problems import Conflict, IdempotencyMismatch

KEPT = 86_400_000_000  # microseconds that a key stands for its request
_LONGEST_RUN = 120_000_000  # microseconds; whoever has no answer after so long has died


class Scope(NamedTuple):
    """Whose key it is, and of which route. `user_id` names, of who isn't known, the address."""

    user_id: str
    route: str
    key: str

    @property
    def turn(self) -> str:
        return f"idempotency/{'/'.join(self)}"


class Done(NamedTuple):
    """What was answered. `answer` is JSON; `body` is the digest of one that wasn't known when the create began."""

    status: int
    answer: str
    body: bytes = b""


class Begun(NamedTuple):
    """The create is the caller's to do; `at` tells its row from that of who takes it over."""

    scope: Scope
    at: int
    request: bytes


def begin(conn: Connection, scope: Scope, request: bytes) -> Begun | Done:
    """`request` is the digest that tells it from another request, as far as it is known before its body came. Raises
    IdempotencyMismatch, and Conflict while it is being done.
    """
    at = now(conn)
    row = conn.execute(select(table).where(_is(scope))).one_or_none()
    if row is not None and row.created_at > at - (_LONGEST_RUN if row.status is None else KEPT):
        stored = bytes(row.request)
        if stored[: len(request)] != request:
            raise IdempotencyMismatch("this Idempotency-Key was used for another request")
        if row.status is None:
            raise Conflict("the request with this Idempotency-Key is still being done", retry_after=1)
        return Done(row.status, row.answer, stored[len(request) :])
    conn.execute(delete(table).where(_is(scope)))
    conn.execute(insert(table).values(**scope._asdict(), request=request, created_at=at))
    return Begun(scope, at, request)


def renew(conn: Connection, begun: Begun) -> Begun:
    """It is still being done, by the caller."""
    at = now(conn)
    renewed = conn.execute(update(table).where(_mine(begun)).values(created_at=at)).rowcount
    return begun._replace(at=at) if renewed else begun


def end(conn: Connection, begun: Begun, done: Done | None) -> None:
    """None: nothing was done, and a repeat may, with another body too."""
    if done is None:
        conn.execute(delete(table).where(_mine(begun)))
        return
    values = {"status": done.status, "answer": done.answer, "request": begun.request + done.body}
    conn.execute(update(table).where(_mine(begun)).values(values))


def _mine(begun: Begun) -> ColumnElement[bool]:
    return _is(begun.scope) & (table.c.created_at == begun.at) & table.c.status.is_(None)


def _is(scope: Scope) -> ColumnElement[bool]:
    return (table.c.user_id == scope.user_id) & (table.c.route == scope.route) & (table.c.key == scope.key)
