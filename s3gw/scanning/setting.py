"""Which scanner the settings name: ClamAV's daemon by its address, or a command."""

from __future__ import annotations

import shlex
from typing import Protocol

from s3gw.addresses import parse_address

UNIX = "unix:"


class Settings(Protocol):
    """What of config.py's is about it, which this can't import."""

    @property
    def scan_clamd(self) -> str | None: ...
    @property
    def scan_command(self) -> str | None: ...


def has_scanner(settings: Settings) -> bool:
    return settings.scan_clamd is not None or settings.scan_command is not None


def check_scanner(policy: str, clamd: str | None, command: str | None) -> None:
    """Raises ValueError with what is wrong."""
    if clamd is not None and command is not None:
        raise ValueError("S3GW_SCAN_CLAMD and S3GW_SCAN_COMMAND are two scanners: give one")
    if policy != "off" and clamd is None and command is None:
        raise ValueError("S3GW_SCAN needs S3GW_SCAN_CLAMD or S3GW_SCAN_COMMAND")
    if clamd is not None and not clamd.startswith(f"{UNIX}/"):
        try:
            parse_address(clamd)
        except ValueError as error:
            raise ValueError(f"S3GW_SCAN_CLAMD: {error}; or unix:/PATH") from None
    if command is not None:
        try:
            words_of(command)
        except ValueError:
            raise ValueError("S3GW_SCAN_COMMAND is a program and its arguments, quoted as for a shell") from None


def words_of(command: str) -> list[str]:
    """The program and its arguments. Raises ValueError."""
    words = shlex.split(command)
    if not words:
        raise ValueError("no program")
    return words
