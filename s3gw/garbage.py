"""When Python looks for garbage in cycles: not while a process starts, and not when it ends.

Starting makes a hundred thousand objects that stay, and each look goes through them all again. At its end Python looks
several times more, to free what the kernel is about to take back. Both together were a third of what a command cost.
"""

from __future__ import annotations

import atexit
import gc


def leave_for_now() -> None:
    """At the beginning of a process, before it imports anything large. A command is over before garbage matters."""
    gc.disable()
    atexit.register(gc.freeze)  # what is frozen isn't looked at


def begin_to_collect() -> None:
    """For what serves: what start-up made lives as long as the process, so no collection need ever look at it. The few
    hundred objects of garbage among it stay too: to look for them would cost more than they hold.
    """
    gc.freeze()
    gc.enable()
