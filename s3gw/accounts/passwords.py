"""Which passwords are refused: too short, too long, and those that are guessed first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from s3gw.problems import Fault, Invalid

SHORTEST = 8  # characters
LONGEST = 1024  # bytes
_ESTIMATED = 72  # characters that are looked at: the estimator's time grows with the square of their number


async def check_password(password: str, about: Sequence[str | None], field: str = "password") -> None:
    """Raises Invalid. `about` is what everybody would try first: the name, the address."""
    if len(password) < SHORTEST:
        raise _refuse(field, f"must have at least {SHORTEST} characters")
    if len(password.encode(errors="replace")) > LONGEST:
        raise _refuse(field, f"must have at most {LONGEST} bytes")
    if not await asyncio.to_thread(_is_strong, password[:_ESTIMATED], [word for word in about if word]):
        raise _refuse(field, "is one of those that are guessed first")


def _refuse(field: str, message: str) -> Invalid:
    return Invalid(f"the password {message}", faults=(Fault(field, message),))


def _is_strong(password: str, about: list[str]) -> bool:
    from zxcvbn import zxcvbn  # its word lists take a tenth of a second and some MiB

    return int(zxcvbn(password, about, max_length=_ESTIMATED)["score"]) > 0
