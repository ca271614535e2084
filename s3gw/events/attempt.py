"""An attempt to tell a target something, whatever its kind: how long it may last, and as what its failure is known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from s3gw.events.message import PATIENCE, NotTold
from s3gw.events.reach import NotAllowed


@asynccontextmanager
async def attempt(*failures: type[Exception]) -> AsyncIterator[None]:
    """Raises NotTold for `failures`, which are those of the library, for those of the network, and after PATIENCE."""
    known: tuple[type[Exception], ...] = (OSError, *failures)
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except TimeoutError:
        raise NotTold(f"no answer within {PATIENCE:.0f} seconds") from None
    except NotAllowed as error:
        raise NotTold(str(error)) from error
    except known as error:
        raise NotTold(f"{type(error).__name__}: {error}".rstrip(": ")) from error
