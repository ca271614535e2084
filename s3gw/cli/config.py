"""`s3gw config`: every setting with its environment variable, value, default and meaning. Secrets are not shown.

.env.example and docs/configuration.md are what `--form env` and `--form markdown` print; a test holds them to it.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from s3gw.cli.command import Blobs, Data, DatabaseUrl, Json, group, refuse, settings_of, show
from s3gw.config import ConfigurationError, Settings
from s3gw.described_settings import default_values, describe
from s3gw.secret_files import PREFIX

app = group()

_ENV_HEAD = """\
# Settings of s3gw, with their defaults: copy this to .env in the folder where s3gw runs, or set the variables.
# A secret may also lie in a file: S3GW_ROOT_PASSWORD_FILE=/run/secrets/password.
"""
_MARKDOWN_HEAD = """\
# Configuration

Every setting is an environment variable. It may also stand in a file `.env` in the folder where s3gw runs, and some
are options of the command line; the option wins over the environment, the environment over `.env`. Lists are written
`a,b`. Times are seconds and sizes are bytes. A secret may lie in a file that the variable with `_FILE` names:
`S3GW_ROOT_PASSWORD_FILE=/run/secrets/password`. `s3gw config` prints what counts just now. A command that
reads them warns of variables `S3GW_…` that are no settings.

| variable | default | meaning |
| --- | --- | --- |
"""


@app.command()
def config(
    data: Data = None,
    database_url: DatabaseUrl = None,
    blobs: Blobs = None,
    form: Annotated[str, typer.Option(help="table, env (for a .env file) or markdown.")] = "table",
    as_json: Json = False,
) -> None:
    """Print every setting: its variable, value, default and meaning."""
    try:
        settings = settings_of(as_json, data=data, database_url=database_url, blobs=blobs)
    except ConfigurationError as error:
        refuse(str(error), as_json)
    if form == "env":
        print(as_env(), end="")
    elif form == "markdown":
        print(as_markdown(), end="")
    elif form == "table":
        show(describe(settings.model_dump(mode="json")), as_json)
    else:
        refuse(f"there is no form {form}: table, env or markdown", as_json)


def as_env() -> str:
    lines = [_ENV_HEAD]
    for name, default in default_values().items():
        lines.append(f"# {Settings.model_fields[name].description}\n# {PREFIX}{name.upper()}={_text(default)}\n")
    return "\n".join(lines)


def as_markdown() -> str:
    rows = []
    for name, default in default_values().items():
        shown = f"`{_text(default)}`" if _text(default) else ""
        meaning = str(Settings.model_fields[name].description).replace("|", "\\|")
        rows.append(f"| `{PREFIX}{name.upper()}` | {shown} | {meaning} |\n")
    return _MARKDOWN_HEAD + "".join(rows)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, list) else str(value)
