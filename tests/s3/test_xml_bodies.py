"""Large documents wait for their turn, small ones don't; a turn ends in time, and the event loop stays free."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from s3gw.auth.authenticate import Authentication, PayloadSpec
from s3gw.auth.payload import ClientDisconnected, VerifyingBody
from s3gw.auth.principal import ANONYMOUS
from s3gw.errors import MaxMessageLengthExceeded, RequestTimeout, S3Error, SlowDown
from s3gw.s3.xml_bodies import LARGE, XmlBodies
from tests.auth.clients import request

pytestmark = pytest.mark.anyio
LARGEST = 4 * LARGE


@dataclass(frozen=True)
class BodySettings:
    body_timeout: float = 5


class Sender:
    """A client that sends its document when it may go on, or goes away."""

    def __init__(self, size: int, *, chunked: bool = False) -> None:
        headers = {"transfer-encoding": "chunked"} if chunked else {"content-length": str(size)}
        authentication = Authentication(ANONYMOUS, PayloadSpec("unsigned"), False)
        self.body = VerifyingBody(
            self._receive, request("POST", "http://s3/bucket?delete", headers), authentication, BodySettings(), LARGEST
        )
        self.is_asked, self.may_go_on, self.is_gone = False, asyncio.Event(), False
        self._size = size

    async def _receive(self) -> Any:
        self.is_asked = True
        await self.may_go_on.wait()
        if self.is_gone:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": bytes(self._size), "more_body": False}


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def decoding(documents: XmlBodies, *senders: Sender) -> list[asyncio.Task[int]]:
    return [asyncio.ensure_future(documents.decode(sender.body, len)) for sender in senders]


async def test_so_many_large_documents_are_read_at_a_time_and_the_others_in_their_order() -> None:
    documents, senders = XmlBodies(2 * LARGEST + 1, LARGEST, 5), [Sender(LARGEST) for _ in range(4)]
    tasks = decoding(documents, *senders)
    await settle()
    assert [sender.is_asked for sender in senders] == [True, True, False, False]
    senders[0].may_go_on.set()
    assert await tasks[0] == LARGEST
    await settle()
    assert [sender.is_asked for sender in senders] == [True, True, True, False]
    senders[1].is_gone = True
    for sender in senders:
        sender.may_go_on.set()
    with pytest.raises(ClientDisconnected):
        await tasks[1]
    assert await asyncio.gather(*tasks[2:]) == [LARGEST, LARGEST]


@pytest.mark.parametrize("chunked", [False, True])
async def test_who_waits_too_long_is_asked_to_come_again_and_who_keeps_others_waiting_is_let_go(chunked: bool) -> None:
    documents, stalled, late = XmlBodies(0, LARGEST, 0.1), Sender(LARGEST, chunked=chunked), Sender(LARGE + 1)
    first, second = decoding(documents, stalled, late)
    small = Sender(LARGE)
    small.may_go_on.set()
    assert await documents.decode(small.body, len) == LARGE
    refusals: list[type[S3Error]] = [RequestTimeout, SlowDown]
    for task, refusal in zip((first, second), refusals, strict=True):
        with pytest.raises(refusal):
            await task
    last = Sender(LARGEST)
    last.may_go_on.set()
    assert await documents.decode(last.body, len) == LARGEST


async def test_what_is_too_large_does_not_wait_for_its_refusal() -> None:
    documents = XmlBodies(0, LARGEST, 5)
    (held,) = decoding(documents, Sender(LARGEST))
    await settle()
    with pytest.raises(MaxMessageLengthExceeded):
        await documents.decode(Sender(LARGEST + 1).body, len)
    held.cancel()


@pytest.mark.parametrize(("size", "is_here"), [(0, True), (LARGE, True), (LARGE + 1, False)])
async def test_large_documents_are_decoded_beside_the_event_loop(size: int, is_here: bool) -> None:
    sender = Sender(size)
    sender.may_go_on.set()
    decode: Callable[[bytes], int] = lambda _: threading.get_ident()  # noqa: E731
    assert (await XmlBodies(0, LARGEST, 5).decode(sender.body, decode) == threading.get_ident()) is is_here
