"""What is told to a target, whatever kind that is, by what it is reached, and that it couldn't be told."""

from __future__ import annotations

import json
from typing import NamedTuple


class Message(NamedTuple):
    """`id` is the same at each attempt; `at` are seconds since the epoch; `body` is JSON."""

    id: str
    at: int
    body: bytes


class Secrets(NamedTuple):
    """What is sealed of a target. `secret` is what its messages are signed with."""

    url: str
    secret: str

    def dumped(self) -> str:
        return json.dumps(self)

    @classmethod
    def loaded(cls, text: str) -> Secrets:
        return cls._make(json.loads(text))


class NotTold(Exception):
    """The message says why, for whoever looks after the target."""
