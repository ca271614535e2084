"""Pins: what the reads and uploads that are open in this process keep the reaper from deleting.

A pin is opened before the row is read that says what to read, and holds all that is released from its epoch on: the
process publishes the epoch of its oldest pin, and nothing that was marked in that epoch or later is
deleted. A pin that lasts would hold up the reaper for everybody. So when it has been open for some seconds and says
what exactly it needs (`keep_content`, `keep_blob`), that is published instead, and its epoch no longer counts. Why this
is enough is told in jobs/reaper.py. Everything here runs on the event loop only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple

LASTING = 5.0  # seconds from which on it is published what a pin needs


class Needs(NamedTuple):
    """Contents by id, and chunks by digest."""

    contents: frozenset[int] = frozenset()
    blobs: frozenset[bytes] = frozenset()

    def without(self, others: Needs) -> Needs:
        return Needs(self.contents - others.contents, self.blobs - others.blobs)

    def with_all(self, others: Needs) -> Needs:
        return Needs(self.contents | others.contents, self.blobs | others.blobs)

    def batches(self, most: int) -> Iterator[Needs]:
        """The same in parts of at most `most` contents and `most` chunks each."""
        contents, blobs = list(self.contents), list(self.blobs)
        for start in range(0, max(len(contents), len(blobs)), most):
            stop = start + most
            yield Needs(frozenset(contents[start:stop]), frozenset(blobs[start:stop]))


class Pin:
    """Belongs to the `with` block that opened it, or to whom the block passed it on; the owner closes it."""

    __slots__ = ("_pins", "blob", "content", "epoch", "is_published", "opened_at")

    def __init__(self, pins: ReadPins, epoch: int, opened_at: float) -> None:
        self._pins = pins
        self.epoch, self.opened_at = epoch, opened_at
        self.content: int | None = None
        self.blob: bytes | None = None
        self.is_published = False

    def keep_content(self, content_id: int) -> None:
        """The pin is for this content and all that it consists of."""
        self.content = content_id

    def keep_blob(self, digest: bytes) -> None:
        """The pin is for this chunk."""
        self.blob = digest

    def pass_on(self) -> Pin:
        """The same pin for a new owner; the present one has none any more."""
        return self._pins.replace(self)

    def close(self) -> None:
        """May be called again."""
        self._pins.remove(self)

    def __enter__(self) -> Pin:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class ReadPins:
    """`epoch` is the newest one that this process knows to have begun. It may lag behind, which only delays reaping."""

    def __init__(self, epoch: int = 0, lasting: float = LASTING) -> None:
        self.epoch = epoch
        self._lasting = lasting
        self._open: set[Pin] = set()

    def open(self) -> Pin:
        """Call it before the row is read that says what to read."""
        pin = Pin(self, self.epoch, time.monotonic())
        self._open.add(pin)
        return pin

    def replace(self, pin: Pin) -> Pin:
        """See `Pin.pass_on`. Raises KeyError when the pin is closed or was passed on before."""
        self._open.remove(pin)
        heir = Pin(self, pin.epoch, pin.opened_at)
        heir.content, heir.blob, heir.is_published = pin.content, pin.blob, pin.is_published
        self._open.add(heir)
        return heir

    def remove(self, pin: Pin) -> None:
        self._open.discard(pin)

    def oldest(self) -> int:
        """The epoch of the oldest pin that isn't published, or the present one: later pins have no earlier epoch."""
        return min((pin.epoch for pin in self._open if not pin.is_published), default=self.epoch)

    def lasting(self) -> list[Pin]:
        """The pins whose needs are, or are to be, published."""
        since = time.monotonic() - self._lasting
        return [
            pin
            for pin in self._open
            if pin.is_published or (pin.opened_at <= since and (pin.content is not None or pin.blob is not None))
        ]

    def __len__(self) -> int:
        return len(self._open)


def needs_of(pins: list[Pin]) -> Needs:
    return Needs(
        frozenset(pin.content for pin in pins if pin.content is not None),
        frozenset(pin.blob for pin in pins if pin.blob is not None),
    )
