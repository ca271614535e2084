"""Which passwords are refused: too short, too long, and those that are guessed first."""

from __future__ import annotations

from collections.abc import Sequence

from s3gw.auth.passwords import Passwords
from s3gw.problems import Fault, Invalid

SHORTEST = 8  # characters
LONGEST = 1024  # bytes

# The estimator's time grows with the square of the characters, and twice with each that may stand for a letter in
# several ways. More of them are hardly ever guessed first when those at the beginning aren't.
_ESTIMATED, _ESTIMATED_OF_MANY = 32, 12  # characters that are looked at
_MOST_IN_PLACE = 6  # different ones that stand for letters
_IN_PLACE = frozenset("!$%(+0123456789<@[{|")  # as the estimator has them


async def check_password(
    passwords: Passwords, password: str, about: Sequence[str | None], field: str = "password"
) -> None:
    """Raises Invalid, and RateLimited when too many wait. `about` is what everybody would try first: the name, the
    address.
    """
    _require_length(password, field)
    _require_strength(await passwords.estimate(_is_strong, password, [word for word in about if word]), field)


def check_password_now(password: str, about: Sequence[str | None]) -> None:
    """As `check_password`, where nobody else is kept waiting: at a start and on the command line."""
    _require_length(password, "password")
    _require_strength(_is_strong(password, [word for word in about if word]), "password")


def _require_length(password: str, field: str) -> None:
    if len(password) < SHORTEST:
        raise _refuse(field, f"must have at least {SHORTEST} characters")
    if len(password.encode(errors="replace")) > LONGEST:
        raise _refuse(field, f"must have at most {LONGEST} bytes")


def _require_strength(is_strong: bool, field: str) -> None:
    if not is_strong:
        raise _refuse(field, "is one of those that are guessed first")


def _refuse(field: str, message: str) -> Invalid:
    return Invalid(f"the password {message}", faults=(Fault(field, message),))


def _estimated(password: str) -> str:
    """What is looked at of it."""
    beginning = password[:_ESTIMATED]
    return beginning if len(_IN_PLACE & set(beginning)) <= _MOST_IN_PLACE else beginning[:_ESTIMATED_OF_MANY]


def _is_strong(password: str, about: list[str]) -> bool:
    """Not of the estimator's lowest score, and none of its list of common passwords, of which most score higher."""
    from zxcvbn import zxcvbn  # its word lists take a tenth of a second and some MiB
    from zxcvbn.matching import RANKED_DICTIONARIES

    if password.lower() in RANKED_DICTIONARIES["passwords"]:
        return False
    looked_at = _estimated(password)
    words = [word[: len(looked_at)] for word in about]  # who begins with his name has no other than his name
    return int(zxcvbn(looked_at, words, max_length=_ESTIMATED)["score"]) > 0
