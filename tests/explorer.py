"""Explores the orders in which coroutines of the real code may reach the database and the disk.

Actors are coroutine functions. Each waits for its turn before every transaction, read, and job of an executor; whoever
has the turn works until it wants the next one. An order is a list of names of actors. Coroutines can't be copied, so
another order is run from the beginning, on the database rolled back and the disk emptied. Two orders that lead to the
same database, disk, pins and answers to each actor go on alike, and only one of them is followed.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from sqlalchemy import text

from s3gw.metadata.database import Connection, Database
from s3gw.metadata.prepared import Prepared

_actor: ContextVar[str] = ContextVar("actor", default="nobody")


class Actor(NamedTuple):
    """`process` names whose death ends it."""

    name: str
    process: str
    run: Callable[[Any], Coroutine[Any, Any, None]]


class World(Protocol):
    """What actors work with, made anew for each order."""

    def start(self, conn: Connection, turns: Turns) -> None: ...

    def stop(self) -> None: ...

    def lives(self, process: str) -> bool: ...

    def fingerprint(self, conn: Connection) -> object: ...

    def check(self, conn: Connection) -> None:
        """What must hold after each step."""

    async def check_end(self, conn: Connection) -> None:
        """What must hold when nobody can go on; may change anything."""


class Turns:
    """Who waits for a turn, and what each actor was answered so far."""

    def __init__(self) -> None:
        self.waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self.given: dict[str, int] = {}
        self.answers: dict[str, list[str]] = {}
        self.is_over = False

    async def take(self) -> None:
        if not self.is_over:
            turn = asyncio.get_running_loop().create_future()
            self.waiting.setdefault(_actor.get(), deque()).append(turn)
            await turn

    def answer(self, answer: object) -> None:
        self.answers.setdefault(_actor.get(), []).append(repr(_lasting_part(answer)))

    def give(self, actor: str) -> None:
        self.given[actor] = self.given.get(actor, 0) + 1
        self.waiting[actor].popleft().set_result(None)

    def able(self) -> list[str]:
        return sorted(name for name, turns in self.waiting.items() if turns)

    def end(self) -> None:
        """Nobody waits any more."""
        self.is_over = True
        for turn in [turn for turns in self.waiting.values() for turn in turns if not turn.done()]:
            turn.set_result(None)


_PASSING = frozenset(("file_id", "created_at", "heartbeat_at", "last_modified", "sequence", "started_at", "version_id"))


def _lasting_part(value: object) -> object:
    """An answer without times and random numbers, which decide nothing."""
    if isinstance(value, float | datetime):
        return None
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return [_lasting_part(item) for name, item in value._asdict().items() if name not in _PASSING]
    if isinstance(value, list | tuple):
        return [_lasting_part(item) for item in value]
    return value


class SteppedDatabase(Database):
    """One connection in one transaction. A write that fails leaves nothing, as on the real ones."""

    def __init__(self, conn: Connection, turns: Turns) -> None:
        self.dialect = conn.dialect  # type: ignore[misc]
        self._conn, self._turns = conn, turns

    async def read(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        await self._turns.take()
        answer = fn(self._conn, *args, **kwargs)
        self._turns.answer(answer)
        return answer

    async def scan(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await self.read(fn, *args, **kwargs)

    async def write(self, fn: Callable[..., Any], *args: Any, keys: Sequence[str] = (), foreseen: Any = ()) -> Any:
        await self._turns.take()
        run_sql(self._conn, "SAVEPOINT member")
        try:
            answer = fn(self._conn, *args)
        except Exception as error:
            run_sql(self._conn, "ROLLBACK TO SAVEPOINT member")
            self._turns.answer(type(error))
            raise
        finally:
            run_sql(self._conn, "RELEASE SAVEPOINT member")
        self._turns.answer(answer)
        return answer

    async def close(self) -> None: ...


class SteppedExecutor(ThreadPoolExecutor):
    """Runs jobs on the event loop, each when its actor has the turn. `needs_turn` false: at once. Has no threads."""

    def __init__(self, turns: Turns, needs_turn: Callable[[Any], bool] = lambda job: True) -> None:
        self._turns, self._needs_turn = turns, needs_turn
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        task = asyncio.get_running_loop().create_task(self._run(future, fn, lambda: fn(*args, **kwargs)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None: ...

    async def _run(self, future: Future[Any], fn: Any, job: Callable[[], Any]) -> None:
        if self._needs_turn(fn):
            await self._turns.take()
        if future.set_running_or_notify_cancel():
            try:
                answer = job()
            except Exception as error:
                self._turns.answer(type(error))
                future.set_exception(error)
            else:
                self._turns.answer(answer if not isinstance(answer, memoryview) else bytes(answer))
                future.set_result(answer)


class Run:
    """One order, as far as it has come."""

    def __init__(self, conn: Connection, world: World, actors: Sequence[Actor]) -> None:
        self._conn, self._world, self._actors = conn, world, {actor.name: actor for actor in actors}
        self._loop = asyncio.new_event_loop()
        self._begun: list[asyncio.Task[Any]] = []
        self._loop.set_task_factory(self._begin_task)
        self.turns = Turns()
        run_sql(conn, "SAVEPOINT beginning")
        asyncio.set_event_loop(self._loop)
        self._tasks = [self._loop.create_task(self._act(actor), name=actor.name) for actor in actors]
        world.start(conn, self.turns)
        self._settle()

    def _begin_task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        """asyncio's own list has those of other orders too, as long as they aren't collected."""
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
        self._begun.append(task)
        return task

    async def _act(self, actor: Actor) -> None:
        _actor.set(actor.name)
        await self.turns.take()
        await actor.run(self._world)

    def _settle(self) -> None:
        """Until everybody waits for a turn, or has ended. Raises what an actor raised."""
        while True:
            self._loop.call_soon(self._loop.stop)
            self._loop.run_forever()
            if not self._loop._ready:  # type: ignore[attr-defined]
                break
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                raise task.exception()  # type: ignore[misc]

    def able(self) -> list[str]:
        return [name for name in self.turns.able() if self._world.lives(self._actors[name].process)]

    def step(self, actor: str) -> None:
        self.turns.give(actor)
        self._settle()

    def check(self) -> None:
        self._world.check(self._conn)

    def fingerprint(self) -> str:
        waiting = [(name, len(turns)) for name, turns in sorted(self.turns.waiting.items())]
        return repr(
            (
                waiting,
                sorted(self.turns.given.items()),
                sorted(self.turns.answers.items()),
                self._world.fingerprint(self._conn),
            )
        )

    def end(self) -> None:
        self.turns.is_over = True
        self._loop.run_until_complete(self._world.check_end(self._conn))

    def abandon(self) -> None:
        """Take everything back. Jobs of executors are let run, because who waits for one doesn't leave it alone."""
        self.turns.end()
        for task in self._tasks:
            task.cancel()
        while tasks := [task for task in self._begun if not task.done()]:
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._world.stop()
        self._loop.close()
        asyncio.set_event_loop(None)
        run_sql(self._conn, "ROLLBACK TO SAVEPOINT beginning")
        run_sql(self._conn, "RELEASE SAVEPOINT beginning")


