"""What a file that is put into a drop box is called: as its sender calls it, within the folder, and cut to what keys
have room for.
"""

from __future__ import annotations

import re

from s3gw.operations.drop_file import SUFFIX
from s3gw.share.visit import Gone, Visit

_CONTROL = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")  # what doesn't show, or turns the rest around
_HEADER_TEXT = re.compile(r"[ -~]{1,255}")
_LONGEST_NAME = 200  # bytes, as far as the folder leaves room for it


def key_of(given: str, visit: Visit) -> str:
    """Raises Gone for a folder of which the keys are so long already."""
    return f"{visit.link.prefix}{_cut(name_of(given), visit)}"


def name_of(given: str) -> str:
    """What is behind the last slash of whatever kind, and never a name that some file systems take for a place."""
    name = _CONTROL.sub("", re.split(r"[/\\]", given)[-1]).strip()
    return name if name.strip(".") else "file"


def dropped_type(given: str | None) -> str | None:
    """None for what no header can have: then the first bytes tell."""
    return given if given is not None and _HEADER_TEXT.fullmatch(given) else None


def _cut(name: str, visit: Visit) -> str:
    """As much of it as there is room for, with its ending, and room for a suffix."""
    left = visit.services.settings.max_key - len(visit.link.prefix.encode()) - SUFFIX
    room = min(left, _LONGEST_NAME)
    if room < 1:
        raise Gone
    stem, dot, ending = name.rpartition(".")
    tail = f"{dot}{ending}".encode() if stem and len(ending.encode()) <= 16 else b""
    if len(tail) >= room:
        tail = b""
    head = (name.encode()[: len(name.encode()) - len(tail)])[: room - len(tail)]
    return head.decode("utf-8", "ignore") + tail.decode()
