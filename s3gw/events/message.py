"""What is told to a target, whatever kind that is, by what it is reached, and that it couldn't be told."""

from __future__ import annotations

import json
from typing import NamedTuple

PATIENCE = 20.0  # seconds for telling a message


class Message(NamedTuple):
    """`id` is the same at each attempt; `at` are seconds since the epoch; `event` is its name; `body` is JSON."""

    id: str
    at: int
    event: str
    body: bytes


class Secrets(NamedTuple):
    """What is sealed of a target. `secret` is what the messages of a webhook are signed with, and else ""."""

    url: str
    secret: str

    def dumped(self) -> str:
        return json.dumps(self)

    @classmethod
    def loaded(cls, text: str) -> Secrets:
        return cls._make(json.loads(text))


class NotTold(Exception):
    """The message says why, for whoever looks after the target."""
