"""The job process: one of the tree, runs background work until it is told to stop.

Started by processes/run_child.py. What the work is and how it is leased is runner.py's.
"""

from __future__ import annotations

import asyncio
import os
import socket
from functools import partial
from typing import TYPE_CHECKING

from s3gw import garbage, log, telemetry
from s3gw.folders import reserve_folders
from s3gw.jobs.carry import keep_carrying
from s3gw.jobs.deliver_events import keep_delivering
from s3gw.jobs.follow_changes import keep_following
from s3gw.jobs.keep_reserve import keep_reserve
from s3gw.jobs.keep_samples import keep_samples
from s3gw.jobs.runner import run_jobs
from s3gw.jobs.seal_audit_log import keep_sealed
from s3gw.processes import child, messages
from s3gw.storage import open_storage

if TYPE_CHECKING:
    from s3gw.config import Settings


async def run(settings: Settings, control: socket.socket) -> None:
    stop = asyncio.Event()
    control.setblocking(False)

    def listen() -> None:
        message = control.recv(1)
        if not message:
            os._exit(1)  # the supervisor is gone
        if message == messages.DRAIN:
            stop.set()

    asyncio.get_running_loop().add_reader(control.fileno(), listen)
    async with open_storage(settings, "jobs") as services:
        garbage.begin_to_collect()
        control.send(messages.READY)
        if services.database.is_read_only:  # then there is nothing to do
            await stop.wait()
            return
        keeping = (
            asyncio.create_task(keep_reserve(reserve_folders(settings), settings.min_free_space)),
            asyncio.create_task(keep_sealed(services)),
            asyncio.create_task(keep_following(services)),
            asyncio.create_task(keep_delivering(services)),
            asyncio.create_task(keep_carrying(services)),
            asyncio.create_task(keep_samples(services)),
        )
        for task in keeping:
            task.add_done_callback(partial(_stop_if_it_failed, stop))
        try:
            await run_jobs(services, stop)
        finally:
            for task in keeping:
                task.cancel()
            ends = await asyncio.gather(*keeping, return_exceptions=True)
        for error in ends:
            if isinstance(error, Exception):  # the supervisor starts another process, which does all of it again
                raise error


def _stop_if_it_failed(stop: asyncio.Event, ended: asyncio.Task[None]) -> None:
    """Where there is nothing to keep, as without a reserve, it just ends."""
    if not ended.cancelled() and ended.exception() is not None:
        stop.set()


def main(settings: Settings, control: socket.socket) -> None:
    log.configure(settings.log_format, settings.access_log, settings.log)
    telemetry.begin(settings)
    child.wait_for_go(control)
    with child.unsuitable_ends():
        asyncio.run(run(settings, control))
    telemetry.end()
