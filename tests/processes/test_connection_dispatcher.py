"""Which worker gets a connection, and what becomes of those that a worker didn't take."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from s3gw.processes import messages
from s3gw.processes.connection_dispatcher import ConnectionDispatcher, WorkerLink


class Worker:
    """The far end of a link."""

    def __init__(self, stack: ExitStack) -> None:
        ours, self.control = socket.socketpair()
        stack.enter_context(ours)
        stack.enter_context(self.control)
        ours.setblocking(False)
        self.control.setblocking(False)
        self.link = WorkerLink(ours)
        self.link.hear(messages.READY)
        self._stack = stack

    def take(self) -> list[socket.socket]:
        taken = []
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(self.control, 1, 1)
            except BlockingIOError:
                return taken
            assert message in (messages.S3, messages.ADMIN, messages.SHARE)
            taken.append(self._stack.enter_context(socket.socket(fileno=descriptors[0])))
            self.link.hear(messages.TAKEN)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connection(stack: ExitStack) -> tuple[socket.socket, socket.socket]:
    """The client's end, and the accepted one."""
    client, accepted = socket.socketpair()
    stack.enter_context(client)
    stack.enter_context(accepted)
    return client, accepted


def test_connections_spread_evenly(stack: ExitStack) -> None:
    workers = [Worker(stack), Worker(stack)]
    dispatcher = ConnectionDispatcher()
    for _ in range(32):
        assert dispatcher.give(messages.S3, connection(stack)[1], [worker.link for worker in workers])
    assert [len(worker.take()) for worker in workers] == [16, 16]


def test_a_new_connection_goes_where_the_fewest_are_open(stack: ExitStack) -> None:
    workers = [Worker(stack), Worker(stack)]
    links = [worker.link for worker in workers]
    dispatcher = ConnectionDispatcher()
    for _ in range(8):
        dispatcher.give(messages.S3, connection(stack)[1], links)
    for worker in workers:
        worker.take()
    links[1].hear(messages.CLOSED[messages.S3] * 4)
    for _ in range(4):
        dispatcher.give(messages.S3, connection(stack)[1], links)
    assert [len(worker.take()) for worker in workers] == [0, 4]


def test_the_listeners_are_counted_apart(stack: ExitStack) -> None:
    workers = [Worker(stack), Worker(stack)]
    links = [worker.link for worker in workers]
    dispatcher = ConnectionDispatcher()
    for listener in (messages.ADMIN, messages.S3, messages.S3):
        dispatcher.give(listener, connection(stack)[1], links)
    assert [link.open[messages.S3] for link in links] == [1, 1]


def test_what_a_dead_worker_did_not_take_goes_to_another_in_order(stack: ExitStack) -> None:
    dying, living = Worker(stack), Worker(stack)
    dispatcher = ConnectionDispatcher()
    clients = []
    for _ in range(3):
        client, accepted = connection(stack)
        clients.append(client)
        dispatcher.give(messages.S3, accepted, [dying.link])
    dispatcher.take_back(dying.link)
    assert len(dispatcher.waiting) == 3
    dispatcher.retry([dying.link, living.link])
    for client, taken in zip(clients, living.take(), strict=True):
        client.send(b"x")
        assert taken.recv(1) == b"x"
    assert not dispatcher.waiting


def test_connections_wait_while_no_worker_can_take_them(stack: ExitStack) -> None:
    dispatcher, worker = ConnectionDispatcher(), Worker(stack)
    worker.link.is_ready = False
    clients = []
    for _ in range(3):
        client, accepted = connection(stack)
        clients.append(client)
        assert not dispatcher.give(messages.S3, accepted, [worker.link])
    dispatcher.retry([worker.link])
    worker.link.hear(messages.READY)
    dispatcher.retry([worker.link])
    for client, taken in zip(clients, worker.take(), strict=True):
        client.send(b"x")
        assert taken.recv(1) == b"x"


def test_a_worker_whose_queue_is_full_is_passed_over(stack: ExitStack) -> None:
    stuck, living = Worker(stack), Worker(stack)
    dispatcher = ConnectionDispatcher()
    accepted = connection(stack)[1]
    while stuck.link.give(messages.S3, stack.enter_context(accepted.dup()), 0):
        pass
    stuck.link.open.clear()  # so that it would be chosen
    assert dispatcher.give(messages.S3, accepted, [stuck.link, living.link])
    assert len(living.take()) == 1


def test_closing_lets_the_waiting_ones_go(stack: ExitStack) -> None:
    dispatcher = ConnectionDispatcher()
    client, accepted = connection(stack)
    dispatcher.give(messages.S3, accepted, [])
    dispatcher.close()
    assert client.recv(1) == b""
