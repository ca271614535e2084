"""From where somebody asks: what sessions and the audit log tell of it."""

from __future__ import annotations

from typing import NamedTuple


class Origin(NamedTuple):
    """`door` is s3, api, console, cli or job; the address is that of the client, behind trusted proxies too."""

    door: str
    address: str = ""
    user_agent: str = ""
    request_id: str = ""
