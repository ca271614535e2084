"""From where somebody asks: what sessions and the audit log tell of it, and what policies may ask about it."""

from __future__ import annotations

from typing import NamedTuple

from s3gw.metadata.audit import Actor
from s3gw.operations.call import GivenContext


class Origin(NamedTuple):
    """`door` is s3, api, console, cli or job; the address is that of the client, behind trusted proxies too.
    `traceparent`, as W3C writes it: the trace that he is in.
    """

    door: str
    address: str = ""
    user_agent: str = ""
    request_id: str = ""
    is_secure: bool = False
    referer: str | None = None
    traceparent: str | None = None

    @property
    def context(self) -> GivenContext:
        return GivenContext(self.address or None, self.is_secure, self.user_agent or None, self.referer)

    def actor(self, user_id: str = "", name: str = "") -> Actor:
        """As the audit log tells of the user, or of nobody who is known."""
        return Actor(user_id, name, self.door, self.address, self.request_id)
