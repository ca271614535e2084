"""What every process that the supervisor starts does first: read its settings, die with its parent, wait for GO.

The settings come as JSON on standard input (secrets never stand in an argument list), messages on an inherited
socket whose number is the only argument.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

from s3gw.config import Settings
from s3gw.server import messages

_PR_SET_PDEATHSIG = 1


def enter() -> tuple[Settings, socket.socket]:
    """Settings, and the socket to the supervisor."""
    # A terminal's Ctrl+C and systemd's SIGTERM reach the whole tree; the supervisor alone acts on them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    control = socket.socket(fileno=int(sys.argv[1]))
    _die_with_parent()
    return Settings(**json.loads(sys.stdin.buffer.read())), control


def wait_for_go(control: socket.socket) -> None:
    control.setblocking(True)
    if control.recv(1) != messages.GO:  # the supervisor gave up or is gone
        os._exit(1)


def _die_with_parent() -> None:
    """Beside the end of the stream on `control`, which a blocked process notices late. Linux only."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
