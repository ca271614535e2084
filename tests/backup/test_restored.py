"""A restored server has everything that was there at one moment, whichever database it is on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backup.conftest import Made
from tests.backup.restored import objects_of, put_master_key, rows_in, steps_of
from tests.cli.commands import asking, command, refusal
from tests.crash.storage import settle
from tests.postgresql import Server


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, postgresql: Server) -> Iterator[str | None]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield None
        return
    name = postgresql.create_database("template0")
    yield postgresql.url(name)
    postgresql.drop_database(name)


def restore(made: Made, data: Path, url: str | None, *options: str) -> None:
    asking(command("--data", str(data), *(["--database-url", url] if url else [])))(
        "backup", "restore", str(made.place), *options
    )
    put_master_key(made.data, data)


def test_what_was_made_under_load_is_the_state_at_one_moment(made: Made, target: str | None, tmp_path: Path) -> None:
    restore(made, tmp_path / "data", target, "--snapshot", made.under_load["id"])
    found = asyncio.run(objects_of(tmp_path / "data", target))
    steps = steps_of(found, made.first, made.last)
    assert None not in steps, (steps, made.first, made.last)
    assert settle(tmp_path / "data", target) == []


def test_all_rows_are_as_they_were_in_a_place_that_was_empty(made: Made, target: str | None, tmp_path: Path) -> None:
    restore(made, tmp_path / "data", target)
    again = command("--data", str(tmp_path / "data"), *(["--database-url", target] if target else []))
    line = refusal(again("backup", "restore", str(made.place)))
    assert "there is a database already" in line or "isn't empty" in line
    assert rows_in(target, tmp_path / "data") == made.rows
    assert settle(tmp_path / "data", target) == []
