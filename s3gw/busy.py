"""How busy this process is, for its heartbeat. On the event loop only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Requests:
    """`open` now, of all doors, as of the last second; `ended` since the process began."""

    open: int = 0
    ended: int = 0

    def end_one(self, _: object) -> None:
        self.ended += 1


requests = Requests()
