"""What the banner says comes next."""

from __future__ import annotations

import json
from typing import Any

import pytest

from s3gw.config import load_settings
from s3gw.processes.startup_report import StartupReport
from s3gw.registration_mode import Mode, registration_of

SETTINGS = {"database_url": None, "region": "us-east-1", "root_user": "admin", "log_format": "text"}
FACTS = {
    "s3": "http://127.0.0.1:9000",
    "admin": "http://127.0.0.1:9001",
    "share": "http://127.0.0.1:9002",
    "data": "data",
    "workers": 2,
}
KEY = {"access_key_id": "AKIA", "secret_access_key": "secret"}


@pytest.mark.parametrize(("key", "shown"), [(KEY, True), ({}, False)])
def test_keys_that_were_not_shown_are_not_said_to_be_above(
    key: dict[str, str], shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """A first start with keys of one's own makes up a password alone."""
    report = StartupReport(SETTINGS, False, "s3gw key create admin", "open")
    made_up = {"admin_password": "password", **key}
    report.tell_credentials(made_up)
    report.tell_ready(FACTS, made_up)
    printed = capsys.readouterr().out
    assert ("the keys above" in printed) is shown
    assert ("s3gw key create admin" in printed) is not shown


def test_the_start_says_where_the_json_api_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    StartupReport(SETTINGS, False, "", "open").tell_ready(FACTS, {})
    out = capsys.readouterr().out
    assert "    Console   http://127.0.0.1:9001/\n" in out and "    JSON API  http://127.0.0.1:9001/docs" in out


MODES = [
    ({}, "open"),
    ({"admin_listen": "localhost:1"}, "open"),
    ({"admin_listen": "[::1]:1"}, "open"),
    ({"admin_listen": ":1"}, "invite"),
    ({"admin_listen": "0.0.0.0:1"}, "invite"),
    ({"admin_listen": "files.example.com:1"}, "invite"),
    ({"trusted_proxies": ["127.0.0.1/32"]}, "invite"),
    ({"trusted_proxies": ["127.0.0.1/32"], "registration": "open"}, "open"),
    ({"registration": "closed"}, "closed"),
]


@pytest.mark.parametrize(("settings", "mode"), MODES)
@pytest.mark.parametrize("as_json", [True, False])
def test_the_start_says_who_may_register(
    settings: dict[str, Any], mode: Mode, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everybody only as long as only this machine reaches it."""
    assert registration_of(load_settings(**settings)) == mode
    StartupReport(SETTINGS, as_json, "", mode).tell_ready(FACTS, {})
    printed = capsys.readouterr().out
    if as_json:
        assert json.loads(printed)["registration"] == mode
    else:
        assert f"    Sign-up   {'by invitation' if mode == 'invite' else mode}" in printed
