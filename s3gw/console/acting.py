"""What a form of a screen asks for: one of the screen's actions, by its name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from s3gw.console.forms import Fields, first, sent_by
from s3gw.console.session import Visitor, visitor_of
from s3gw.problems import Invalid

# What it leads to: the address of a page, or a page where that shows something only once.
Action = Callable[[Request, Visitor, Fields], Awaitable[str | Response]]
_LARGEST = 2**63 - 1
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}


async def acted(request: Request, actions: Mapping[str, Action]) -> Response:
    visitor = await visitor_of(request)
    fields = await sent_by(request, visitor)
    does = actions.get(first(fields, "action"))
    if does is None:
        raise Invalid("there is no such action")
    outcome = await does(request, visitor, fields)
    return RedirectResponse(outcome, 303) if isinstance(outcome, str) else outcome


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
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 19 or int(digits) * _UNITS[unit] > _LARGEST:
        raise Invalid(f"{name} isn't a number as 10G or 5000")
    return int(digits) * _UNITS[unit]


def as_amount(value: int) -> str:
    """A number as `amount_of` reads it, as short as it can be said exactly."""
    for unit, size in reversed(_UNITS.items()):
        if value >= size and value % size == 0:
            return f"{value // size}{unit}"
    return str(value)
