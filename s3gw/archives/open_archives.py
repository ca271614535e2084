"""How many files the zips have that are being sent by this process: each keeps a line of its directory in memory until
its end. On the event loop only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from s3gw.errors import SlowDown

_MOST = 100_000  # files of all together: of each it is less than a kilobyte


class OpenArchives:
    def __init__(self) -> None:
        self.files = 0

    @contextmanager
    def holding(self, files: int) -> Iterator[None]:
        """One that has more than there is room for is let through when there is no other. Raises SlowDown."""
        if self.files and self.files + files > _MOST:
            raise SlowDown("Too many archives are being made.")
        self.files += files
        try:
            yield
        finally:
            self.files -= files
