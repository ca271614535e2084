"""The scanner that the settings name."""

from __future__ import annotations

from s3gw.scanning.clamd import Clamd
from s3gw.scanning.command import Command
from s3gw.scanning.scanner import Scanner
from s3gw.scanning.setting import words_of


def scanner_of(clamd: str | None, command: str | None, patience: float) -> Scanner | None:
    """None: there is none."""
    if clamd is not None:
        return Clamd(clamd, patience)
    return None if command is None else Command(words_of(command), patience)
