"""Log lines on standard error: what the program says, and one line per request.

Secrets are never logged: of a request only the path is, because a query may carry a signature or a session token.
Access lines are gathered and written some times a second: a write for each would cost more than forming it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from s3gw.exchange import Exchange

_FLUSH_AFTER = 0.1  # seconds
_FLUSH_AT = 256  # lines


def configure(log_format: str, access_log: bool) -> None:
    """Once per process, at its start."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if log_format == "json" else _Text())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for noisy in ("uvicorn", "botocore", "alembic", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # What an application raised was logged by the gateway, with the request's ID.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    _access_log.is_on, _access_log.as_json = access_log, log_format == "json"


def access(exchange: Exchange) -> None:
    """One line for a request that has been answered."""
    if _access_log.is_on:
        _access_log.add(exchange)


def flush() -> None:
    """Before a process ends."""
    _access_log.flush()


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        # What a client sent may be in the message; it must not begin a line of its own.
        message = record.getMessage().replace("\n", "\\n").replace("\r", "\\r")
        line = f"{_timestamp(record.created)} {record.levelname.lower()} {record.name} {message}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


class _AccessLog:
    """On the event loop only. Threads log by `logging`, and both write whole lines in one call."""

    def __init__(self) -> None:
        self.is_on = True
        self.as_json = False
        self._lines: list[str] = []
        self._second = (0, "")

    def add(self, exchange: Exchange) -> None:
        self._lines.append(json.dumps(self._fields(exchange)) if self.as_json else self._text(exchange))
        if len(self._lines) >= _FLUSH_AT:
            self.flush()
        elif len(self._lines) == 1:
            asyncio.get_running_loop().call_later(_FLUSH_AFTER, self.flush)

    def flush(self) -> None:
        if self._lines:
            lines, self._lines = self._lines, []
            with suppress(OSError):  # a full disk: an answer isn't lost with its line
                sys.stderr.write("\n".join(lines) + "\n")
                sys.stderr.flush()

    def _text(self, exchange: Exchange) -> str:
        """The same fields, in one piece: on the path of every request this costs a fifth of the general form."""
        scope, request, peer = exchange.scope, exchange.request, exchange.scope.get("client")
        client = request.client if request is not None else peer[0] if peer else "-"
        path = (scope.get("raw_path") or b"/").decode("ascii", "backslashreplace")
        return (
            f"time={self._now()} level=access client={client} method={scope['method']} path={path}"
            f" operation={exchange.operation} status={exchange.status} bytes={exchange.bytes_sent}"
            f" ms={(time.perf_counter() - exchange.started_at) * 1000:.2f} user={exchange.principal.name}"
            f" request_id={exchange.request_id}{' aborted=True' if exchange.was_aborted else ''}"
        )

    def _fields(self, exchange: Exchange) -> dict[str, Any]:
        scope, request = exchange.scope, exchange.request
        path = scope.get("raw_path") or b"/"
        peer = scope.get("client")
        return {
            "time": self._now(),
            "level": "access",
            "client": request.client if request is not None else peer[0] if peer else "-",
            "method": scope["method"],
            "path": path.decode("ascii", "backslashreplace"),
            "operation": exchange.operation,
            "status": exchange.status,
            "bytes": exchange.bytes_sent,
            "ms": round((time.perf_counter() - exchange.started_at) * 1000, 2),
            "user": exchange.principal.name,
            "request_id": exchange.request_id,
            "aborted": True if exchange.was_aborted else None,
        }

    def _now(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second[0]:
            self._second = (second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S"))
        return f"{self._second[1]}.{int((now - second) * 1000):03}Z"


_access_log = _AccessLog()


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
