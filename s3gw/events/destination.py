"""Where at a server a message goes: what the URL of a target says of Redis (database and stream) and of AMQP (exchange
and routing key). No I/O, and neither library is needed to read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote

_MOST_DATABASES = 1_000_000
_MOST_ENTRIES = 1_000_000_000
_LONGEST_NAME = 255  # bytes; of AMQP's short strings
STREAM = "s3gw-events"


class RedisStream(NamedTuple):
    """`max_length`: how many entries it keeps, nearly; None: all."""

    has_tls: bool
    host: str
    port: int
    user: str | None
    password: str | None
    database: int
    stream: str
    max_length: int | None


class AmqpExchange(NamedTuple):
    """`server` is the URL without what is about messages. `exchange` "" is the one that every queue is bound to by its
    name; `routing_key` None: the event's name, with dots for its colons.
    """

    server: str
    exchange: str
    routing_key: str | None


def redis_stream_in(parts: SplitResult) -> RedisStream:
    """`redis://[user:password@]host[:port][/database][?stream=NAME&maxlen=N]`. Raises ValueError."""
    given = _query_of(parts, ("stream", "maxlen"))
    return RedisStream(
        has_tls=parts.scheme == "rediss",
        host=parts.hostname or "",
        port=parts.port or 6379,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        database=_number(parts.path.strip("/") or "0", 0, _MOST_DATABASES, "the path is the number of a database"),
        stream=given.get("stream", STREAM),
        max_length=_number(given["maxlen"], 1, _MOST_ENTRIES, "maxlen is a number") if "maxlen" in given else None,
    )


def amqp_exchange_in(parts: SplitResult) -> AmqpExchange:
    """`amqp://[user:password@]host[:port][/vhost]?[exchange=NAME][&routing_key=KEY]`. Raises ValueError."""
    given = _query_of(parts, ("exchange", "routing_key"))
    exchange, routing_key = given.get("exchange", ""), given.get("routing_key")
    if not exchange and not routing_key:
        raise ValueError("name an exchange, or a queue: ?exchange=NAME, or ?routing_key=QUEUE")
    return AmqpExchange(parts._replace(query="").geturl(), exchange, routing_key)


def _query_of(parts: SplitResult, names: Sequence[str]) -> dict[str, str]:
    """Nothing else may be said there: the libraries would take the names of files on this machine."""
    given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True) if parts.query else []
    found = dict(given)
    if not found.keys() <= set(names) or len(found) < len(given):
        raise ValueError(f"behind the ? of a {parts.scheme}:// URL are {' and '.join(names)}, each once")
    if any(not value or len(value.encode()) > _LONGEST_NAME for value in found.values()):
        raise ValueError(f"a name behind the ? has 1 to {_LONGEST_NAME} bytes")
    return found


def _number(text: str, least: int, most: int, meaning: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
        raise ValueError(f"{meaning}, {least} to {most}")
    return int(text)
