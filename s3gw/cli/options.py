"""Options that several commands have, and what is made of them."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from s3gw.cli.command import Refused, parse_time

_TIME = "2030-12-31 or 2030-12-31T12:00:00Z."

Permission = Literal["read", "write", "admin"]
Expires = Annotated[str | None, typer.Option("--expires", metavar="TIME", help=_TIME)]
NewExpiry = Annotated[str | None, typer.Option("--expires", metavar="TIME", help="A time, or 'never'.")]
Since = Annotated[str | None, typer.Option(metavar="TIME", help=_TIME)]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Before this time.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000_000, help="At most this many, the newest.")]
Email = Annotated[str | None, typer.Option(help="E-mail address.")]


def time_of(text: str | None) -> int | None:
    """Microseconds; None: not given. Raises Refused."""
    return None if text is None else parse_time(text)


def new_expiry(text: str) -> int | None:
    """None: never."""
    if not text:
        raise Refused("--expires '' is no time: give --expires never for what doesn't expire")
    return None if text == "never" else parse_time(text)
