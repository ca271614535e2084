"""What every scanner does: look at bytes that are handed to it piece by piece, and say which signatures it has."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import NamedTuple, Protocol

Piece = bytes | memoryview
LONGEST_NAME = 200  # characters of a threat's name, and of a version


class Found(NamedTuple):
    """`threat` is the scanner's name of what it found; None: nothing."""

    threat: str | None


class ScannerDown(Exception):
    """It can't be asked at all: nothing else needs to be tried just now."""


class ScanFailed(Exception):
    """It didn't say whether this content is clean; trying again may help."""


class TooLargeToScan(Exception):
    """It doesn't look at contents of this size, however often it is asked."""


class Scanner(Protocol):
    """Used on the event loop only."""

    async def version(self) -> str:
        """Of itself and of its signatures: another one after each update of these. Raises ScannerDown."""

    async def scan(self, pieces: AsyncIterable[Piece]) -> Found:
        """Raises ScannerDown, ScanFailed and TooLargeToScan, and what `pieces` raises."""


def printable(text: str) -> str:
    """What a scanner says is shown to people and stored: short, and nothing that isn't printed."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:LONGEST_NAME])
