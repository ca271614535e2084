"""Log lines on standard error: what the program says, and one line per request.

Secrets are never logged: of a query only a few arguments are, because it may carry a signature or a session token.
Access lines are gathered and written some times a second: a write for each would cost more than forming it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol

from s3gw.moments import iso_of


class Asker(Protocol):
    """What an access line tells of a request."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def arguments(self) -> Mapping[str, str]: ...

    @property
    def client(self) -> str: ...


class Named(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...


class Answered(Protocol):
    """A request that has been answered, at whatever door. `request` is None where it couldn't even be read."""

    scope: Mapping[str, Any]
    door: str  # s3 | api | share | console
    started_at: float
    turned_at: float
    operation: str
    status: int
    error_code: str
    bytes_sent: int
    request_id: str
    was_aborted: bool

    @property
    def request(self) -> Asker | None: ...

    @property
    def principal(self) -> Named: ...

    @property
    def bytes_received(self) -> int: ...


_FLUSH_AFTER = 0.1  # seconds
_FLUSH_AT = 256  # lines
# Characters of what strangers can make long.
_LONGEST_PATH, _LONGEST_VALUE, _LONGEST_MESSAGE, _LONGEST_TRACEBACK = 1024, 200, 2000, 20_000
_TOLD_ARGUMENTS = ("prefix", "partNumber", "versionId")
_watchers: list[Callable[[Answered], None]] = []


def configure(log_format: str, access_log: bool, level: str = "info") -> None:
    """Once per process, at its start."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if log_format == "json" else _Text())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.getLogger("s3gw").setLevel(level.upper())
    for noisy in ("uvicorn", "botocore", "alembic", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it tells each form that is none
    # What an application raised was logged by the gateway, with the request's ID.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    _access_log.is_on, _access_log.as_json = access_log, log_format == "json"


def access(answer: Answered) -> None:
    """One line for a request that has been answered."""
    if _access_log.is_on:
        _access_log.add(answer)
    if _watchers:
        for watcher in _watchers:
            watcher(answer)


def watch(watcher: Callable[[Answered], None]) -> None:
    """Have somebody else told of each request too."""
    _watchers.append(watcher)


def flush() -> None:
    """Before a process ends."""
    _access_log.flush()


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        # What a client sent may be in the message; it must not begin a line of its own.
        message = _cut(record.getMessage(), _LONGEST_MESSAGE).replace("\n", "\\n").replace("\r", "\\r")
        line = f"{_timestamp(record.created)} {record.levelname.lower()} {record.name} {message}"
        return f"{line}\n{_traceback(self, record)}" if record.exc_info else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _cut(record.getMessage(), _LONGEST_MESSAGE),
        }
        if record.exc_info:
            line["traceback"] = _traceback(self, record)
        return json.dumps(line)


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    assert record.exc_info
    return _cut(formatter.formatException(record.exc_info), _LONGEST_TRACEBACK)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


class _AccessLog:
    """On the event loop only. Threads log by `logging`, and both write whole lines in one call."""

    def __init__(self) -> None:
        self.is_on = True
        self.as_json = False
        self._lines: list[str] = []
        self._second = (0, "")

    def add(self, answer: Answered) -> None:
        self._lines.append(json.dumps(self._fields(answer)) if self.as_json else self._text(answer))
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

    def _text(self, answer: Answered) -> str:
        """The same fields, in one piece: on the path of every request this costs a fifth of the general form."""
        scope, request, started_at = answer.scope, answer.request, answer.started_at
        turned_at = answer.turned_at or started_at
        told = request.arguments if request is not None else None
        return (
            f"{self._now()} info s3gw.access client={_client(answer)} method={scope['method']} path={_path(scope)}"
            f" operation={answer.operation} status={answer.status} error={answer.error_code}"
            f" bytes_in={answer.bytes_received} bytes={answer.bytes_sent}"
            f" ms={(time.perf_counter() - started_at) * 1000:.2f} first_byte_ms={(turned_at - started_at) * 1000:.2f}"
            f" user={answer.principal.name} agent={_quoted(_agent(answer))} request_id={answer.request_id}"
            f"{_arguments_text(told) if told else ''}{' aborted=True' if answer.was_aborted else ''}"
        )

    def _fields(self, answer: Answered) -> dict[str, Any]:
        scope, request, started_at = answer.scope, answer.request, answer.started_at
        return {
            "time": self._now(),
            "level": "info",
            "logger": "s3gw.access",
            "client": _client(answer),
            "method": scope["method"],
            "path": _path(scope),
            "operation": answer.operation,
            "status": answer.status,
            "error": answer.error_code,
            "bytes_in": answer.bytes_received,
            "bytes": answer.bytes_sent,
            "ms": round((time.perf_counter() - started_at) * 1000, 2),
            "first_byte_ms": round(((answer.turned_at or started_at) - started_at) * 1000, 2),
            "user": answer.principal.name,
            "agent": _cut(_agent(answer), _LONGEST_VALUE),
            "request_id": answer.request_id,
            **(_arguments(request.arguments) if request is not None else {}),
            "aborted": True if answer.was_aborted else None,
        }

    def _now(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second[0]:
            self._second = (second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S"))
        return f"{self._second[1]}.{int((now - second) * 1000):03}Z"


_access_log = _AccessLog()


def _client(answer: Answered) -> str:
    if answer.request is not None:
        return answer.request.client[:_LONGEST_VALUE]
    peer = answer.scope.get("client")
    return peer[0] if peer else "-"


def _path(scope: Mapping[str, Any]) -> str:
    path: bytes = scope.get("raw_path") or b"/"
    if len(path) > _LONGEST_PATH:
        return path[:_LONGEST_PATH].decode("ascii", "backslashreplace") + "…"
    return path.decode("ascii", "backslashreplace")


def _agent(answer: Answered) -> str:
    if answer.request is not None:
        return answer.request.headers.get("user-agent", "-")
    # A request that couldn't even be read, or one that has no application.
    headers: dict[bytes, bytes] = dict(answer.scope.get("headers", ()))
    return headers.get(b"user-agent", b"-").decode("latin-1")


@lru_cache(maxsize=64)
def _quoted(value: str) -> str:
    return json.dumps(_cut(value, _LONGEST_VALUE))


def _arguments(arguments: Mapping[str, str]) -> dict[str, str]:
    """Those that say what was asked for. Others may be secrets."""
    return {name: _cut(arguments[name], _LONGEST_VALUE) for name in _TOLD_ARGUMENTS if name in arguments}


def _arguments_text(arguments: Mapping[str, str]) -> str:
    return "".join(f" {name}={json.dumps(value)}" for name, value in _arguments(arguments).items())


def _timestamp(seconds: float) -> str:
    return iso_of(int(seconds * 1_000_000))
