"""Commands as a person or a script gives them, on a folder or beside a running server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from typer.testing import CliRunner, Result

from s3gw.cli import app
from tests.servers import RunningServer

Command = Callable[..., Result]
Ask = Callable[..., Any]


def command(*where: str) -> Command:
    def run(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(app, [*arguments, *where], **options)

    return run


def asking(run: Command) -> Ask:
    def ask(*arguments: str, **options: Any) -> Any:
        """The JSON document that a command prints."""
        result = run(*arguments, "--json", **options)
        assert result.exit_code == 0, result.output
        assert result.stdout.count("\n") == 1
        return json.loads(result.stdout)

    return ask


def beside(server: RunningServer) -> Ask:
    url = server.settings.get("S3GW_DATABASE_URL")
    return asking(command("--data", server.facts["data"], *(["--database-url", url] if url else [])))


def refusal(result: Result) -> str:
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return result.stderr
