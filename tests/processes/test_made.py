"""What a refused start removes: what it made itself, and never what was there when it had the lock."""

from __future__ import annotations

from pathlib import Path

from s3gw.processes.lock import FILE_NAME
from s3gw.processes.made import Made


def test_a_folder_that_was_made_is_removed_with_its_parents(tmp_path: Path) -> None:
    data = tmp_path / "a" / "data"
    made = Made(data)
    (data / "blobs").mkdir(parents=True)
    (data / "blobs").rmdir()
    (data / FILE_NAME).touch()
    made.look()
    (data / "s3gw.db").touch()
    (data / "blobs").mkdir()
    made.undo()
    assert list(tmp_path.iterdir()) == []


def test_of_a_folder_that_was_there_only_what_was_made_goes_and_beside_a_database_too(tmp_path: Path) -> None:
    data, database = tmp_path / "data", tmp_path / "elsewhere" / "s3gw.db"
    data.mkdir()
    database.parent.mkdir()
    (data / "s3gw.db").write_text("garbage")
    database.write_text("garbage")
    made = Made(data, database)
    (data / FILE_NAME).touch()
    made.look()
    (data / "blobs").mkdir()
    for path in (data / "s3gw.db.turn.lock", Path(f"{database}.turn.lock"), Path(f"{database}.writer.lock")):
        path.touch()
    made.undo()
    assert list(data.iterdir()) == [data / "s3gw.db"]
    assert list(database.parent.iterdir()) == [database]


def test_what_another_server_made_before_we_had_the_lock_stays(tmp_path: Path) -> None:
    made = Made(tmp_path)  # it is empty still
    (tmp_path / "s3gw.db").write_text("the other's")
    (tmp_path / FILE_NAME).touch()
    made.look()
    made.undo()
    assert (tmp_path / "s3gw.db").read_text() == "the other's"
