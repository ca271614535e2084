"""Work in a thread that isn't left alone: who waits for it goes on only when the thread is done, cancelled or not.

`asyncio.to_thread` raises CancelledError at once, and its thread then works beside whoever cleans up: on a file that is
being closed, on memory that is given away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(executor: Executor | None, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `fn` on the executor (None: asyncio's own). A cancellation meanwhile is raised when `fn` has ended."""
    work = asyncio.get_running_loop().run_in_executor(executor, lambda: fn(*args, **kwargs))
    cancelled: asyncio.CancelledError | None = None
    try:
        while not work.done():
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            work.exception()  # retrieved, or asyncio complains
            raise cancelled
        return work.result()
    finally:
        # An exception refers to this frame, and so to the future that refers to it: such a circle would keep what `fn`
        # was given, a large document for instance, until the garbage collector comes by.
        del work, cancelled
