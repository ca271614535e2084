"""One worker: serves the connections that the supervisor hands to it, until it is told to drain.

Started by run_child.py. What it serves is built in app.py.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import sys
from functools import partial
from typing import TYPE_CHECKING

import uvloop

from s3gw import garbage, log, telemetry
from s3gw.app import Application, open_application
from s3gw.busy import requests
from s3gw.content import chunk_cache
from s3gw.http.connection import Connection, Connections
from s3gw.http.refusals import in_json, in_text
from s3gw.metadata import sqlite_writer
from s3gw.metrics import counted
from s3gw.processes import child, messages
from s3gw.processes.certificate import Certificate

if TYPE_CHECKING:
    from s3gw.config import Settings

_TICK = 1.0  # seconds between looks at deadlines
_HANDOVERS_AT_ONCE = 32
_SETTLE = 0.05  # seconds in which requests that have arrived already are read before a drain
_logger = logging.getLogger("s3gw.server")


class Worker:
    def __init__(self, settings: Settings, control: socket.socket, application: Application) -> None:
        self._settings = settings
        self._control = control
        self._end_streams = application.end_streams
        self._loop = asyncio.get_running_loop()
        self._listeners = {
            messages.S3: Connections(application.s3, settings),
            messages.ADMIN: Connections(application.admin, settings, in_json),
            messages.SHARE: Connections(application.share, settings, in_text),
        }
        self._certificate: Certificate | None = None
        if settings.tls_cert is not None and settings.tls_key is not None:
            tells = child.is_first_worker(settings)
            self._certificate = Certificate(settings.tls_cert, settings.tls_key, tells=tells)
        names = {messages.S3: "s3", messages.ADMIN: "admin", messages.SHARE: "share"}
        self._counts = {name: counted.connections.labels(names[name]).set for name in self._listeners}
        self._starting: set[asyncio.Task[None]] = set()
        self._notices = bytearray()
        self._draining = asyncio.Event()

    async def serve(self) -> None:
        self._control.setblocking(False)
        self._loop.add_reader(self._control.fileno(), self._take_connections)
        self._notify(messages.READY)
        while not self._draining.is_set():
            self._tick()
            try:
                await asyncio.wait_for(self._draining.wait(), _TICK)
            except TimeoutError:
                pass
        await self._drain()

    def _tick(self) -> None:
        now = self._loop.time()
        for name, listener in self._listeners.items():
            listener.tick(now)
            self._counts[name](len(listener.connections))
        requests.open = sum(len(listener.tasks) for listener in self._listeners.values())
        if self._certificate is not None:
            self._certificate.refresh()

    # Connections

    def _take_connections(self) -> None:
        for _ in range(_HANDOVERS_AT_ONCE):
            try:
                message, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
            except BlockingIOError:
                return
            if message == messages.DRAIN:
                self._draining.set()
            elif message in self._listeners:
                self._notify(messages.TAKEN)
                if descriptors:
                    self._start(message, socket.socket(fileno=descriptors[0]))
                else:  # we are out of descriptors: the supervisor's copy is the last, and it closes that now
                    self._notify(messages.CLOSED[message])
            elif not message:
                os._exit(1)  # the supervisor is gone, and with it the lock on the data folder

    def _start(self, listener: bytes, peer: socket.socket) -> None:
        task = self._loop.create_task(self._connect(listener, peer))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _connect(self, listener: bytes, peer: socket.socket) -> None:
        peer.setblocking(False)
        on_end = partial(self._notify, messages.CLOSED[listener])
        connection = Connection(self._listeners[listener], on_end, self._loop)
        try:
            if self._certificate is None:
                await self._loop.connect_accepted_socket(lambda: connection, peer)
            else:
                await self._loop.connect_accepted_socket(
                    lambda: connection,
                    peer,
                    ssl=self._certificate.context,
                    ssl_handshake_timeout=self._settings.header_timeout,
                )
        except (OSError, ssl.SSLError) as error:  # gone, or not a TLS client
            _logger.debug("connection failed: %s", error)
            connection.end()

    def _notify(self, message: bytes) -> None:
        """Messages of one turn of the event loop are sent together."""
        if not self._notices:
            self._loop.call_soon(self._send_notices)
        self._notices += message

    def _send_notices(self) -> None:
        try:
            del self._notices[: self._control.send(self._notices)]
        except BlockingIOError:
            pass
        except OSError:
            return  # the supervisor is gone, which _take_connections will see
        if self._notices:
            self._loop.call_later(0.01, self._send_notices)

    # The end

    async def _drain(self) -> None:
        await asyncio.sleep(_SETTLE)
        deadline = self._loop.time() + self._settings.shutdown_timeout
        for listener in self._listeners.values():
            listener.drain()
        self._end_streams()
        while self._is_busy() and self._loop.time() < deadline:
            self._tick()
            await asyncio.sleep(_SETTLE)
        for listener in self._listeners.values():
            listener.abort()
        await asyncio.sleep(0)

    def _is_busy(self) -> bool:
        return any(listener.connections or listener.tasks for listener in self._listeners.values())


async def run(settings: Settings, control: socket.socket) -> None:
    async with open_application(settings) as application:
        worker = Worker(settings, control, application)
        garbage.begin_to_collect()
        await worker.serve()
    log.flush()
    counted.write()
    telemetry.end()


def main(settings: Settings, control: socket.socket) -> None:
    log.configure(settings.log_format, settings.access_log, settings.log)
    telemetry.begin(settings)
    counted.begin()
    log.watch(requests.end_one)
    sqlite_writer.watch(counted.commits.observe)
    chunk_cache.watch(counted.cache_opened)
    # So that threads that compute don't hold up the event loop: docs/architecture.md, "Reads on the event loop".
    sys.setswitchinterval(0.0005)
    child.wait_for_go(control)
    with child.unsuitable_ends():
        uvloop.run(run(settings, control))
