"""`s3gw serve`: checks the settings, then becomes the supervisor (processes/supervisor.py)."""

from __future__ import annotations

import json
import os
import shlex
import ssl
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from s3gw import telemetry
from s3gw.cli.command import Blobs, Data, DatabaseUrl, group, refuse, settings_of, tell
from s3gw.config import ConfigurationError, Settings, wants_json_log
from s3gw.described_settings import sources_of
from s3gw.disks.faults import in_words
from s3gw.jobs import broker
from s3gw.processes.certificate import Certificate
from s3gw.processes.process import replace_this_process
from s3gw.processes.startup_report import log_line
from s3gw.registration_mode import registration_of

app = group()

_CERTIFICATE = "the TLS certificate or its key (--tls-cert, --tls-key; S3GW_TLS_CERT, S3GW_TLS_KEY)"


@app.command()
def serve(
    data: Data = None,
    listen: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Of S3; port 0 takes a free one.")] = None,
    admin_listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Of the JSON API and of health.")
    ] = None,
    share_listen: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Of the pages of share links.")] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes that serve, 256 at most; default: a core each.")
    ] = None,
    database_url: DatabaseUrl = None,
    blobs: Blobs = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM), reloaded when it changes.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line when ready.")] = False,
) -> None:
    """Serve S3 until SIGTERM or SIGINT (Ctrl+C)."""
    options = {
        "data": data,
        "listen": listen,
        "admin_listen": admin_listen,
        "share_listen": share_listen,
        "workers": workers,
        "database_url": database_url,
        "blobs": blobs,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
    }
    try:
        settings = settings_of(as_json, _tell, **options)
        _check_certificate(settings)
        if problem := telemetry.refusal(settings) or broker.refusal(settings):
            raise ConfigurationError(problem)
    except ConfigurationError as error:
        refuse(str(error), as_json, _tell)
    values = settings.model_dump(mode="json") | {"data": str(settings.data.absolute()), "sources": sources_of(options)}
    document = {
        "settings": values,
        "json": as_json,
        "key_command": _key_command(values),
        "registration": registration_of(settings),
    }
    source = _readable(json.dumps(document).encode())
    replace_this_process("s3gw.processes.supervisor", str(source))


def _tell(kind: str, message: str, as_json: bool) -> None:
    """The server's standard error is its log: a log in JSON has no other lines, but for what --json says of a start."""
    if wants_json_log() and not (as_json and kind == "error"):
        print(log_line("json", kind, message), file=sys.stderr, flush=True)
    else:
        tell(kind, message, as_json)


def _key_command(settings: dict[str, Any]) -> str:
    """What gives the admin another key, by the program as it was called: it needn't be on the PATH."""
    program = sys.argv[0] if os.path.basename(sys.argv[0]) == "s3gw" else "s3gw"
    return shlex.join((program, "key", "create", settings["root_user"], "--data", settings["data"]))


def _check_certificate(settings: Settings) -> None:
    if settings.tls_cert is not None and settings.tls_key is not None:
        try:
            Certificate(settings.tls_cert, settings.tls_key)
        except ssl.SSLError as error:
            reason = (error.reason or "not PEM, or not a certificate and its key").lower().replace("_", " ")
            raise ConfigurationError(f"{_CERTIFICATE} can't be used: {reason}") from None
        except OSError as error:
            raise ConfigurationError(f"{_CERTIFICATE} can't be used: {in_words(error)}") from None


def _readable(document: bytes) -> int:
    """A descriptor from which the supervisor reads the settings: secrets in arguments could be seen by everybody."""
    reading, writing = os.pipe()
    with open(writing, "wb") as pipe:
        pipe.write(document)  # far less than a pipe holds
    os.set_inheritable(reading, True)
    return reading
