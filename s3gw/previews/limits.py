"""What a preview may cost, and why one is refused: both are known to whoever asks for it and to the child."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from s3gw.previews.recipes import EDITION

READY = b"ready\n"
LARGEST_RESULT = 32 << 20  # bytes
MOST_ROWS = 100  # of a table's head
MOST_COLUMNS = 50
LONGEST_CELL = 200  # characters


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"


class Settings(Protocol):
    """What of config.py's is about it, which this can't import."""

    @property
    def preview_max_size(self) -> int: ...
    @property
    def preview_max_pixels(self) -> int: ...
    @property
    def preview_memory(self) -> int: ...
    @property
    def preview_timeout(self) -> float: ...


class Limits(NamedTuple):
    """`seconds` of CPU. By the clock it may take twice as long, as what serves requests comes first."""

    size: int
    pixels: int
    memory: int
    seconds: float

    @property
    def told(self) -> str:
        """A refusal is remembered with it: where it is another, it is tried again."""
        return f"{EDITION}/{self.size}/{self.pixels}/{self.memory}/{self.seconds:g}"


def limits_of(settings: Settings) -> Limits:
    return Limits(
        settings.preview_max_size, settings.preview_max_pixels, settings.preview_memory, settings.preview_timeout
    )


UNSUPPORTED = "unsupported"
# What people are told.
REASONS = {
    UNSUPPORTED: "There is no preview of what is in this file.",
    "animated": "It is animated, which would be lost.",
    "deep": "It has more than 8 bits for a color, which would be lost.",
    "broken": "It can't be decoded: it isn't whole, or isn't what it begins as.",
    "protected": "It is protected by a password.",
    "empty": "It has no page and no picture in it.",
    "no_page": "It has no such page.",
    "too_large": "It is larger than previews are made of (S3GW_PREVIEW_MAX_SIZE).",
    "too_many_pixels": "It has more pixels than previews are made of (S3GW_PREVIEW_MAX_PIXELS).",
    "too_much_memory": "Decoding it takes more memory than it may (S3GW_PREVIEW_MEMORY).",
    "too_slow": "Decoding it takes longer than it may (S3GW_PREVIEW_TIMEOUT).",
    "too_much_output": "What was made of it is too large.",
    "crashed": "Its decoder failed.",
}


class Refused(Exception):
    """There is no such preview, however often it is tried. `reason` is one of REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(REASONS[reason])
        self.reason = reason
