"""What every command shares: its options, opening the database, the form of its output, and how it refuses."""

from __future__ import annotations

import asyncio
import difflib
import json
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from s3gw.config import ConfigurationError, Settings, load_settings, unknown_variables
from s3gw.moments import microseconds_of
from s3gw.secret_files import PREFIX

T = TypeVar("T")
S = TypeVar("S")
_COLUMNS, _FEWEST_COLUMNS = 100, 8  # where the terminal isn't wider; of a column

Data = Annotated[Path | None, typer.Option("--data", help="The data folder (S3GW_DATA).")]
DatabaseUrl = Annotated[
    str | None, typer.Option("--database-url", help="sqlite:///PATH or postgresql://… (S3GW_DATABASE_URL).")
]
Blobs = Annotated[
    str | None,
    typer.Option("--blobs", metavar="URL", help="s3://BUCKET/PREFIX, gs://… or az://… (S3GW_BLOBS)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def group() -> typer.Typer:
    return typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


class Refused(Exception):
    """The command can't be done; the message is one line for the person who gave it."""


Tell = Callable[[str, str, bool], None]


def tell(kind: str, message: str, as_json: bool) -> None:
    """A line on standard error; `kind` is error or warning."""
    line = " ".join(message.split())
    print(json.dumps({kind: line}) if as_json else f"s3gw: {line}", file=sys.stderr, flush=True)


def refuse(message: str, as_json: bool, tell: Tell = tell) -> NoReturn:
    tell("error", message, as_json)
    raise typer.Exit(1)


def settings_of(as_json: bool, tell: Tell = tell, **options: Any) -> Settings:
    """As load_settings, with a warning of each variable that is no setting: it is misspelt, or its author mistaken."""
    for variable in unknown_variables():
        likely = difflib.get_close_matches(variable.removeprefix(PREFIX).lower(), Settings.model_fields, 1)
        hint = f"did you mean {PREFIX}{likely[0].upper()}?" if likely else "`s3gw config` lists them"
        tell("warning", f"{variable} is no setting; {hint}", as_json)
    return load_settings(**options)


@contextmanager
def refusals(as_json: bool) -> Iterator[None]:
    """Turns what a command may run into into one line on standard error and exit status 1."""
    from s3gw.auth.master_key import MasterKeyError
    from s3gw.backup.place import BackupError
    from s3gw.content.store import StoreUnavailable
    from s3gw.disks.faults import in_words
    from s3gw.errors import S3Error
    from s3gw.metadata.audit_seals import Tampered
    from s3gw.metadata.database import DatabaseUnavailable, UnsuitableDatabase
    from s3gw.metadata.jobs import NoSuchJob
    from s3gw.problems import Problem
    from s3gw.processes.lock import DataFolderInUse

    known = (
        BackupError,
        ConfigurationError,
        DatabaseUnavailable,
        DataFolderInUse,
        MasterKeyError,
        NoSuchJob,
        Problem,
        Refused,
        Tampered,
        UnsuitableDatabase,
    )
    try:
        yield
        print(end="", flush=True)  # sys.stdout is None where there is none
    except BrokenPipeError:
        _end_as_by_sigpipe()
    except S3Error as error:
        refuse(f"{error.code}: {error.message}", as_json)
    except StoreUnavailable as error:
        refuse(f"the store of blobs can't be asked: {error}; check --blobs (S3GW_BLOBS)", as_json)
    except OSError as error:
        refuse(f"{in_words(error)}; check --data (S3GW_DATA)", as_json)
    except (*known, ValueError) as error:
        refuse(str(error), as_json)


def _end_as_by_sigpipe() -> NoReturn:
    """Nobody reads what is printed any more, as behind `| head -1`: end without a word, with the status of a program
    that the signal ends. What is still buffered goes nowhere.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(128 + signal.SIGPIPE)


class Session:
    """A command's access to the metadata, whether the server runs or not."""

    def __init__(self, settings: Settings) -> None:
        from s3gw.metadata.database_url import is_postgresql, sqlite_path

        self.settings = settings
        if not is_postgresql(settings.database_url):
            path = sqlite_path(settings.database_url, settings.data)
            # Not made here: the first start makes the admin in a database without users.
            if not path.exists():
                raise Refused(f"there is no database {path}; `s3gw serve` makes it, or give --data")

    def read(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return self._run(lambda database: database.scan, fn, args, kwargs)

    def write(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return self._run(lambda database: database.write, fn, args, kwargs)

    def change(self, action: str, fn: Callable[..., S], *args: Any, **kwargs: Any) -> S:
        """A write with its line in the audit log; see metadata/audited.py."""
        from s3gw.metadata.audit import COMMAND_LINE
        from s3gw.metadata.audited import audited

        changed: S = self.write(audited, COMMAND_LINE, action, fn, *args, **kwargs)
        return changed

    def run(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Several transactions, one after the other: `work` is given the database."""
        from s3gw.metadata.readiness import require_schema

        async def checked(database: Any) -> T:
            await database.read(require_schema)
            return await work(database)

        return self._open(checked)

    def _run(self, how: Callable[[Any], Any], fn: Callable[..., T], args: Sequence[Any], kwargs: dict[str, Any]) -> T:
        from s3gw.metadata.readiness import require_schema

        def checked(conn: Any) -> T:
            require_schema(conn)
            return fn(conn, *args, **kwargs)

        async def run(database: Any) -> T:
            result: T = await how(database)(checked)
            return result

        return self._open(run)

    def _open(self, work: Callable[[Any], Awaitable[T]]) -> T:
        from s3gw.metadata.engines import open_database

        async def run() -> T:
            database = open_database(self.settings.database_url, self.settings.data, for_command=True)
            try:
                return await work(database)
            finally:
                await database.close()

        return asyncio.run(run())


@contextmanager
def session(data: Path | None, database_url: str | None, as_json: bool) -> Iterator[Session]:
    with refusals(as_json):
        yield Session(settings_of(as_json, data=data, database_url=database_url))


# What has another name here, or is in another field, and is told by `--json` under the JSON API's too.
_NAMES_OF_API = {
    "username": "name",
    "is_active": "is_enabled",
    "email_verified": "email_verified_at",
    "owner_id": "account_owner_id",
    "resource_id": "path",
}


def show(document: dict[str, Any] | list[dict[str, Any]], as_json: bool, columns: Sequence[str] = ()) -> None:
    """One JSON document, or lines for people: a table for a list, `name: value` for one thing.

    `columns` are those of a table that people see; without it, all but what is there for programs that know the JSON
    API's names.
    """
    try:
        _print(document, as_json, columns)
        print(end="", flush=True)
    except BrokenPipeError:
        _end_as_by_sigpipe()


def _print(document: dict[str, Any] | list[dict[str, Any]], as_json: bool, columns: Sequence[str]) -> None:
    if as_json:
        print(json.dumps(document, indent=None))
    elif isinstance(document, dict):
        told = {name: value for name, value in document.items() if _NAMES_OF_API.get(name) not in document}
        width = max(map(len, told), default=0) + 2
        for name, value in told.items():
            print(f"{name + ':':{width}}{_text(value)}")
    elif document:
        _print_table(columns or list(document[0]), document)


def _print_table(columns: Sequence[str], rows: list[dict[str, Any]]) -> None:
    """At most as wide as a terminal: longer cells are wrapped within their columns."""
    lines = [list(columns), *([_text(row[column]) for column in columns] for row in rows)]
    widths = _fit([max(map(len, column)) for column in zip(*lines, strict=True)])
    for line in lines:
        pieces = [textwrap.wrap(cell, width) for cell, width in zip(line, widths, strict=True)]
        for parts in zip_longest(*pieces, fillvalue=""):
            print("  ".join(f"{part:{width}}" for part, width in zip(parts, widths, strict=True)).rstrip())


def _fit(widths: list[int]) -> list[int]:
    """Make the widest columns narrower until the table fits."""
    widths, most = list(widths), max(_COLUMNS, shutil.get_terminal_size((_COLUMNS, 24)).columns)
    while sum(widths) + 2 * (len(widths) - 1) > most and max(widths) > _FEWEST_COLUMNS:
        widths[widths.index(max(widths))] -= 1
    return widths


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value)) or "-"
    return json.dumps(value) if isinstance(value, dict) else str(value)


def when(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def parse_time(text: str) -> int:
    """ISO 8601, a date or a time, UTC unless it says otherwise, to microseconds. Raises Refused."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(f"{text} is not a time like 2030-12-31 or 2030-12-31T12:00:00Z") from None
    try:
        return microseconds_of(time if time.tzinfo else time.replace(tzinfo=UTC))
    except ValueError as error:
        raise Refused(f"{text} can't be had: {error}") from None
