"""What `s3gw serve` tells: its banner, what it made up at the first start, and the supervisor's lines in the log.

Standard output is for whoever started it: a banner, or with --json one JSON line. Standard error is the log, in the
format that was chosen. Secrets go to standard output, once, and never into the log.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import Any

from s3gw import __version__

_SIGN_UP = {
    "open": "open: whoever reaches the JSON API may register (S3GW_REGISTRATION)",
    "invite": "by invitation (s3gw invite create)",
    "closed": "closed: users are made by admins",
}


class StartupReport:
    """`settings` is the JSON form of config.Settings; `key_command` the command that makes the admin another key.
    `registration` is the mode that is in force: open | invite | closed.
    """

    def __init__(self, settings: dict[str, Any], as_json: bool, key_command: str, registration: str) -> None:
        self._settings = settings
        self._as_json = as_json
        self._key_command = key_command
        self._registration = registration
        self._untold: dict[str, str] = {}

    def tell_credentials(self, made_up: dict[str, str]) -> None:
        """At once, because they are never shown again; with --json they are part of the one line."""
        if self._as_json:
            self._untold = made_up
        elif made_up:
            print(_credentials(made_up, self._settings["region"], self._settings["root_user"]), flush=True)

    def tell_ready(self, facts: dict[str, Any], made_up: dict[str, str]) -> None:
        self._untold = {}
        facts = facts | {"registration": self._registration}
        if self._as_json:
            print(json.dumps(facts | made_up), flush=True)
        else:
            print(_banner(facts, self._settings, self._key_command, "access_key_id" in made_up), flush=True)

    def tell_rest(self) -> None:
        """Before the end: what was made up, when the server never became ready to tell it."""
        if self._untold:
            print(json.dumps(self._untold), flush=True)
            self._untold = {}

    def log(self, level: str, message: str) -> None:
        with contextlib.suppress(OSError):  # a full disk: the processes are kept alive nevertheless
            print(log_line(self._settings["log_format"], level, message), file=sys.stderr, flush=True)

    def refuse(self, message: str) -> None:
        """Why it can't start, in one line."""
        if self._as_json:
            print(json.dumps({"error": message}), file=sys.stderr, flush=True)
        elif self._settings["log_format"] == "json":
            self.log("error", message)
        else:
            print(f"s3gw: {message}", file=sys.stderr, flush=True)


def log_line(form: str, level: str, message: str) -> str:
    """As log.py forms it, without `logging`, which the supervisor can do without."""
    now = time.time()
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03}Z"
    if form == "json":
        return json.dumps({"time": stamp, "level": level, "logger": "s3gw.server", "message": message})
    return f"{stamp} {level} s3gw.server {message}"


def _credentials(made_up: dict[str, str], region: str, user: str) -> str:
    lines = [f"Made up for the user {user}. These secrets are printed only now: keep them.", ""]
    if "access_key_id" in made_up:
        lines += [
            f"    export AWS_ACCESS_KEY_ID={made_up['access_key_id']}",
            f"    export AWS_SECRET_ACCESS_KEY={made_up['secret_access_key']}",
            f"    export AWS_REGION={region}",
        ]
    if "admin_password" in made_up:
        lines += ["", f"Admin password, for the console and the JSON API: {made_up['admin_password']}"]
    return "\n".join([*lines, ""])


def _banner(facts: dict[str, Any], settings: dict[str, Any], key_command: str, has_keys_above: bool) -> str:
    url = settings["database_url"] or ""
    keys = "Next, in another terminal, with AWS's command line and the keys above:"
    if not has_keys_above:
        keys = f"With AWS's command line and a key (a new one: {key_command}):"
    first = "mb s3://first-bucket" if has_keys_above else "ls"
    database = "PostgreSQL" if url.startswith("postgres") else f"SQLite, {url.removeprefix('sqlite:///') or 'in Data'}"
    return "\n".join(
        (
            f"s3gw {__version__} is ready. Ctrl+C stops it.",
            "",
            f"    S3        {facts['s3']}",
            f"    Console   {facts['admin']}/",
            f"    JSON API  {facts['admin']}/docs",
            f"    Links     {facts['share']}",
            f"    Health    {facts['admin']}/readyz",
            f"    Data      {facts['data']}",
            f"    Database  {database}",
            f"    Workers   {facts['workers']}",
            f"    Sign-up   {_SIGN_UP[facts['registration']]}",
            "",
            keys,
            "",
            f"    aws --endpoint-url {facts['s3']} --region {settings['region']} s3 {first}",
            "",
        )
    )
