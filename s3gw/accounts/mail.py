"""How messages leave: by SMTP where a server is set, and otherwise as files of the data folder, for whoever runs it."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from s3gw.config import Settings

_PATIENCE = 30.0  # seconds that a mail server has
_logger = logging.getLogger("s3gw.mail")


class Sender(Protocol):
    async def send(self, message: EmailMessage) -> None:
        """Raises OSError, or what the library does, where it couldn't be handed over."""


class ByServer:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, message: EmailMessage) -> None:
        import aiosmtplib

        settings = self._settings
        await aiosmtplib.send(
            message,
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_user,
            password=settings.smtp_password,
            use_tls=settings.smtp_security == "tls",
            start_tls=settings.smtp_security == "starttls",
            tls_context=ssl.create_default_context() if settings.smtp_security != "none" else None,
            timeout=_PATIENCE,
        )


class InFolder:
    """Each message is a file `….eml`, which its owner alone may read: it holds a link that lets in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, message: EmailMessage) -> None:
        await asyncio.to_thread(self._write, message.as_bytes())

    def _write(self, message: bytes) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        name = f"{formatdate(localtime=False)[5:25].replace(' ', '-').replace(':', '')}-{secrets.token_hex(4)}"
        scratch = self._folder / f".{name}"
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(message)
        scratch.rename(self._folder / f"{name}.eml")


def sender_of(settings: Settings) -> Sender:
    return InFolder(settings.data / "mail") if settings.smtp_host is None else ByServer(settings)


async def send(settings: Settings, to: str, subject: str, text: str) -> bool:
    """Whether it was handed over. Where it couldn't be, the log says why: whoever asked for it mustn't learn that."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = settings.mail_from, to, subject
    message["Date"], message["Message-ID"] = formatdate(localtime=False), make_msgid(domain="s3gw")
    # Otherwise a link of more than 78 characters is broken into lines: nobody could copy it out of a file.
    message.set_content(text, cte="7bit" if text.isascii() else None)
    try:
        await sender_of(settings).send(message)
    except Exception as error:  # the library's errors are no family, and none of them is worth a failed request
        _logger.error("a message could not be sent: %s", error)
        return False
    return True
