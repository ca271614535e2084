"""From where somebody asks: what sessions and the audit log tell of it."""

from __future__ import annotations

from typing import NamedTuple

from s3gw.metadata.audit import Actor


class Origin(NamedTuple):
    """`door` is s3, api, console, cli or job; the address is that of the client, behind trusted proxies too."""

    door: str
    address: str = ""
    user_agent: str = ""
    request_id: str = ""

    def actor(self, user_id: str = "", name: str = "") -> Actor:
        """As the audit log tells of the user, or of nobody who is known."""
        return Actor(user_id, name, self.door, self.address, self.request_id)
