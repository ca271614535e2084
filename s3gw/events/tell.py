"""Tells deliveries to their targets. What a kind of target needs is loaded when the first is told something."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from s3gw.events.message import Message
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
        message = Message(f"msg_{delivery.target_id}_{delivery.id}", int(time.time()), delivery.message.encode())
        if kind not in self._senders:
            self._senders[kind] = self._open(kind)
        await self._senders[kind].tell(secrets, message)

    def _open(self, kind: Kind) -> Sender:
        from s3gw.events.webhook import Webhooks

        return Webhooks(self._networks)

    async def close(self) -> None:
        for sender in self._senders.values():
            await sender.close()
