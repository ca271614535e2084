"""The policy of a form: what whoever signed it lets a browser upload, and until when.

Pure. Rules: "POST Policy" in the S3 API Reference; the messages are those that S3's servers were seen to answer. Names
of fields are compared in any case, values as they are.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import json
import re
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from s3gw.errors import AccessDenied, EntityTooLarge, EntityTooSmall, InvalidPolicyDocument

_EXPIRATION = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?Z", re.ASCII)
# Escapes that AWS documents for policies and JSON doesn't have.
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_BEYOND_JSON = {"$": "$", "v": "\\u000b"}
_NOT_COVERED = frozenset(("x-amz-signature", "signature", "file", "policy", "awsaccesskeyid"))
_IGNORED = "x-ignore-"
_RANGE = "content-length-range"
_DIGITS = 19


class Condition(NamedTuple):
    """`field` in lower case; `text` as it is told when it fails."""

    operator: str  # eq starts-with
    field: str
    value: str
    text: str

    def holds(self, values: Mapping[str, str]) -> bool:
        """A field that isn't there fails, even where its value may be anything."""
        found = values.get(self.field)
        if found is None:
            return False
        if self.operator == "eq":
            return found == self.value
        # "Content-Types values for a starts-with condition that include commas are interpreted as lists."
        items = found.split(",") if self.field == "content-type" else [found]
        return (
            all(item.strip().startswith(self.value) for item in items)
            if len(items) > 1
            else found.startswith(self.value)
        )


class SizeRange(NamedTuple):
    """Of the file, in bytes, both ends included."""

    least: int
    most: int

    def check_most(self, size: int) -> None:
        if size > self.most:
            raise EntityTooLarge(ProposedSize=size, MaxSizeAllowed=self.most)

    def check_least(self, size: int) -> None:
        if size < self.least:
            raise EntityTooSmall(ProposedSize=size, MinSizeAllowed=self.least)


class PostPolicy(NamedTuple):
    """`expiration` in seconds since the epoch; the file must be within all of `sizes`."""

    expiration: int
    conditions: tuple[Condition, ...]
    sizes: tuple[SizeRange, ...]

    def check(self, bucket: str, fields: Mapping[str, str], now: float) -> None:
        """`fields` by their names as spelled, `${filename}` replaced. Raises AccessDenied.

        The bucket is that of the request: a field of that name can't stand for it.
        """
        if now >= self.expiration:
            raise _violated("Policy expired.")
        values = {name.lower(): value for name, value in fields.items()} | {"bucket": bucket}
        for condition in self.conditions:
            if not condition.holds(values):
                raise _violated(f"Policy Condition failed: {condition.text}")
        covered = {condition.field for condition in self.conditions}
        extra = [name for name in fields if not _is_free(name.lower()) and name.lower() not in covered]
        if "bucket" not in covered:
            extra.append("bucket")
        if extra:
            raise _violated(f"Extra input fields: {', '.join(extra)}")


def _is_free(name: str) -> bool:
    return name in _NOT_COVERED or name.startswith(_IGNORED)


def _violated(how: str) -> AccessDenied:
    return AccessDenied(f"Invalid according to Policy: {how}")


def _invalid(how: str) -> InvalidPolicyDocument:
    return InvalidPolicyDocument(f"Invalid Policy: {how}")


def parse_post_policy(encoded: str) -> PostPolicy:
    """Of base64. Raises InvalidPolicyDocument, and AccessDenied for a range of sizes that isn't of numbers."""
    document = _document(encoded)
    for name in document:
        if name not in ("expiration", "conditions"):
            raise _invalid(f"Unexpected: '{name.lower()}'")
    if "expiration" not in document:
        raise _invalid("Policy missing expiration.")
    if "conditions" not in document:
        raise _invalid("Policy missing conditions.")
    expiration, listed = _expiration(document["expiration"]), document["conditions"]
    if not isinstance(listed, list):
        raise _invalid("Invalid 'conditions' value: must be a List.")
    parsed = [_condition(item) for item in listed]
    conditions = tuple(item for item in parsed if isinstance(item, Condition))
    return PostPolicy(expiration, conditions, tuple(item for item in parsed if isinstance(item, SizeRange)))


def _document(encoded: str) -> dict[str, Any]:
    try:
        raw = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        raise _invalid("invalid Base64 encoding.") from None
    try:
        text = _ESCAPE.sub(lambda found: _BEYOND_JSON.get(found[1], found[0]), raw.decode("utf-8"))
        document = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise _invalid("Invalid JSON.")
    return document


def _no_number(name: str) -> None:
    raise ValueError(name)


def _expiration(value: Any) -> int:
    if not isinstance(value, str):
        raise _invalid("Invalid JSON.")
    found = _EXPIRATION.fullmatch(value)
    try:
        return calendar.timegm(time.strptime(found[1] if found else "", "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        raise _invalid(f"Invalid 'expiration' value: '{value}'") from None


def _condition(item: Any) -> Condition | SizeRange:
    if isinstance(item, dict):
        return _simple(item)
    if not isinstance(item, list):
        raise _invalid("Invalid condition test: must be a List or Object.")
    if not item:
        raise _invalid("Invalid Condition: missing operation identifier.")
    operator, *operands = item
    if not isinstance(operator, str):
        raise _invalid("Invalid JSON.")
    if operator.lower() not in ("eq", "starts-with", _RANGE):
        raise _invalid(f"Invalid Condition: unknown operation '{operator}'.")
    if len(operands) != 2:
        raise _invalid(f"Invalid {operator}: wrong number of arguments.")
    return _size_range(item) if operator.lower() == _RANGE else _match(operator.lower(), operands, item)


def _simple(item: Mapping[str, Any]) -> Condition:
    if len(item) != 1:
        raise _invalid("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
    ((name, value),) = item.items()
    if not isinstance(value, str):
        raise _invalid("Invalid Simple-Condition: value must be a string.")
    return Condition("eq", name.lower(), value, _told(["eq", f"${name}", value]))


def _match(operator: str, operands: list[Any], item: list[Any]) -> Condition:
    name, value = operands
    if not isinstance(name, str) or not isinstance(value, str):
        raise _invalid("Invalid JSON.")
    # Without its $ it is no field's name, and the condition never holds.
    field = name[1:].lower() if name.startswith("$") else ""
    return Condition(operator, field, value, _told(item))


def _size_range(item: list[Any]) -> SizeRange:
    numbers = []
    for bound in item[1:]:
        if isinstance(bound, bool) or not isinstance(bound, int | str):
            raise _invalid("Invalid JSON.")
        text = str(bound)
        if not (text.removeprefix("-").isascii() and text.removeprefix("-").isdigit()):
            raise _violated(f"Policy Condition failed: {_told(item)}")
        if text.startswith("-") or len(text) > _DIGITS:
            raise _invalid(f"Invalid {_RANGE} value: '{text[:_DIGITS]}'")
        numbers.append(int(text))
    return SizeRange(*numbers)


def _told(condition: list[Any]) -> str:
    return json.dumps(condition, ensure_ascii=False)
