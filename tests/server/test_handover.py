"""Which worker gets a connection, and what becomes of those that a worker didn't take."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from s3gw.server import messages
from s3gw.server.handover import Handover, Recipient


class Worker:
    """The far end of a recipient."""

    def __init__(self, stack: ExitStack) -> None:
        ours, self.control = socket.socketpair()
        stack.enter_context(ours)
        stack.enter_context(self.control)
        ours.setblocking(False)
        self.control.setblocking(False)
        self.recipient = Recipient(ours)
        self.recipient.hear(messages.READY)
        self._stack = stack

    def take(self) -> list[socket.socket]:
        taken = []
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(self.control, 1, 1)
            except BlockingIOError:
                return taken
            assert message in (messages.S3, messages.ADMIN)
            taken.append(self._stack.enter_context(socket.socket(fileno=descriptors[0])))
            self.recipient.hear(messages.TAKEN)


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
    handover = Handover()
    for _ in range(32):
        assert handover.give(messages.S3, connection(stack)[1], [worker.recipient for worker in workers])
    assert [len(worker.take()) for worker in workers] == [16, 16]


def test_a_new_connection_goes_where_the_fewest_are_open(stack: ExitStack) -> None:
    workers = [Worker(stack), Worker(stack)]
    recipients = [worker.recipient for worker in workers]
    handover = Handover()
    for _ in range(8):
        handover.give(messages.S3, connection(stack)[1], recipients)
    for worker in workers:
        worker.take()
    recipients[1].hear(messages.CLOSED[messages.S3] * 4)
    for _ in range(4):
        handover.give(messages.S3, connection(stack)[1], recipients)
    assert [len(worker.take()) for worker in workers] == [0, 4]


def test_the_listeners_are_counted_apart(stack: ExitStack) -> None:
    workers = [Worker(stack), Worker(stack)]
    recipients = [worker.recipient for worker in workers]
    handover = Handover()
    for listener in (messages.ADMIN, messages.S3, messages.S3):
        handover.give(listener, connection(stack)[1], recipients)
    assert [recipient.open[messages.S3] for recipient in recipients] == [1, 1]


def test_what_a_dead_worker_did_not_take_goes_to_another_in_order(stack: ExitStack) -> None:
    dying, living = Worker(stack), Worker(stack)
    handover = Handover()
    clients = []
    for _ in range(3):
        client, accepted = connection(stack)
        clients.append(client)
        handover.give(messages.S3, accepted, [dying.recipient])
    handover.take_back(dying.recipient)
    assert len(handover.waiting) == 3
    handover.retry([dying.recipient, living.recipient])
    for client, taken in zip(clients, living.take(), strict=True):
        client.send(b"x")
        assert taken.recv(1) == b"x"
    assert not handover.waiting


def test_connections_wait_while_no_worker_can_take_them(stack: ExitStack) -> None:
    handover, worker = Handover(), Worker(stack)
    worker.recipient.is_ready = False
    clients = []
    for _ in range(3):
        client, accepted = connection(stack)
        clients.append(client)
        assert not handover.give(messages.S3, accepted, [worker.recipient])
    handover.retry([worker.recipient])
    worker.recipient.hear(messages.READY)
    handover.retry([worker.recipient])
    for client, taken in zip(clients, worker.take(), strict=True):
        client.send(b"x")
        assert taken.recv(1) == b"x"


def test_a_worker_whose_queue_is_full_is_passed_over(stack: ExitStack) -> None:
    stuck, living = Worker(stack), Worker(stack)
    handover = Handover()
    accepted = connection(stack)[1]
    while stuck.recipient.give(messages.S3, stack.enter_context(accepted.dup()), 0):
        pass
    stuck.recipient.open.clear()  # so that it would be chosen
    assert handover.give(messages.S3, accepted, [stuck.recipient, living.recipient])
    assert len(living.take()) == 1


def test_closing_lets_the_waiting_ones_go(stack: ExitStack) -> None:
    handover = Handover()
    client, accepted = connection(stack)
    handover.give(messages.S3, accepted, [])
    handover.close()
    assert client.recv(1) == b""
