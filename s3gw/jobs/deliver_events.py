"""Tells targets what they are to be told (metadata/event_deliveries.py), at least once, and in order for each key.

Not a row of the table of jobs, for the reason that seal_audit_log.py gives. A few deliveries of each target are under
way at a time, so that a slow one keeps nobody waiting but its own key; a target that is told nothing any more rests for
up to a minute, after which one delivery tries it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from functools import partial
from typing import TYPE_CHECKING

from s3gw.auth.credentials import Credentials
from s3gw.auth.key_file import open_keyring
from s3gw.auth.master_key import MasterKeyError
from s3gw.events.message import NotTold, Secrets
from s3gw.events.tell import Teller
from s3gw.metadata import event_deliveries, event_targets, master_keys
from s3gw.metadata.database import Connection, DatabaseUnavailable
from s3gw.metadata.event_deliveries import Delivery, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s3gw.metadata.event_targets import Kind
    from s3gw.storage import Storage

PAUSE = 0.5  # seconds
_AT_ONCE = 8  # deliveries of a target
_TARGETS_AT_ONCE = 32
_DOUBTFUL_AT_ONCE = 16  # of these; targets that may answer nothing take each other's time and not that of the others
_TURN = 5.0  # seconds; then other targets may have their turn
_FIRST_PAUSE = 1_000_000  # microseconds before a second attempt
_DOUBLINGS = 12
_TROUBLED = 8  # failures one after the other, after which it rests
_LONGEST_REST = 60.0  # seconds
_LOOK_AHEAD = 60.0
_REMEMBERED = 300.0  # seconds that a turn is; in less all have theirs
_TRUSTED = 3600.0  # seconds in which one that was told something is believed to answer
_LONGEST_REASON = 300  # letters
_logger = logging.getLogger("s3gw.events")


async def keep_delivering(services: Storage) -> None:
    """Run until cancelled. What keeps it from delivering is told once."""
    teller = Teller(services.settings)
    deliverer = Deliverer(services, teller)
    told, look_ahead_at = "", 0.0
    try:
        while True:
            try:
                if time.monotonic() >= look_ahead_at:
                    await services.database.write(event_deliveries.pull_back)
                    look_ahead_at = time.monotonic() + _LOOK_AHEAD
                deliverer.begin(await services.database.read(event_deliveries.targets_due))
                told = ""
            except DatabaseUnavailable as error:
                if told != str(error):
                    _logger.warning("events have to wait: %s", error)
                told = str(error)
            await asyncio.sleep(PAUSE)
    finally:
        await deliverer.end()
        await teller.close()


class Deliverer:
    """Those of this process. On the event loop only."""

    def __init__(self, services: Storage, teller: Teller) -> None:
        self._database = services.database
        self._credentials = Credentials(open_keyring(services.settings))
        self._teller = teller
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._rests: dict[str, tuple[int, float]] = {}  # failures one after the other, and when it may be tried again
        self._turns: dict[str, float] = {}  # when the last one of each began, in the last minutes
        self._answered: dict[str, float] = {}  # when each was told something, of those that don't rest

    def begin(self, due: Sequence[str]) -> None:
        now = time.monotonic()
        self._rests = {target: rest for target, rest in self._rests.items() if target in due}
        waiting = [target for target in due if target not in self._serving and self._rest_of(target)[1] <= now]
        # Where there are too many, each gets its turn, and first whoever had none for longest.
        self._turns = {target: turn for target, turn in self._turns.items() if turn > now - _REMEMBERED}
        self._answered = {target: at for target, at in self._answered.items() if at > now - _TRUSTED}
        random.shuffle(waiting)
        doubtful = sum(self._is_doubtful(target) for target in self._serving)
        waiting.sort(key=lambda target: (self._is_doubtful(target), self._turns.get(target, 0.0)))
        for target_id in waiting[: _TARGETS_AT_ONCE - len(self._serving)]:
            if self._is_doubtful(target_id) and doubtful >= _DOUBTFUL_AT_ONCE:
                break
            doubtful += self._is_doubtful(target_id)
            self._turns[target_id] = now
            task = asyncio.create_task(self._serve(target_id))
            self._serving[target_id] = task
            task.add_done_callback(partial(self._served, target_id))

    def _served(self, target_id: str, task: asyncio.Task[None]) -> None:
        del self._serving[target_id]

    async def end(self) -> None:
        """What was taken and isn't told by now is due again when its time is over."""
        tasks = list(self._serving.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _rest_of(self, target_id: str) -> tuple[int, float]:
        return self._rests.get(target_id, (0, 0.0))

    def _is_doubtful(self, target_id: str) -> bool:
        """A new one may be silent too: it is asked one thing at a time until it answers."""
        return target_id not in self._answered

    async def _serve(self, target_id: str) -> None:
        """For a turn, or until nothing is due."""
        try:
            found = await self._database.read(event_targets.sealed_of, target_id)
            if found is not None:
                kind, sealed = found
                opened = self._credentials.unseal(master_keys.name_of_event_target(target_id), sealed)
                await self._deliver(target_id, kind, Secrets.loaded(opened))
        except DatabaseUnavailable as error:
            _logger.warning("what was told may be told again: %s", error)
        except MasterKeyError as error:
            self._rests[target_id] = _TROUBLED, time.monotonic() + _LONGEST_REST
            self._answered.pop(target_id, None)
            _logger.warning("events have to wait: %s", error)
        except Exception as error:  # it would be tried again at once, and for ever
            self._rests[target_id] = _TROUBLED, time.monotonic() + _LONGEST_REST
            self._answered.pop(target_id, None)
            _logger.warning("target %s has to wait: %s", target_id, type(error).__name__)

    async def _deliver(self, target_id: str, kind: Kind, secrets: Secrets) -> None:
        ends_at = time.monotonic() + _TURN
        sending: set[asyncio.Task[Outcome]] = set()
        outcomes: list[Outcome] = []
        try:
            while True:
                self._note(target_id, outcomes)
                is_doubtful = self._is_doubtful(target_id)
                has_ended = time.monotonic() >= ends_at or (is_doubtful and outcomes)
                free = 0 if has_ended else (1 if is_doubtful else _AT_ONCE) - len(sending)
                taken = await self._database.write(_settle_and_take, target_id, outcomes, free)
                sending |= {asyncio.create_task(self._tell(kind, secrets, delivery)) for delivery in taken}
                if not sending:
                    return
                done, sending = await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
                outcomes = [task.result() for task in done]
        finally:
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)

    def _note(self, target_id: str, outcomes: list[Outcome]) -> None:
        if any(outcome.error is None for outcome in outcomes):
            self._rests.pop(target_id, None)
            self._answered[target_id] = time.monotonic()
        elif outcomes:
            failures = self._rest_of(target_id)[0] + len(outcomes)
            rest = 0.0
            if failures >= _TROUBLED:
                self._answered.pop(target_id, None)
                rest = min(_LONGEST_REST, 2.0 ** min(failures - _TROUBLED, _DOUBLINGS))
            self._rests[target_id] = failures, time.monotonic() + rest * random.uniform(0.5, 1.0)

    async def _tell(self, kind: Kind, secrets: Secrets, delivery: Delivery) -> Outcome:
        try:
            await self._teller.tell(kind, secrets, delivery)
        except Exception as error:  # whatever an answer does to a library is the target's failure, not the deliverer's
            if not isinstance(error, NotTold):
                _logger.warning("target %s: %s", delivery.target_id, type(error).__name__)
            pause = _FIRST_PAUSE * 2 ** min(delivery.attempts - 1, _DOUBLINGS)
            return Outcome(delivery, reason_of(error), int(pause * random.uniform(0.5, 1.0)))
        return Outcome(delivery)


def reason_of(error: Exception) -> str:
    """Short and printable: a library's message may quote an answer, whatever that is."""
    reason = str(error) if isinstance(error, NotTold) else type(error).__name__
    return "".join(letter if letter.isprintable() else "?" for letter in reason[:_LONGEST_REASON])


def _settle_and_take(conn: Connection, target_id: str, outcomes: Sequence[Outcome], limit: int) -> list[Delivery]:
    event_deliveries.settle(conn, target_id, outcomes)
    return event_deliveries.take(conn, target_id, limit) if limit > 0 else []
