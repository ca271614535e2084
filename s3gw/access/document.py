"""A policy's text: JSON whose size, depth and repeated names are checked before anything is made of it."""

from __future__ import annotations

import json
import re
from typing import Any

# {Statement: [{Condition: {operator: {key: [value]}}}]} is 6 deep.
DEEPEST = 8
# Of the text as it was sent, white space included.
LONGEST_TEXT = 256 * 1024

# One that isn't closed reaches to the end: then no quote is looked at twice.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n]+")
_BRACKETS = re.compile(r"[\[\]{}]")

TOO_LARGE = "Policy exceeds the maximum allowed document size."
NOT_AN_OBJECT = "Policies must be valid JSON and the first byte must be '{'"
NOT_JSON = "This policy contains invalid Json"


class UnreadableDocument(Exception):
    """Its message is AWS's."""


def read_document(text: str | bytes, limit: int, *, counts_characters: bool = False) -> dict[str, Any]:
    """`limit`: bytes of UTF-8 (or characters), without the white space between JSON's tokens, as AWS counts."""
    if len(text) > LONGEST_TEXT:
        raise UnreadableDocument(TOO_LARGE)
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError:
            raise UnreadableDocument(NOT_JSON) from None
    if not text.startswith("{"):
        raise UnreadableDocument(NOT_AN_OBJECT)
    structure = _SPACE.sub("", _STRING.sub('""', text))
    strings = sum(
        len(item) if counts_characters else len(item.encode(errors="surrogatepass")) for item in _STRING.findall(text)
    )
    if len(structure) + strings - 2 * structure.count('""') > limit:
        raise UnreadableDocument(TOO_LARGE)
    if _depth(structure) > DEEPEST:
        raise UnreadableDocument(NOT_JSON)
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
        json.dumps(document, ensure_ascii=False).encode()  # an escaped half of a pair is no text that can be told
    except ValueError:
        raise UnreadableDocument(NOT_JSON) from None
    assert isinstance(document, dict)
    return document


def _depth(structure: str) -> int:
    depth = deepest = 0
    for bracket in _BRACKETS.findall(structure):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name is repeated")
    return made


def _refuse(constant: str) -> None:
    raise ValueError(constant)
