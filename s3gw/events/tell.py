"""Tells deliveries to their targets. What a kind of target needs is loaded when the first is told something."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from s3gw.events.message import Message, NotTold
from s3gw.events.names import whole
from s3gw.events.reach import networks_of

if TYPE_CHECKING:
    from s3gw.config import Settings
    from s3gw.events.message import Secrets
    from s3gw.metadata.event_deliveries import Delivery
    from s3gw.metadata.event_targets import Kind


class Sender(Protocol):
    """The connections to all targets of a kind."""

    async def tell(self, secrets: Secrets, message: Message) -> None:
        """Raises NotTold."""

    async def close(self) -> None: ...


class Teller:
    """Used on the event loop only."""

    def __init__(self, settings: Settings) -> None:
        self._networks = networks_of(settings.event_networks)
        self._senders: dict[Kind, Sender] = {}

    async def tell(self, kind: Kind, secrets: Secrets, delivery: Delivery) -> None:
        """Raises NotTold."""
        message_id, event = f"msg_{delivery.target_id}_{delivery.id}", whole(delivery.event)
        message = Message(message_id, int(time.time()), event, delivery.message.encode())
        if kind not in self._senders:
            self._senders[kind] = self._open(kind)
        await self._senders[kind].tell(secrets, message)

    def _open(self, kind: Kind) -> Sender:
        """Raises NotTold where the library isn't there."""
        try:
            match kind:
                case "webhook":
                    from s3gw.events.webhook import Webhooks

                    return Webhooks(self._networks)
                case "redis":
                    from s3gw.events.redis_streams import RedisStreams

                    return RedisStreams(self._networks)
                case "amqp":
                    from s3gw.events.amqp import AmqpExchanges

                    return AmqpExchanges(self._networks)
        except ImportError as error:
            raise NotTold(f"a library is missing: pip install 's3gw[{kind}]'") from error

    async def close(self) -> None:
        for sender in self._senders.values():
            await sender.close()
