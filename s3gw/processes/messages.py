"""What the supervisor and its children say to each other: single bytes on a Unix socket pair.

A connection travels as one byte (which listener took it) with its descriptor attached. The order is kept, so DRAIN
comes after every connection sent before it, and the end of the stream means that the other side is gone.
"""

from __future__ import annotations

from typing import Final

# Supervisor to child
GO: Final = b"g"  # the database is migrated: open it
S3: Final = b"s"  # an S3 connection, with its descriptor
ADMIN: Final = b"a"  # one of the admin listener
SHARE: Final = b"l"  # one of the listener of share links
DRAIN: Final = b"q"  # finish what is in flight and end

# Child to supervisor
READY: Final = b"R"
TAKEN: Final = b"+"  # the oldest connection not yet taken is now the worker's
CLOSED: Final = {S3: b"S", ADMIN: b"A", SHARE: b"L"}  # a connection of that listener has ended

# Status with which a child ends where the database isn't for this program any more: starting another wouldn't help.
UNSUITABLE: Final = 78
