"""What every process that the supervisor starts does first: read its settings, die with its parent, wait for GO.

The settings come as JSON on standard input (secrets never stand in an argument list), messages on an inherited
socket. run_child.py begins with it.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from s3gw import log
from s3gw.processes import messages

if TYPE_CHECKING:
    from s3gw.config import Settings

# A terminal's Ctrl+C and systemd's SIGTERM reach the whole tree; the supervisor alone acts on them.
DEAF_TO = (signal.SIGINT, signal.SIGTERM)
_PATHS = ("data", "master_key_file", "tls_cert", "tls_key")
_PR_SET_PDEATHSIG = 1
_logger = logging.getLogger("s3gw.server")


def enter(descriptor: int) -> tuple[Settings, socket.socket]:
    """Settings, and the socket to the supervisor, whose descriptor is given."""
    for number in DEAF_TO:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, DEAF_TO)  # blocked by the supervisor until we got here
    control = socket.socket(fileno=descriptor)
    _die_with_parent()
    return rebuild(sys.stdin.buffer.read()), control


def rebuild(document: bytes) -> Settings:
    """Settings that the command line has checked, from their JSON form. Without pydantic: that is 15 MiB a process."""
    values = json.loads(document)
    for name in _PATHS:
        if values[name] is not None:
            values[name] = Path(values[name])
    return cast("Settings", SimpleNamespace(**values))


def is_first_worker(settings: Settings) -> bool:
    """The one that tells what is the same in all of them."""
    return bool(getattr(settings, "is_first_worker", False))


def wait_for_go(control: socket.socket) -> None:
    control.setblocking(True)
    if control.recv(1) != messages.GO:  # the supervisor gave up or is gone
        os._exit(1)


@contextmanager
def unsuitable_ends() -> Iterator[None]:
    """A database that isn't for this program, as of a newer release, ends the whole tree."""
    from s3gw.metadata.database import UnsuitableDatabase  # after garbage collection was turned off

    try:
        yield
    except UnsuitableDatabase as error:
        _logger.error("%s", error)
        log.flush()
        os._exit(messages.UNSUITABLE)


def _die_with_parent() -> None:
    """Beside the end of the stream on `control`, which a blocked process notices late. Linux only."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
