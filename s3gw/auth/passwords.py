"""Passwords: Argon2id with parameters that OWASP recommends, a few at a time, off the event loop.

Each hash takes tens of milliseconds and 19 MiB. How many are worked on at once, and how many may wait, is bounded, so
that whoever guesses passwords neither fills the memory nor keeps requests of others waiting.
"""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from s3gw.problems import RateLimited

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_AT_ONCE = 1
_MOST_WAITING = 64


@cache
def _nobodys() -> str:
    """Compared with where there is no hash, so that it takes as long. Not made at each start, but when it is needed."""
    return _hasher.hash(secrets.token_urlsafe())


def hash_password(password: str) -> str:
    """A salted hash in PHC form. Never on the event loop."""
    return _hasher.hash(password)


def verify_password(password_hash: str | None, password: str) -> bool:
    """Takes the same time where there is no hash."""
    nobodys = _nobodys()  # for whomever it is: else the first comparison would tell who is unknown
    try:
        return _hasher.verify(nobodys if password_hash is None else password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Whether it was made with other parameters."""
    return _hasher.check_needs_rehash(password_hash)


class Passwords:
    """The queue of those that a process hashes and compares."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(_AT_ONCE, "passwords")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Raises RateLimited when too many wait."""
        return str(await self._run(hash_password, password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Raises RateLimited when too many wait."""
        return bool(await self._run(verify_password, password_hash, password))

    async def _run(self, *work: object) -> object:
        if self._waiting >= _MOST_WAITING:
            raise RateLimited("too many logins at once", retry_after=5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, *work)  # type: ignore[arg-type]
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)
