"""`s3gw worker` begins only where it can work: with a broker, and with the blobs that belong to the database. What it
does then is in tests/jobs/test_celery_workers.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import Command, refusal

BROKER = "redis://:pass-word@127.0.0.1:1/0"


def test_without_a_broker_there_is_nothing_for_a_worker(run: Command) -> None:
    assert "S3GW_CELERY_BROKER isn't set" in refusal(run("worker"))


def test_what_is_no_broker_is_refused_and_not_told(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3GW_CELERY_BROKER", "amqp://:pass-word@host")
    told = refusal(run("worker"))
    assert told.startswith("s3gw: S3GW_CELERY_BROKER is none") and "pass-word" not in told


def test_a_worker_makes_no_database(run: Command, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3GW_CELERY_BROKER", BROKER)
    (data / "s3gw.db").unlink()
    assert "there is no database" in refusal(run("worker"))
    assert not (data / "s3gw.db").exists()


@pytest.mark.parametrize("identity", ["0" * 32, None])
def test_a_worker_is_refused_the_blobs_of_another_store(
    run: Command, data: Path, monkeypatch: pytest.MonkeyPatch, identity: str | None
) -> None:
    monkeypatch.setenv("S3GW_CELERY_BROKER", BROKER)
    (found,) = data.rglob(".identity")
    found.unlink()
    if identity is not None:
        found.write_text(identity)
    assert "doesn't belong to this database" in refusal(run("worker"))
