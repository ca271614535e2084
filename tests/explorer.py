"""Runs actors step by step in every order that there is, on one connection, taking steps back by savepoints.

Each step is atomic, as a committed transaction or a call to the store is. An order that leads to a state already seen
is not followed again, so what is explored is the graph of states, all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from sqlalchemy import text

from s3gw.metadata.database import Connection, Prepared

Local = Mapping[str, Any]  # what an actor knows; values are never changed in place


class Jump(NamedTuple):
    """What a step gives to go on elsewhere than with the next one."""

    step: int
    local: Local


END = 10**6
Step = Callable[[Any, Connection, Local], Local | Jump]


class Actor(NamedTuple):
    """`process` names whose death ends it. Only the steps that `writing` names change the database."""

    name: str
    process: str
    steps: Sequence[Step]
    writing: frozenset[str] = frozenset({"commit"})


class World(Protocol):
    """What steps change beside the database."""

    def remember(self) -> Any: ...

    def restore(self, memory: Any) -> None: ...

    def lives(self, process: str) -> bool: ...

    def dump(self, conn: Connection) -> Any:
        """What the database holds."""

    def fingerprint(self, dump: Any, locals: Sequence[Local]) -> Hashable: ...

    def check(self, dump: Any) -> None:
        """What must hold after each step."""

    def check_end(self, conn: Connection, locals: Mapping[str, Local]) -> None:
        """What must hold when nobody can go on; may change anything."""


class Explorer:
    def __init__(self, world: World, actors: Sequence[Actor]) -> None:
        self._world, self._actors = world, actors
        self._seen: set[Hashable] = set()
        self._trail: list[str] = []
        self.ends = 0

    @property
    def states(self) -> int:
        return len(self._seen)

    def explore(self, conn: Connection) -> None:
        """Raises what a step or check raises, with the order that led there as a note."""
        try:
            self._visit(conn, self._world.dump(conn), (0,) * len(self._actors), tuple({} for _ in self._actors))
        except Exception as error:
            error.add_note(" | ".join(self._trail))
            raise

    def _visit(self, conn: Connection, dump: Any, positions: tuple[int, ...], locals: tuple[Local, ...]) -> None:
        mark = (positions, self._world.fingerprint(dump, locals))
        if mark in self._seen:
            return
        self._seen.add(mark)
        self._world.check(dump)
        able = [
            index
            for index, actor in enumerate(self._actors)
            if positions[index] < len(actor.steps) and self._world.lives(actor.process)
        ]
        for index in able:
            self._step(conn, dump, index, positions, locals)
        if not able:
            self.ends += 1
            known = {actor.name: local for actor, local in zip(self._actors, locals, strict=True)}
            with self._taken_back(conn, True):
                self._world.check_end(conn, known)

    def _step(
        self, conn: Connection, dump: Any, index: int, positions: tuple[int, ...], locals: tuple[Local, ...]
    ) -> None:
        actor, position = self._actors[index], positions[index]
        step = actor.steps[position]
        writes = step.__name__ in actor.writing
        self._trail.append(f"{actor.name}: {step.__name__}")
        with self._taken_back(conn, writes):
            outcome = step(self._world, conn, locals[index])
            jump = outcome if isinstance(outcome, Jump) else Jump(position + 1, outcome)
            after = self._world.dump(conn) if writes else dump
            self._visit(conn, after, _with(positions, index, jump.step), _with(locals, index, jump.local))
        self._trail.pop()

    @contextmanager
    def _taken_back(self, conn: Connection, writes: bool) -> Iterator[None]:
        memory, name = self._world.remember(), f"depth{len(self._trail)}"
        if writes:
            _run(conn, f"SAVEPOINT {name}")
        yield
        if writes:
            _run(conn, f"ROLLBACK TO SAVEPOINT {name}")
            _run(conn, f"RELEASE SAVEPOINT {name}")
        self._world.restore(memory)


_statements: dict[str, Prepared] = {}


def _run(conn: Connection, statement: str) -> None:
    if statement not in _statements:
        _statements[statement] = Prepared(text(statement))
    _statements[statement].run(conn)


def _with(items: tuple[Any, ...], index: int, item: Any) -> tuple[Any, ...]:
    return (*items[:index], item, *items[index + 1 :])


def refusable(conn: Connection, act: Callable[[], None], refusal: type[Exception]) -> bool:
    """Run a transaction; False when it was refused, and nothing of it remains."""
    _run(conn, "SAVEPOINT member")
    try:
        act()
    except refusal:
        _run(conn, "ROLLBACK TO SAVEPOINT member")
        return False
    finally:
        _run(conn, "RELEASE SAVEPOINT member")
    return True
