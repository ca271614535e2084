"""Which passwords are refused, how much work that is at most, and that strangers' cost none."""

from __future__ import annotations

import itertools
import random
from types import SimpleNamespace
from typing import Any

import pytest
from zxcvbn import matching

from s3gw.accounts import links, registration
from s3gw.accounts.origin import Origin
from s3gw.accounts.passwords import _IN_PLACE, _MOST_IN_PLACE, _estimated, check_password
from s3gw.auth.passwords import Passwords
from s3gw.metadata.database import Database
from s3gw.problems import Invalid, RegistrationClosed

pytestmark = pytest.mark.anyio
HOSTILE = '4@8({[<369&#!1/|0$5+7%2"*3'
ORIGIN = Origin("api", "192.0.2.1")


def work(password: str) -> int:
    """Lookups in the estimator's words: all substrings, in each way of reading characters as letters."""
    looked_at = _estimated(password)
    ways = matching.enumerate_l33t_subs(matching.relevant_l33t_subtable(looked_at, matching.L33T_TABLE))
    return len(ways) * len(looked_at) ** 2


def test_no_password_is_more_than_forty_thousand_lookups_of_the_estimator() -> None:
    """Which are some ten milliseconds; of the first 72 characters they were seconds."""
    chosen = random.Random(1)
    hostile = [HOSTILE[start:] + HOSTILE * 3 for start in range(len(HOSTILE))]
    for most in (_MOST_IN_PLACE, _MOST_IN_PLACE + 1, 12):
        hostile += ["".join(chosen.sample(sorted(_IN_PLACE), most)) * 10 for _ in range(100)]
    assert max(map(work, hostile)) < 40_000
    assert len(_estimated("x" * 1024)) == 32 and len(_estimated(HOSTILE)) == 12


def test_the_characters_that_stand_for_letters_are_the_estimator_s() -> None:
    assert frozenset(itertools.chain.from_iterable(matching.L33T_TABLE.values())) == _IN_PLACE


@pytest.mark.parametrize(
    ("password", "is_refused"),
    [
        ("password", True),
        ("password" * 9, True),
        ("a" * 72, True),
        ("p@$$w0rd", True),
        ("12345678910", True),  # of those that are common, as the estimator has them, and not of its lowest score
        ("LetMeIn2", True),
        ("password1234567890", False),
        ("somebody.with.a.long.address@some.where.example.com", True),
        (HOSTILE * 3, False),
        ("correct horse battery", False),
    ],
)
async def test_those_that_are_guessed_first_are_refused(password: str, is_refused: bool) -> None:
    passwords, about = Passwords(), ("ann", "somebody.with.a.long.address@some.where.example.com")
    try:
        await check_password(passwords, password, about)
        assert not is_refused
    except Invalid:
        assert is_refused
    finally:
        passwords.close()


class Idle:
    """Fails where a password is looked at."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for")


async def test_nobody_s_password_is_looked_at_who_has_no_link_that_is_good(database: Database) -> None:
    services: Any = SimpleNamespace(database=database, passwords=Idle())
    with pytest.raises(Invalid, match="the link isn't valid"):
        await links.reset(services, "no-token", HOSTILE, ORIGIN)


@pytest.mark.parametrize(
    ("mode", "invitation"), [("closed", None), ("invite", None), ("invite", "none"), ("open", "none")]
)
async def test_nobody_s_password_is_looked_at_who_may_not_register(
    database: Database, monkeypatch: pytest.MonkeyPatch, mode: str, invitation: str | None
) -> None:
    monkeypatch.setattr(registration, "mode_of", lambda *_, **__: mode)
    services: Any = SimpleNamespace(database=database, passwords=Idle(), settings=None)
    who = {"name": "ann", "email": "ann@example.com", "password": HOSTILE, "invitation": invitation}
    with pytest.raises(RegistrationClosed):
        await registration.register(services, **who, was_forwarded=False, origin=ORIGIN)  # type: ignore[arg-type]
