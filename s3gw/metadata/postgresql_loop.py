"""What read and write functions work with on the event loop: a line to PostgreSQL (postgresql_lines.py).

Such a function is a plain one. It runs in a greenlet of its own (SQLAlchemy's), which gives the loop to others while it
waits for the server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NoReturn, TypeVar

import psycopg
from sqlalchemy.exc import IntegrityError
from sqlalchemy.util import await_only, greenlet_spawn

from s3gw.metadata.database import Connection, Foreseen
from s3gw.metadata.postgresql_lines import Line, Lines, Result, Row, Statement
from s3gw.metadata.prepared import Prepared

T = TypeVar("T")

FORESEEN_OTHERWISE = "22012"  # division by zero: what SQL can raise by itself for a comparison
_TAKE_TURNS = "SELECT pg_advisory_xact_lock(k) FROM unnest($1::bigint[]) AS k"


class NotOnLoop(BaseException):
    """The function does more than to run prepared statements. No Exception: it must come out of the function."""


class LoopConnection(Connection):
    """Each statement is a transaction of its own."""

    dialect = "postgresql"

    def __init__(self, line: Line) -> None:
        self._line = line
        self._known: dict[Statement, list[Row]] = {}  # what was asked together with others, and not taken yet

    def rows_of(self, prepared: Prepared, parameters: dict[str, Any]) -> list[Row]:
        statement = _statement(prepared, parameters)
        known = self._known.pop(statement, None) if self._known else None
        return self._last(statement).rows if known is None else known

    def ask_together(self, *questions: tuple[Prepared, dict[str, Any]]) -> bool:
        statements = [_statement(prepared, parameters) for prepared, parameters in questions]
        answers = self._run(statements)[-len(statements) :]
        self._known |= {one: answer.rows for one, answer in zip(statements, answers, strict=True)}
        return True

    def rowcount_of(self, prepared: Prepared, parameters: dict[str, Any]) -> int:
        return self._last(_statement(prepared, parameters)).concerned

    def run_for_each(self, prepared: Prepared, rows: Sequence[dict[str, Any]]) -> None:
        if rows:
            self._last(*(_statement(prepared, row) for row in rows))

    def execute(self, *_: Any, **__: Any) -> NoReturn:
        raise NotOnLoop

    def _last(self, *statements: Statement) -> Result:
        return self._run(statements)[-1]

    def _run(self, statements: Sequence[Statement]) -> list[Result]:
        try:
            return await_only(self._line.run(*statements))
        except psycopg.IntegrityError as error:
            raise IntegrityError(statements[-1].sql, None, error, hide_parameters=True) from error


class WritingConnection(LoopConnection):
    """In one transaction, which begins with the first statement that is sent.

    What was foreseen is taken for known when it is asked, and asked again in the transaction, which fails if the rows
    are others there.
    """

    def __init__(self, line: Line, keys: list[int], foreseen: Sequence[Foreseen]) -> None:
        super().__init__(line)
        self._later = [Statement("BEGIN"), *([Statement(_TAKE_TURNS, (keys,))] if keys else ())]
        self._foreseen = {_statement(each.question, each.parameters): each for each in foreseen}
        self._numbers_wanted: Prepared | None = None

    def run_later(self, prepared: Prepared, parameters: dict[str, Any]) -> None:
        self._later.append(_statement(prepared, parameters))

    def ask_together(self, *questions: tuple[Prepared, dict[str, Any]]) -> bool:
        asked = [question for question in questions if not self._is_foreseen(_statement(*question))]
        return super().ask_together(*asked) if asked else True

    def _is_foreseen(self, statement: Statement) -> bool:
        found = self._foreseen.pop(statement, None)
        if found is None:
            return False
        self._known[statement] = found.rows
        if found.must_hold:
            self._later.append(_verified(statement, found.rows))
        return True

    def take_number(self, numbers: Prepared) -> int | None:
        left = self._line.numbers.get(numbers)
        if not left:
            self._numbers_wanted = numbers  # for the next transaction
        return left.pop() if left else None

    def commit(self) -> None:
        """Raises what the statements that were left to be run later do."""
        wanted = self._numbers_wanted
        *before, end = self._run([*([_statement(wanted, {})] if wanted else ()), Statement("COMMIT")])
        if end.tag != b"COMMIT":
            raise psycopg.errors.InFailedSqlTransaction("a statement of the transaction had failed")
        if wanted:
            self._line.numbers[wanted] = [number for (number,) in before[-1].rows]

    def _run(self, statements: Sequence[Statement]) -> list[Result]:
        later, self._later = self._later, []
        return super()._run((*later, *statements))


def _verified(statement: Statement, rows: Sequence[Row]) -> Statement:
    """Raises FORESEEN_OTHERWISE if it gives other rows; locks what it does."""
    values = [value for row in rows for value in row]
    return Statement(_verifying(statement.sql, len(statement.arguments), len(values)), (*statement.arguments, *values))


@cache
def _verifying(sql: str, arguments: int, columns: int) -> str:
    """Of a question that gives a row of so many columns; 0: none."""
    if not columns:
        return f"SELECT 1 / (NOT EXISTS ({sql}))::int"
    names = ", ".join(f"c{number}" for number in range(columns))
    values = ", ".join(f"${arguments + 1 + number}" for number in range(columns))
    same = f"SELECT FROM ({sql}) AS found ({names}) WHERE ({names}) IS NOT DISTINCT FROM ({values})"
    return f"SELECT 1 / EXISTS ({same})::int"


def _statement(prepared: Prepared, parameters: dict[str, Any]) -> Statement:
    form = prepared.form("postgresql")
    return Statement(form.sql, form.arguments(parameters))


async def read(lines: Lines, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Raises the driver's errors, and NotOnLoop."""
    line = await lines.take()
    try:
        return await greenlet_spawn(fn, LoopConnection(line), *args, **kwargs)
    finally:
        lines.leave(line)


async def write(
    lines: Lines,
    fn: Callable[..., T],
    args: Sequence[Any],
    keys: list[int],
    foreseen: Sequence[Foreseen],
    ends: Callable[[], None],
) -> T:
    """In one transaction, which takes the advisory locks `keys` first. `ends` is called before it is to be committed.

    Raises what `fn` does, the driver's errors, and NotOnLoop: then nothing was done, unless the connection was lost
    when it was to be committed.
    """

    def transaction() -> T:
        conn = WritingConnection(line, keys, foreseen)
        result = fn(conn, *args)
        ends()
        conn.commit()
        return result

    line = await lines.take()
    try:
        return await greenlet_spawn(transaction)
    finally:
        if line.is_in_transaction and not (line.is_busy or line.is_lost):
            await _roll_back(line)
        lines.leave(line)


async def _roll_back(line: Line) -> None:
    try:
        await line.run(Statement("ROLLBACK"))
    except psycopg.Error:
        pass  # the line is closed then
