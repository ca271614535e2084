"""How often somebody may be wrong: ten times a minute for a name, a hundred for an address, over all workers and nodes.
Of IPv6, a network of 64 bits is one address.

Who guesses somebody's password from elsewhere, or other names from behind the same address, mustn't lock the owner out,
so a user at an address from which he has logged in lately has limits of his own. Only failures write. The window is the
library's (limits); the rows are ours.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from limits import RateLimitItemPerMinute
from limits.aio.storage import MovingWindowSupport, Storage
from limits.aio.strategies import MovingWindowRateLimiter

from s3gw.addresses import client_of
from s3gw.metadata import failed_attempts
from s3gw.metadata.database import Connection, Database, DatabaseUnavailable, now
from s3gw.metadata.refused_logins import Count
from s3gw.problems import RateLimited

MOST_OF_NAME, MOST_OF_ADDRESS = 10, 100  # a minute
KNOWN_DAYS = 30  # since somebody logged in from an address
_AT_KNOWN_ADDRESS = "user at a known address"

T = TypeVar("T")


class Limit(NamedTuple):
    """`subject` begins with its kind. `name` or `address` is what the audit log calls it."""

    item: RateLimitItemPerMinute
    subject: tuple[str, ...]
    name: str = ""
    address: str = ""

    @property
    def told(self) -> str:
        """The subject in one word: another for each, whatever is in its parts, and never long."""
        return hashlib.sha256(json.dumps(self.subject).encode()).hexdigest()

    @property
    def key(self) -> str:
        return self.item.key_for(self.told)

    @property
    def is_known(self) -> bool:
        """Of a user at an address from which he has logged in lately."""
        return self.subject[0] == _AT_KNOWN_ADDRESS

    @property
    def counted(self) -> Count:
        """As the audit log counts those that are too many: by the name from wherever, or by the address."""
        return Count(self.key, self.name, self.address)


class Attempts:
    """The limits of one process's door, which are those of all."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._limiter = MovingWindowRateLimiter(_Rows(database))

    async def limits_of(self, name: str, address: str) -> Sequence[Limit]:
        """Those that an attempt counts for: of the user, whether he is called by name or by e-mail address. What is
        nobody's counts as it is written, so nobody learns from them whether there is such a user.
        """
        client, wanted = client_of(address), name.lower() if "@" in name else name  # as a login compares them
        user_id, is_known = await self._database.read(failed_attempts.who, name, client, KNOWN_DAYS)
        subject: tuple[str, ...] = ("name", wanted) if user_id is None else ("user", user_id)
        of_address = _of_address(client)
        if is_known:  # what others do behind the address doesn't count, and it takes as many steps as if it did
            subject = (_AT_KNOWN_ADDRESS, *subject, client)
            of_address = of_address._replace(subject=("address", *subject))
        return (Limit(RateLimitItemPerMinute(MOST_OF_NAME), subject, name=wanted), of_address)

    def limits_of_nobody(self, address: str) -> Sequence[Limit]:
        """Of an attempt that says no name."""
        return (_of_address(client_of(address)),)

    def limits_of_link(self, link_id: str, address: str) -> Sequence[Limit]:
        """Of passwords of a share link: so many from an address, and not too many from all of them."""
        client = client_of(address)
        here = Limit(RateLimitItemPerMinute(MOST_OF_NAME), ("link at an address", link_id, client), name=link_id)
        anywhere = Limit(RateLimitItemPerMinute(MOST_OF_ADDRESS), ("link", link_id), name=link_id)
        return (here, anywhere, _of_address(client))

    def limits_of_reset(self, email: str, address: str) -> Sequence[Limit]:
        """Of messages to an address."""
        limit = Limit(RateLimitItemPerMinute(MOST_OF_NAME), ("reset", email), name=email)
        return (limit, _of_address(client_of(address)))

    async def require(self, limits: Sequence[Limit]) -> None:
        """Raises RateLimited where one of them is used up. To be asked before a password is looked at, and again
        before it is said to be right: others may have used the limit up meanwhile.
        """
        for limit in limits:
            if not await self._limiter.test(limit.item, limit.told):
                raise await self._refusal(limit)

    async def fail(self, limits: Sequence[Limit], answer: T) -> T | RateLimited:
        """Note a failure. Gives `answer`, or RateLimited where this one was too many."""
        for limit in limits:
            if not await self._limiter.hit(limit.item, limit.told):
                return await self._refusal(limit)
        return answer

    async def _refusal(self, limit: Limit) -> RateLimited:
        stats = await self._limiter.get_window_stats(limit.item, limit.told)
        return RateLimited("too many failed attempts", retry_after=max(1.0, stats.reset_time - time.time()))


def _of_address(client: str) -> Limit:
    return Limit(RateLimitItemPerMinute(MOST_OF_ADDRESS), ("address", client), address=client)


def used_up(conn: Connection, limits: Sequence[Limit]) -> RateLimited | None:
    """As `Attempts.require`, within a transaction that takes turns."""
    for limit in limits:
        oldest, count = failed_attempts.window(conn, limit.key, limit.item.get_expiry())
        if count >= limit.item.amount:
            over = oldest / 1_000_000 + limit.item.get_expiry() - now(conn) / 1_000_000
            return RateLimited("too many failed attempts", retry_after=max(1.0, over))
    return None


def note(conn: Connection, limits: Sequence[Limit]) -> RateLimited | None:
    """As `Attempts.fail`, within a transaction that takes turns."""
    for limit in limits:
        if not failed_attempts.note(conn, limit.key, limit.item.amount, limit.item.get_expiry()):
            return used_up(conn, limits)
    return None


class _Rows(Storage, MovingWindowSupport):
    """What the library's moving window stands on."""

    STORAGE_SCHEME = None

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database

    @property
    def base_exceptions(self) -> type[Exception]:
        return DatabaseUnavailable

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        assert amount == 1, "an attempt counts once"
        return await self._database.write(failed_attempts.note, key, limit, expiry, keys=(f"attempts/{key}",))

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        oldest, count = await self._database.read(failed_attempts.window, key, expiry)
        return oldest / 1_000_000, count

    # Of strategies that aren't used.

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        raise NotImplementedError

    async def get(self, key: str) -> int:
        raise NotImplementedError

    async def get_expiry(self, key: str) -> float:
        raise NotImplementedError

    async def check(self) -> bool:
        return True

    async def reset(self) -> int | None:
        raise NotImplementedError

    async def clear(self, key: str) -> None:
        raise NotImplementedError
