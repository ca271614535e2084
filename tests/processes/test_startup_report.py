"""What the banner says comes next."""

from __future__ import annotations

import pytest

from s3gw.processes.startup_report import StartupReport

SETTINGS = {"database_url": None, "region": "us-east-1", "root_user": "admin", "log_format": "text"}
FACTS = {"s3": "http://127.0.0.1:9000", "admin": "http://127.0.0.1:9001", "data": "data", "workers": 2}
KEY = {"access_key_id": "AKIA", "secret_access_key": "secret"}


@pytest.mark.parametrize(("key", "shown"), [(KEY, True), ({}, False)])
def test_keys_that_were_not_shown_are_not_said_to_be_above(
    key: dict[str, str], shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """A first start with keys of one's own makes up a password alone."""
    report = StartupReport(SETTINGS, False, "s3gw key create admin")
    made_up = {"admin_password": "password", **key}
    report.tell_credentials(made_up)
    report.tell_ready(FACTS, made_up)
    printed = capsys.readouterr().out
    assert ("the keys above" in printed) is shown
    assert ("s3gw key create admin" in printed) is not shown
