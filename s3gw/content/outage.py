"""While a store in the network can't be asked, one call at a time finds out whether it can be again.

Each call waits as long as its time limit says. Without this, all threads would wait that long again and again, and
requests would queue up behind them; with it whoever comes while the store is down is refused at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from s3gw.content.store import StoreUnavailable

_REST = 1.0  # seconds between two calls that find out
_LATELY, _SILENT = 5.0, 0.3  # seconds: since an answer, and without one while calls wait
_logger = logging.getLogger("s3gw.blobs")


class Outage:
    """For all threads: everything here is under the lock."""

    def __init__(self, rest: float = _REST) -> None:
        self._rest = rest
        self._lock = threading.Lock()
        self._reason: StoreUnavailable | None = None
        self._is_tried = False
        self._try_at = 0.0
        self._answered_at = -_LATELY
        self._waiting = 0  # calls
        self._silent_since = 0.0  # while some wait: when the first of them was made, or the last answer came

    @property
    def reason(self) -> StoreUnavailable | None:
        """Why the store can't be asked, as far as is known; None: it answers."""
        with self._lock:
            return self._reason

    def has_answered_lately(self) -> bool:
        """Not when calls have waited for a while without any being answered: who is cut off must not say he is well
        until their time limit is over.
        """
        with self._lock:
            now = time.monotonic()
            is_silent = self._waiting > 0 and now - self._silent_since > _SILENT
            return self._reason is None and not is_silent and now - self._answered_at < _LATELY

    @contextmanager
    def call(self) -> Iterator[None]:
        """Around each call of the store. Raises StoreUnavailable at once where it is known to be down."""
        self._begin()
        try:
            yield
        except StoreUnavailable as error:
            self._failed(error)
            raise
        except BaseException:  # it has answered, though not what was hoped for
            self._answered()
            raise
        self._answered()

    def _begin(self) -> None:
        with self._lock:
            if self._reason is not None and self._reason.again:  # who refuses us does so at once
                if self._is_tried or time.monotonic() < self._try_at:
                    raise StoreUnavailable(str(self._reason))
                self._is_tried = True
            if self._waiting == 0:
                self._silent_since = time.monotonic()
            self._waiting += 1

    def _failed(self, error: StoreUnavailable) -> None:
        with self._lock:
            if self._reason is None or self._reason.again != error.again:
                _logger.error("the store of blobs %s: %s", "can't be asked" if error.again else "refuses us", error)
            self._reason, self._is_tried = error, False
            self._try_at = time.monotonic() + self._rest
            self._waiting -= 1

    def _answered(self) -> None:
        with self._lock:
            if self._reason is not None:
                _logger.warning("the store of blobs answers again")
            self._reason, self._is_tried = None, False
            self._answered_at = self._silent_since = time.monotonic()
            self._waiting -= 1
