"""Telling an event to an exchange by AMQP 0-9-1: a persistent message, which the broker has confirmed.

Source: rabbitmq.com/docs/confirms. A message that reaches no queue is returned (`mandatory`), and isn't told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiormq import AMQPError, Connection, TransportFactory, spec
from aiormq.abc import AbstractChannel

from s3gw.events.attempt import attempt
from s3gw.events.destination import amqp_exchange_in
from s3gw.events.kept import Kept
from s3gw.events.message import Message
from s3gw.events.reach import Network, allowed_address

if TYPE_CHECKING:
    from s3gw.events.message import Secrets

_PERSISTENT = 2
logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # what it says of a connection is told of the target


class _Checked(TransportFactory):
    """Connects to the address that was looked at."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks

    async def create(self, url: Any, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = options.pop("ssl_context_provider")
        host, port = url.host or "", url.port or 0
        address = await allowed_address(host, port, self._networks)
        tls = {"ssl": await context.get_context(), "server_hostname": host} if url.scheme == "amqps" else {}
        return await asyncio.open_connection(address, port, **tls, **options)


class AmqpExchanges:
    """The connections to all of them. Used on the event loop only."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._transport = _Checked(networks)
        self._kept: Kept[AbstractChannel] = Kept(self._open, lambda channel: not channel.is_closed, _close)

    async def tell(self, secrets: Secrets, message: Message) -> None:
        """Raises NotTold."""
        to = amqp_exchange_in(urlsplit(secrets.url))
        properties = spec.Basic.Properties(
            message_id=message.id,
            message_type=message.event,
            timestamp=datetime.fromtimestamp(message.at, UTC),
            content_type="application/json",
            delivery_mode=_PERSISTENT,
        )
        routing_key = to.routing_key or message.event.replace(":", ".")
        async with attempt(AMQPError, UnicodeError, RuntimeError):
            channel = await self._kept.get(secrets.url)
            await channel.basic_publish(
                message.body, exchange=to.exchange, routing_key=routing_key, properties=properties, mandatory=True
            )

    async def _open(self, url: str) -> AbstractChannel:
        to = amqp_exchange_in(urlsplit(url))
        connection = Connection(to.server, transport_factory=self._transport)
        await connection.connect()
        try:
            return await connection.channel(publisher_confirms=True)
        except BaseException:
            await connection.close()
            raise

    async def close(self) -> None:
        await self._kept.close()


async def _close(channel: AbstractChannel) -> None:
    await channel.connection.close()
