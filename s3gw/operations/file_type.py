"""What kind of file some bytes are, by the first of them."""

from __future__ import annotations

import re

FIRST = 8192  # bytes that are looked at
UNKNOWN = "application/octet-stream"
TEXT = "text/plain; charset=utf-8"
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
# Less is two bytes that other files begin with as well. Texts need more, since they begin with anything.
_LEAST, _LEAST_OF_TEXT = 0.3, 0.4
# The library takes an archive for the first format that is one: which it is, its end tells.
_ARCHIVES = {b"PK\x03\x04": "application/zip", b"PK\x05\x06": "application/zip"}


def type_of(first: bytes) -> str:
    """A MIME type; text that isn't known to be more is plain."""
    if first[:4] in _ARCHIVES:
        return _ARCHIVES[first[:4]]
    is_text = _is_text(first)
    found, confidence = _recognized(first) if first else ("", 0.0)
    if confidence >= (_LEAST_OF_TEXT if is_text else _LEAST):
        return found
    return TEXT if is_text and first else UNKNOWN


def _recognized(first: bytes) -> tuple[str, float]:
    import puremagic  # its table takes time to load

    try:
        matches = puremagic.magic_string(first)
    except (puremagic.PureError, ValueError):
        matches = []
    named = [(str(match.mime_type), float(match.confidence)) for match in matches if match.mime_type]
    return max(named, key=lambda match: match[1], default=("", 0.0))


def _is_text(first: bytes) -> bool:
    """A character that the piece ends in the middle of doesn't count."""
    try:
        text = first.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(first) < FIRST or error.start < len(first) - 3:
            return False
        text = first[: error.start].decode("utf-8")
    return not _CONTROL.search(text)