class Explorer:
    def __init__(self, world: World, actors: Sequence[Actor]) -> None:
        self._world, self._actors = world, actors
        self._seen: set[int] = set()
        self.ends = 0

    @property
    def states(self) -> int:
        return len(self._seen)

    def explore(self, conn: Connection) -> None:
        """Raises what a step or check raises, with the order that led there as a note.

        Coverage doesn't watch: it would take more than half of the time, and see the same few lines in each order.
        """
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            self._explore(conn)
        finally:
            sys.settrace(tracer)

    def _explore(self, conn: Connection) -> None:
        unexplored: list[list[str]] = [[]]
        while unexplored:
            order = unexplored.pop()
            try:
                with self._run(conn) as run:
                    for actor in order:
                        run.step(actor)
                    unexplored += self._follow(run, order)
            except Exception as error:
                error.add_note(" | ".join(order))
                raise

    @contextmanager
    def _run(self, conn: Connection) -> Iterator[Run]:
        run = Run(conn, self._world, self._actors)
        try:
            yield run
        finally:
            run.abandon()

    def _follow(self, run: Run, order: list[str]) -> list[list[str]]:
        """Go on to the end, or to where somebody has been; gives the orders that branch off on the way."""
        branches: list[list[str]] = []
        while self._is_new(run):
            run.check()
            able = run.able()
            if not able:
                self.ends += 1
                run.end()
                break
            branches += [[*order, other] for other in able[1:]]
            order.append(able[0])
            run.step(able[0])
        return branches

    def _is_new(self, run: Run) -> bool:
        before = len(self._seen)
        self._seen.add(hash(run.fingerprint()))
        return len(self._seen) > before


_statements: dict[str, Prepared] = {}


def run_sql(conn: Connection, statement: str) -> None:
    if statement not in _statements:
        _statements[statement] = Prepared(text(statement))
    _statements[statement].run(conn)
