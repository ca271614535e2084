"""`s3gw migrate` makes what a start would make, and tells what it waits for."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from s3gw.cli import app
from s3gw.metadata.revision import NEWEST
from s3gw.processes.lock import lock_data_folder


def test_it_tells_the_revision_that_is_there_and_nothing_waits(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["migrate", "--data", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told.pop("oldest_reader") < NEWEST
    assert told == {"revision": NEWEST, "newest": NEWEST, "waits": None}


def test_a_folder_that_is_served_is_not_migrated_under_its_server(tmp_path: Path) -> None:
    lock_data_folder(tmp_path)
    done = CliRunner().invoke(app, ["migrate", "--data", str(tmp_path), "--json"])
    assert done.exit_code == 1
    assert "in use" in done.stderr
