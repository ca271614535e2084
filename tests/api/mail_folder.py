"""Messages in the folder `mail` of a server's data, and the links in them."""

from __future__ import annotations

import email
import re
import time
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import default
from typing import cast

from tests.servers import RunningServer


def token_of(text: str) -> str:
    (token,) = re.findall(r"(?:token|invitation)=([A-Za-z0-9_-]+)", text)
    return str(token)


def messages(server: RunningServer) -> Iterator[EmailMessage]:
    """The newest first; only their owner may read them."""
    for path in sorted((server.data / "mail").glob("*.eml"), key=lambda path: -path.stat().st_mtime_ns):
        assert path.stat().st_mode & 0o077 == 0
        yield cast(EmailMessage, email.message_from_bytes(path.read_bytes(), policy=default))


def message_to(server: RunningServer, address: str, subject: str) -> str:
    """The newest one in the folder; it is written after the answer."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for message in messages(server):
            if (message["To"], message["Subject"]) == (address, subject):
                return str(message.get_content())
        time.sleep(0.02)
    raise AssertionError(f"no message to {address}")
