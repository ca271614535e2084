"""Matches text against patterns of `*` and `?` in time that grows with their lengths, whatever the pattern says.

A pattern is cut at its `*` into segments. The first and the last have a fixed place; each of the others is taken at the
first place where it fits, which is never worse than a later one, so nothing is tried twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import Enum
from functools import lru_cache
from typing import NamedTuple


class Wild(Enum):
    ONE = "?"
    MANY = "*"


_WILD: dict[str, str | Wild] = {wild.value: wild for wild in Wild}
_CUT = re.compile("([*?])")


class Segment(NamedTuple):
    """`chars` has a `?` at each index of `gaps`, where any character fits."""

    chars: str
    gaps: tuple[int, ...]

    def is_at(self, text: str, start: int) -> bool:
        if not self.gaps:
            return text.startswith(self.chars, start)
        begin = start
        for gap in self.gaps:  # the runs between the gaps, one after the other
            if not text.startswith(self.chars[begin - start : gap], begin):
                return False
            begin = start + gap + 1
        return text.startswith(self.chars[begin - start :], begin)

    def find(self, text: str, start: int) -> int:
        """The first place at or after `start` where it fits, -1 if none."""
        if not self.gaps:
            return text.find(self.chars, start)
        if self.is_at(text, start):
            return start
        fits = (1 << len(text) - len(self.chars) + 1) - 1 >> start << start if len(self.chars) <= len(text) else 0
        places = _places(text)
        gaps = frozenset(self.gaps)
        for index, char in enumerate(self.chars):
            if not fits:
                return -1
            if index not in gaps:
                fits &= places.get(char, 0) >> index
        return (fits & -fits).bit_length() - 1


class Floating(NamedTuple):
    """A segment between two `*`, without the `?` at its ends: those only ask for so many characters more."""

    before: int
    segment: Segment
    length: int


class Pattern(NamedTuple):
    """`tail` is None where there is no `*`: then `head` is all of it."""

    head: Segment
    middle: tuple[Floating, ...]
    tail: Segment | None
    least: int

    @property
    def text(self) -> str | None:
        """What alone matches, where it has no wildcards."""
        return self.head.chars if self.tail is None and not self.head.gaps else None

    @property
    def beginning(self) -> str | None:
        """What a text has to begin with, where nothing else is asked for."""
        is_all = self.tail is not None and not self.head.gaps and self.least == len(self.head.chars)
        return self.head.chars if is_all else None

    @property
    def before_wildcards(self) -> str:
        return self.head.chars[: self.head.gaps[0]] if self.head.gaps else self.head.chars

    def matches(self, text: str) -> bool:
        head, middle, tail, least = self
        if len(text) < least or (tail is None and len(text) != least):
            return False
        if not head.is_at(text, 0):
            return False
        if tail is None:
            return True
        end = len(text) - len(tail.chars)
        if not tail.is_at(text, end):
            return False
        at = len(head.chars)
        for before, segment, length in middle:
            at = segment.find(text, at + before)
            if at < 0:
                return False
            at += length
        return at <= end


def matcher_of(pattern: Pattern) -> Callable[[str], bool]:
    """Answers as `pattern.matches`. Most patterns are a text, its beginning or a part of it, which costs a tenth then,
    and what doesn't match a longer one seldom begins as it does.
    """
    head, middle, _, least = pattern
    prefix = head.chars
    if pattern.text is not None:
        return lambda text: text == prefix
    if pattern.beginning is not None:
        return lambda text: text.startswith(prefix)
    if head.gaps or pattern.tail is None:
        return pattern.matches
    part, gaps = middle[0].segment if middle else Segment("", ())
    if least == len(part) and not gaps:  # there is no `?` at its ends either
        return lambda text: part in text
    return lambda text: text.startswith(prefix) and pattern.matches(text)


def tokens_of(text: str) -> list[str | Wild]:
    """Literal text and wildcards, in order."""
    return [_WILD.get(piece, piece) for piece in _CUT.split(text) if piece]


def compile_pattern(tokens: Iterable[str | Wild]) -> Pattern:
    segments: list[Segment] = []
    chars: list[str] = []
    gaps: list[int] = []
    length = least = 0
    for token in tokens:
        if token is Wild.MANY:
            segments.append(Segment("".join(chars), tuple(gaps)))
            chars, gaps, length = [], [], 0
        else:
            if token is Wild.ONE:
                gaps.append(length)
                token = "?"
            assert isinstance(token, str)
            chars.append(token)
            length += len(token)
            least += len(token)
    last = Segment("".join(chars), tuple(gaps))
    if not segments:
        return Pattern(last, (), None, least)
    return Pattern(segments[0], tuple(_float(segment) for segment in segments[1:] if segment.chars), last, least)


def _float(segment: Segment) -> Floating:
    chars, gaps = segment
    if not gaps:
        return Floating(0, segment, len(chars))
    before, after = 0, len(chars)
    free = frozenset(gaps)
    while before < after and before in free:
        before += 1
    while after > before and after - 1 in free:
        after -= 1
    inner = tuple(gap - before for gap in gaps if before <= gap < after)
    return Floating(before, Segment(chars[before:after], inner), len(chars) - before)


@lru_cache(maxsize=16)
def _places(text: str) -> dict[str, int]:
    """For each character of the text a number whose bit i is set where the text has it at i."""
    places: dict[str, bytearray] = {}
    size = len(text) // 8 + 1
    for index, char in enumerate(text):
        bits = places.get(char)
        if bits is None:
            bits = places[char] = bytearray(size)
        bits[index >> 3] |= 1 << (index & 7)
    return {char: int.from_bytes(bits, "little") for char, bits in places.items()}
