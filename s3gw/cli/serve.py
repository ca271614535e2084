"""`s3gw serve`: checks the settings, then becomes the supervisor (server/supervisor.py)."""

from __future__ import annotations

import json
import os
import ssl
from pathlib import Path
from typing import Annotated

import typer

from s3gw.cli.command import Data, DatabaseUrl, group, refuse, settings_of
from s3gw.config import ConfigurationError, Settings
from s3gw.server.certificate import Certificate
from s3gw.server.processes import replace_this_process

app = group()


@app.command()
def serve(
    data: Data = None,
    listen: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Of S3; port 0 takes a free one.")] = None,
    admin_listen: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Of the JSON API.")] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Processes that serve; default: one a core.")] = None,
    database_url: DatabaseUrl = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM), reloaded when it changes.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line when ready.")] = False,
) -> None:
    """Serve S3 and the JSON API until SIGTERM or SIGINT."""
    try:
        settings = settings_of(
            as_json,
            data=data,
            listen=listen,
            admin_listen=admin_listen,
            workers=workers,
            database_url=database_url,
            tls_cert=tls_cert,
            tls_key=tls_key,
        )
        _check_certificate(settings)
    except ConfigurationError as error:
        refuse(str(error), as_json)
    values = settings.model_dump(mode="json") | {"data": str(settings.data.absolute())}
    source = _readable(json.dumps({"settings": values, "json": as_json}).encode())
    replace_this_process("s3gw.server.supervisor", str(source))


def _check_certificate(settings: Settings) -> None:
    if settings.tls_cert is not None and settings.tls_key is not None:
        try:
            Certificate(settings.tls_cert, settings.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"the TLS certificate or its key can't be used: {error}") from None


def _readable(document: bytes) -> int:
    """A descriptor from which the supervisor reads the settings: secrets in arguments could be seen by everybody."""
    reading, writing = os.pipe()
    with open(writing, "wb") as pipe:
        pipe.write(document)  # far less than a pipe holds
    os.set_inheritable(reading, True)
    return reading
