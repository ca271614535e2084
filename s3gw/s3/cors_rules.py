"""A bucket's CORS rules, ready to be matched: what pages of an origin may do, and the headers that tell browsers so.

Pure. Of a request only what was looked at ends in a header: an origin of printable characters, and names that can be
headers. A pattern has one wildcard at most, so matching compares a beginning and an end, and never backtracks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

Headers = list[tuple[bytes, bytes]]

_CACHED_DOCUMENTS = 64  # of 64 KiB at most
_MOST_HEADERS = 100
_LONGEST_HEADERS = 8192  # characters of Access-Control-Request-Headers
_LONGEST_ORIGIN = 1024
# What an origin is made of (RFC 6454, 7): no blanks. A comma would be between two origins.
_ORIGIN = re.compile(r"[!-+\--~]+")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token (RFC 9110, 5.6.2)
_VARY = (b"vary", b"Origin, Access-Control-Request-Headers, Access-Control-Request-Method")


class Asked(NamedTuple):
    """What a web page is about to do, or does. `headers` are the names of a preflight, in lower case."""

    origin: str
    method: str
    headers: tuple[str, ...]


class _Pattern(NamedTuple):
    """`suffix` is None where there is no wildcard."""

    prefix: str
    suffix: str | None

    def matches(self, text: str) -> bool:
        prefix, suffix = self
        if suffix is None:
            return text == prefix
        return len(text) >= len(prefix) + len(suffix) and text.startswith(prefix) and text.endswith(suffix)


_ANY = _Pattern("", "")


class _Patterns(NamedTuple):
    """Many with a wildcard, which a name is compared with by the beginnings that it has: a rule may have thousands, and
    a preflight a hundred names.
    """

    suffixes: Mapping[str, tuple[str, ...]]  # by what comes before them
    lengths: tuple[int, ...]  # of what comes before

    def match(self, text: str) -> bool:
        for length in self.lengths:
            suffixes = self.suffixes.get(text[:length])
            if suffixes is not None and text[length:].endswith(suffixes):
                return True
        return False


def _patterns(wild: Iterable[_Pattern]) -> _Patterns:
    suffixes: dict[str, tuple[str, ...]] = {}
    for prefix, pairs in groupby(sorted({(prefix, suffix or "") for prefix, suffix in wild}), itemgetter(0)):
        suffixes[prefix] = tuple(suffix for _, suffix in pairs)
    return _Patterns(suffixes, tuple(sorted({len(prefix) for prefix in suffixes})))


class Rule(NamedTuple):
    """`standing` are the headers that don't depend on what is asked."""

    origins: tuple[_Pattern, ...]
    methods: frozenset[str]
    header_names: frozenset[str]
    header_patterns: _Patterns
    standing: tuple[tuple[bytes, bytes], ...]

    def headers_for(self, asked: Asked) -> Headers | None:
        """None: the rule doesn't allow it."""
        if asked.method not in self.methods or not all(map(self._allows, asked.headers)):
            return None
        origin = next((pattern for pattern in self.origins if pattern.matches(asked.origin)), None)
        if origin is None:
            return None
        headers: Headers = [*self.standing, _VARY]
        if asked.headers:
            headers.append((b"access-control-allow-headers", ", ".join(asked.headers).encode()))
        if origin == _ANY:
            headers.append((b"access-control-allow-origin", b"*"))
        else:
            headers.append((b"access-control-allow-origin", asked.origin.encode()))
            headers.append((b"access-control-allow-credentials", b"true"))
        return headers

    def _allows(self, name: str) -> bool:
        return name in self.header_names or self.header_patterns.match(name)


@lru_cache(_CACHED_DOCUMENTS)
def parse_rules(document: str) -> tuple[Rule, ...]:
    """Of the JSON that PutBucketCors kept."""
    return tuple(_rule(members) for members in json.loads(document)["CORSRules"])


def _rule(members: Mapping[str, Any]) -> Rule:
    methods = members["AllowedMethods"]
    allowed = [_pattern(name.lower()) for name in members.get("AllowedHeaders", ())]
    return Rule(
        tuple(map(_pattern, members["AllowedOrigins"])),
        frozenset(methods),
        frozenset(pattern.prefix for pattern in allowed if pattern.suffix is None),
        _patterns(pattern for pattern in allowed if pattern.suffix is not None),
        _standing(methods, members.get("ExposeHeaders", ()), members.get("MaxAgeSeconds")),
    )


def _pattern(text: str) -> _Pattern:
    prefix, wildcard, suffix = text.partition("*")
    return _Pattern(prefix, suffix if wildcard else None)


def _standing(methods: Iterable[str], exposed: Iterable[str], max_age: int | None) -> tuple[tuple[bytes, bytes], ...]:
    """AWS keeps exposed names whatever they are; one that can't be a header's exposes nothing."""
    headers = [(b"access-control-allow-methods", ", ".join(methods).encode())]
    names = [name for name in exposed if _NAME.fullmatch(name)]
    if names:
        headers.append((b"access-control-expose-headers", ", ".join(names).encode()))
    if max_age is not None:
        headers.append((b"access-control-max-age", str(max_age).encode()))
    return tuple(headers)


def read_asked(method: str, headers: Mapping[str, str]) -> Asked | None:
    """What a request with an Origin asks for; None for what no rule allows, because it can't be said in a header.

    Access-Control-Request-Method counts in every request, as on AWS.
    """
    origin, requested = headers["origin"], headers.get("access-control-request-headers", "")
    if len(origin) > _LONGEST_ORIGIN or not _ORIGIN.fullmatch(origin) or len(requested) > _LONGEST_HEADERS:
        return None
    names = tuple(dict.fromkeys(name for name in (part.strip().lower() for part in requested.split(",")) if name))
    if len(names) > _MOST_HEADERS or not all(map(_NAME.fullmatch, names)):
        return None
    return Asked(origin, headers.get("access-control-request-method", method), names)


def headers_of(rules: Iterable[Rule], asked: Asked) -> Headers:
    """Of the first rule that allows it; none: no rule does."""
    return next((headers for headers in (rule.headers_for(asked) for rule in rules) if headers is not None), [])
