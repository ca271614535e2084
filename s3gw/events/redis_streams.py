"""Telling an event to Redis: an entry of a stream (XADD), which lasts until the stream is trimmed.

Source: redis.io/docs, "Redis Streams". The entry's fields are `id` (the same at each attempt), `event`, `at` (seconds
since the epoch) and `body`, which is what a webhook gets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from s3gw.events.attempt import attempt
from s3gw.events.destination import redis_stream_in
from s3gw.events.kept import Kept
from s3gw.events.message import PATIENCE, Message
from s3gw.events.reach import Network, allowed_address

if TYPE_CHECKING:
    from s3gw.events.message import Secrets

_CONNECTIONS = 8  # of a target


class _Checked:
    """Connects to the address that was looked at."""

    def __init__(self, *, networks: Sequence[Network], **options: Any) -> None:
        super().__init__(**options)
        self._networks = networks
        self._address = ""

    async def _connect(self) -> None:
        self._address = await allowed_address(self.host, self.port, self._networks)  # type: ignore[attr-defined]
        await super()._connect()  # type: ignore[misc]


class _Plain(_Checked, Connection):
    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "host": self._address}


class _Tls(_Checked, SSLConnection):
    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "host": self._address, "server_hostname": self.host}


class RedisStreams:
    """The connections to all of them. Used on the event loop only."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks
        self._kept: Kept[Redis] = Kept(self._open, lambda client: True, _close)

    async def tell(self, secrets: Secrets, message: Message) -> None:
        """Raises NotTold."""
        fields: Any = {"id": message.id, "event": message.event, "at": message.at, "body": message.body}
        to = redis_stream_in(urlsplit(secrets.url))
        async with attempt(RedisError, UnicodeError):
            client = await self._kept.get(secrets.url)
            await client.xadd(to.stream, fields, maxlen=to.max_length, approximate=True)

    async def _open(self, url: str) -> Redis:
        """Connects when it is told something, and anew when a connection has broken."""
        to = redis_stream_in(urlsplit(url))
        pool = BlockingConnectionPool(
            connection_class=_Tls if to.has_tls else _Plain,
            max_connections=_CONNECTIONS,
            timeout=PATIENCE,
            networks=self._networks,
            host=to.host,
            port=to.port,
            username=to.user,
            password=to.password,
            db=to.database,
            retry=Retry(NoBackoff(), 0),  # what wasn't told is told again later
        )
        return Redis.from_pool(pool)

    async def close(self) -> None:
        await self._kept.close()


async def _close(client: Redis) -> None:
    await client.aclose()
