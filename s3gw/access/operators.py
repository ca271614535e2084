"""The operators of conditions: what each makes of a value that a policy names, and what it compares.

IAM User Guide, "IAM JSON policy elements: Condition operators". A value of a wrong type is accepted, as AWS accepts
it, but for addresses, and equals nothing.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import NamedTuple

from s3gw.access.templates import Facts, least_length, read_components, read_template

# Whether the request's value is as the policy's says. The last: what to answer if a variable can't be replaced.
Test = Callable[[str, Facts, bool], bool]
# A policy's value and whether it may have variables -> its test; None if it is of the wrong type.
Reader = Callable[[str, bool], Test | None]


class Operator(NamedTuple):
    read: Reader
    is_negated: bool = False


class NamedOperator(NamedTuple):
    """As a policy writes it: `quantifier` is "", "ForAllValues" or "ForAnyValue"."""

    name: str
    quantifier: str
    if_exists: bool


def _string(value: str, has_variables: bool, has_wildcards: bool = False) -> Test:
    template = read_template(value, has_variables=has_variables, has_wildcards=has_wildcards)
    if not has_wildcards and (not template.tokens or template.tokens == (value,)):
        return lambda actual, facts, unresolved: actual == value
    return template.matches


_folded = lru_cache(maxsize=16)(str.casefold)  # which makes no text shorter


def _string_ignoring_case(value: str, has_variables: bool) -> Test:
    template = read_template(value, has_variables=has_variables, has_wildcards=False)
    if template.pattern is not None:
        folded = template.pattern.head.chars.casefold()
        return lambda actual, facts, unresolved: _folded(actual) == folded

    def test(actual: str, facts: Facts, unresolved: bool) -> bool:
        resolved = template.resolve(facts)
        if resolved is None:
            return unresolved
        folded = _folded(actual)
        return least_length(resolved) <= len(folded) and folded == "".join(map(str, resolved)).casefold()

    return test


def _arn(value: str, has_variables: bool) -> Test | None:
    """Each of the six components by itself: a `*` of one doesn't reach into the next."""
    components = read_components(value, has_variables=has_variables)
    if components is None:
        return None

    def test(actual: str, facts: Facts, unresolved: bool) -> bool:
        parts = actual.split(":", 5)
        return len(parts) == 6 and all(
            component.matches(part, facts, unresolved) for component, part in zip(components, parts, strict=True)
        )

    return test


_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)


def read_number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


@lru_cache(maxsize=1024)
def read_date(text: str) -> float | None:
    """Seconds since the epoch, of such a number or of an ISO 8601 date, which is UTC unless it says otherwise."""
    if _NUMBER.fullmatch(text):
        return float(text)
    try:
        date = datetime.fromisoformat(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _ordered(
    convert: Callable[[str], float | None], compare: Callable[[float, float], bool], value: str, _: bool
) -> Test | None:
    wanted = convert(value)
    if wanted is None:
        return None

    def test(actual: str, facts: Facts, unresolved: bool) -> bool:
        found = convert(actual)
        return found is not None and compare(found, wanted)

    return test


def _boolean(value: str, _: bool) -> Test | None:
    wanted = value.lower()
    return (lambda actual, facts, unresolved: actual.lower() == wanted) if wanted in ("true", "false") else None


@lru_cache(maxsize=1024)
def _bytes(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _binary(value: str, _: bool) -> Test | None:
    wanted = _bytes(value)
    return (lambda actual, facts, unresolved: _bytes(actual) == wanted) if wanted is not None else None


class Network(NamedTuple):
    version: int
    first: int
    last: int
    prefix_length: int


@lru_cache(maxsize=1024)
def read_network(text: str) -> Network | None:
    """An address, or a range in CIDR notation whose host bits say nothing."""
    _, slash, length = text.partition("/")
    if "%" in text or (slash and not (length.isascii() and length.isdecimal())):
        return None
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return Network(network.version, int(network.network_address), int(network.broadcast_address), network.prefixlen)


@lru_cache(maxsize=1024)
def _address(text: str) -> tuple[int, int] | None:
    """Version and number. An IPv4 address that came over an IPv6 socket is one of IPv4."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (4, int(mapped)) if mapped is not None else (address.version, int(address))


def _network(value: str, _: bool) -> Test | None:
    network = read_network(value)
    if network is None:
        return None

    def test(actual: str, facts: Facts, unresolved: bool) -> bool:
        address = _address(actual)
        return address is not None and network.version == address[0] and network.first <= address[1] <= network.last

    return test


_COMPARISONS = {
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}


def _comparing(prefix: str, convert: Callable[[str], float | None]) -> dict[str, Operator]:
    equals = partial(_ordered, convert, operator.eq)
    return {
        f"{prefix}Equals": Operator(equals),
        f"{prefix}NotEquals": Operator(equals, is_negated=True),
        **{f"{prefix}{name}": Operator(partial(_ordered, convert, test)) for name, test in _COMPARISONS.items()},
    }


OPERATORS: dict[str, Operator] = {
    "StringEquals": Operator(_string),
    "StringNotEquals": Operator(_string, is_negated=True),
    "StringEqualsIgnoreCase": Operator(_string_ignoring_case),
    "StringNotEqualsIgnoreCase": Operator(_string_ignoring_case, is_negated=True),
    "StringLike": Operator(partial(_string, has_wildcards=True)),
    "StringNotLike": Operator(partial(_string, has_wildcards=True), is_negated=True),
    **_comparing("Numeric", read_number),
    **_comparing("Date", read_date),
    "Bool": Operator(_boolean),
    "BinaryEquals": Operator(_binary),
    "IpAddress": Operator(_network),
    "NotIpAddress": Operator(_network, is_negated=True),
    "ArnEquals": Operator(_arn),  # "ArnEquals and ArnLike behave identically"
    "ArnLike": Operator(_arn),
    "ArnNotEquals": Operator(_arn, is_negated=True),
    "ArnNotLike": Operator(_arn, is_negated=True),
    "Null": Operator(_boolean),
}
_QUANTIFIERS = ("ForAllValues", "ForAnyValue")


def name_operator(text: str) -> NamedOperator | None:
    """None for an operator that AWS doesn't have."""
    quantifier, colon, name = text.rpartition(":")
    if colon and quantifier not in _QUANTIFIERS:
        return None
    stem = name.removesuffix("IfExists")
    if stem not in OPERATORS or (stem != name and stem == "Null"):
        return None
    return NamedOperator(stem, quantifier, stem != name)
