"""What somebody meant who misspelt an action or a condition key, for what people are told."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from s3gw.access.actions import ACTIONS
from s3gw.access.condition_keys import KEYS

_CLOSE = 0.75  # of difflib's ratio; all names begin alike
_LONGEST = 64  # of a name that is looked for: comparing costs time by length


def hint_of_action(name: str) -> str:
    """ "; did you mean …?", or nothing."""
    return _hint(name, ACTIONS)


def hint_of_key(name: str) -> str:
    stem = name.partition("/")[0]
    return _hint(stem, (key.name.removesuffix("/") for key in KEYS.values()))


def _hint(name: str, known: Iterable[str]) -> str:
    lowered = {item.lower(): item for item in known}
    close = get_close_matches(name.lower(), lowered, 1, _CLOSE) if len(name) <= _LONGEST else ()
    return f"; did you mean {lowered[close[0]]}?" if close else ""
