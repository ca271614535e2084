"""The keys of small objects, spread as users have them: five layouts of different depth, in prefixes of very different
sizes. One flat prefix, or a thousand of equal size, would flatter indexes and directories alike.

The same numbers give the same keys in every run and for every server.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator

LISTED = "users/"  # holds more than a page of common prefixes, from one object to a tenth of all
_PREFIXES = 1100


def _user(chance: random.Random, number: int, name: str) -> str:
    """A folder a user: each has one object, and the first ones have most of the others."""
    user = number if number < _PREFIXES else int(_PREFIXES * chance.random() ** 4)
    return f"{LISTED}{user:05d}/{('photos', 'documents', 'mail')[number % 3]}/{2020 + number % 7}/{name}.jpg"


def _log(chance: random.Random, number: int, name: str) -> str:
    day = int(chance.random() * 360)
    return f"logs/2026/{day // 30 + 1:02d}/{day % 30 + 1:02d}/host-{number % 16:02d}/{name}.log.gz"


def _sharded(chance: random.Random, number: int, name: str) -> str:
    digest = f"{chance.getrandbits(128):032x}"
    return f"data/{digest[:2]}/{digest[2:4]}/{digest}-{name}"


def _flat(chance: random.Random, number: int, name: str) -> str:
    return f"segments/0000000100000000{name}"


def _top(chance: random.Random, number: int, name: str) -> str:
    return f"export-{name}.csv"


# Of twenty objects.
_LAYOUTS: tuple[Callable[[random.Random, int, str], str], ...] = (
    *[_user] * 10,
    *[_log] * 3,
    *[_sharded] * 2,
    *[_flat] * 4,
    _top,
)


def spread(count: int, run: str = "0") -> Iterator[str]:
    """`count` different keys in no order; those of another `run` are others, in the same prefixes."""
    chance = random.Random(7)
    made: Counter[object] = Counter()  # of each layout
    for number in range(count):
        layout = _LAYOUTS[number % len(_LAYOUTS)]
        yield layout(chance, made[layout], f"{run}-{number:08d}")
        made[layout] += 1


def places(ordered: list[str], count: int = 500) -> list[str]:
    """Keys after which a full page of a listing follows."""
    last = max(len(ordered) - 1001, 1)
    return [ordered[place] for place in random.Random(5).sample(range(last), min(count, last))]


def grouped_places(ordered: list[str]) -> tuple[str, str]:
    """Of the prefixes that a delimiter groups under LISTED: the middle one, and one shortly before the last."""
    prefixes = sorted({key[: key.index("/", len(LISTED)) + 1] for key in ordered if key.startswith(LISTED)})
    return prefixes[len(prefixes) // 2], prefixes[-11]
