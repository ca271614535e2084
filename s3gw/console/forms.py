"""What a form of the console's has sent: bounded, and only from a page of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import parse_qs, unquote

from starlette.requests import Request

from s3gw.console.session import Visitor, require_csrf
from s3gw.problems import Invalid, TooLarge

_LARGEST = 1 << 20  # bytes
_MOST_FIELDS = 2000
_LARGEST_AMOUNT = 2**63 - 1
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}
CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"
Fields = dict[str, list[str]]
T = TypeVar("T")


async def fields_of(request: Request) -> Fields:
    """Of a form that needs no login. Raises TooLarge and Invalid."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST:
            raise TooLarge("the form is too large")
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:  # more fields than that, or no text
        raise Invalid("the form isn't one") from None


async def sent_by(request: Request, visitor: Visitor) -> Fields:
    """Raises PermissionDenied too, where the session's own text isn't with it."""
    fields = await fields_of(request)
    require_csrf(visitor, request.headers.get(CSRF_HEADER) or first(fields, CSRF_FIELD))
    return fields


def first(fields: Fields, name: str) -> str:
    return fields.get(name, [""])[0]


def paths(fields: Fields, name: str) -> list[str]:
    """Of hidden fields and boxes, whose templates percent-encode them: browsers send each line break of a value as
    CRLF, so that a folder with a line feed in its name would be taken for another one.
    """
    return [unquote(value) for value in fields.get(name, [])]


def path(fields: Fields, name: str) -> str:
    """The first of `paths`."""
    return next(iter(paths(fields, name)), "")


def as_seen(fields: Fields) -> dict[str, str]:
    """The header by which what the form changes has to be as it was when it was opened (`etag`): else what somebody
    else has changed meanwhile, be it a role, would be set back.
    """
    etag = first(fields, "etag")
    return {"If-Match": etag} if etag else {}


def action_of(fields: Fields, actions: Mapping[str, T]) -> T:
    """Of what a screen does that which the form names. Raises Invalid where it is none of these."""
    does = actions.get(first(fields, "action"))
    if does is None:
        raise Invalid("there is no such action")
    return does


def until(fields: Fields, name: str) -> str | None:
    """The end of the day that a field has (in UTC, as pages show times); None where it has none. What is no day, the
    API refuses.
    """
    day = first(fields, name).strip()
    return f"{day}T23:59:59Z" if day else None


def text_of(fields: Fields, name: str) -> str | None:
    """None where nothing was entered."""
    return first(fields, name).strip() or None


def amount_of(fields: Fields, name: str) -> int | None:
    """A number, with K, M, G, T or P (of 1024) behind it where people like: 10G. None where nothing was entered."""
    given = first(fields, name).strip().upper().removesuffix("IB").removesuffix("B").strip()
    if not given:
        return None
    unit = given[-1] if given[-1] in _UNITS else ""
    digits = given.removesuffix(unit).strip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 19 or int(digits) * _UNITS[unit] > _LARGEST_AMOUNT:
        raise Invalid(f"{name} isn't a number as 10G or 5000")
    return int(digits) * _UNITS[unit]


def as_amount(value: int) -> str:
    """A number as `amount_of` reads it, as short as it can be said exactly."""
    for unit, size in reversed(_UNITS.items()):
        if value >= size and value % size == 0:
            return f"{value // size}{unit}"
    return str(value)
