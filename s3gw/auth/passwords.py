"""Passwords: Argon2id with parameters that OWASP recommends, a few at a time, off the event loop.

Each hash takes tens of milliseconds and 19 MiB. How many are worked on at once, and how many may wait, is bounded, so
that whoever guesses passwords neither fills the memory nor keeps requests of others waiting.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar, cast

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from s3gw.problems import RateLimited

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_AT_ONCE = 1
_MOST_WAITING = 64  # in each of two lines
_NICE = 10

T = TypeVar("T")


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
    """Those that a process hashes and compares, one after the other, for the event loop's use only. Two lines wait: who
    logs in from where he did before isn't behind all those who guess.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(_AT_ONCE, "passwords", initializer=_yield_to_requests)
        self._is_busy = False
        self._first: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    async def hash(self, password: str) -> str:
        """Raises RateLimited when too many wait."""
        return str(await self._run(False, hash_password, password))

    async def verify(self, password_hash: str | None, password: str, *, is_known: bool = False) -> bool:
        """`is_known`: somebody who was here before. Raises RateLimited when too many wait."""
        return bool(await self._run(is_known, verify_password, password_hash, password))

    async def estimate(self, fn: Callable[..., T], *args: object) -> T:
        """What `fn` says of a new password, as much work as hashing it. Raises RateLimited when too many wait."""
        return cast("T", await self._run(False, fn, *args))

    async def _run(self, is_known: bool, *work: object) -> object:
        await self._turn(self._first if is_known else self._others)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, *work)  # type: ignore[arg-type]
        finally:
            self._pass_on()

    async def _turn(self, line: deque[asyncio.Future[None]]) -> None:
        if not self._is_busy:
            self._is_busy = True
            return
        if len(line) >= _MOST_WAITING:
            raise RateLimited("too many logins at once", retry_after=5)
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was given, and not taken
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """To the next who waits; it is busy until nobody does."""
        for line in (self._first, self._others):
            while line:
                turn = line.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._is_busy = False

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)


def _yield_to_requests() -> None:
    """Linux has a nice value for each thread: what hashes takes what requests leave of the CPU."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
