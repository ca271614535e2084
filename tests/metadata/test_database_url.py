"""What a database URL means, without opening anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3gw.metadata.database_url import database_folder, is_postgresql, sqlite_path

DATA = Path("/data")


@pytest.mark.parametrize("url", ["postgresql://host/name", "postgres://host/name", "postgresql+psycopg://host/name"])
def test_a_server_looks_after_its_own_disk(url: str) -> None:
    assert is_postgresql(url)
    assert database_folder(url, DATA) is None


@pytest.mark.parametrize(
    ("url", "path"),
    [(None, "/data/s3gw.db"), ("sqlite:////there/it.db", "/there/it.db"), ("sqlite:///it.db", str(Path("it.db")))],
)
def test_a_file_is_on_the_disk_of_its_folder(url: str | None, path: str) -> None:
    assert not is_postgresql(url)
    assert sqlite_path(url, DATA) == Path(path)
    assert database_folder(url, DATA) == Path(path).absolute().parent


@pytest.mark.parametrize("url", ["", "sqlite:///", "sqlite://", "sqlite:///:memory:", "mysql:///it.db", "it.db"])
def test_any_other_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be sqlite:///PATH or postgresql://"):
        sqlite_path(url, DATA)
