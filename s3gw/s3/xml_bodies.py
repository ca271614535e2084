"""The XML bodies of requests: how many large ones a process holds at a time, and where they are decoded.

A small one is read and decoded at once: a connection holds as much by itself. A large one needs a turn, which ends
within a bounded time, so that clients that stall keep nobody waiting for ever; it is decoded in a thread, because the
event loop has other clients. What a document means is wire/decode.py's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from s3gw.auth.payload import VerifyingBody
from s3gw.errors import InvalidRequest, MaxMessageLengthExceeded, RequestTimeout, SlowDown
from s3gw.threads import in_thread

LARGE = 64 * 1024  # bytes


class XmlSettings(Protocol):
    @property
    def upload_memory(self) -> int: ...

    @property
    def max_xml_body(self) -> int: ...


T = TypeVar("T")


def memory_of(settings: XmlSettings) -> int:
    """Bytes that large bodies may take, an eighth of the memory for uploads, or one body if that is more."""
    return _most_at_once(settings.upload_memory // 8, settings.max_xml_body) * settings.max_xml_body


def _most_at_once(memory: int, largest: int) -> int:
    return max(1, memory // largest)


class XmlBodies:
    """Large documents that hold at most `memory` bytes, but one always may; of at most `largest` bytes each.

    `patience`: seconds that one may wait for its turn, and that a turn may last until its body has come. Turns are
    given and ended on the event loop; a thread has the document and what `decode` needs, and nobody else meanwhile.
    """

    def __init__(self, memory: int, largest: int, patience: float) -> None:
        self._largest, self._patience = largest, patience
        self._turns = asyncio.Semaphore(_most_at_once(memory, largest))
        self._decoding = asyncio.Lock()  # a tree is larger than its text, and threads would wait for each other anyway

    async def decode(self, body: VerifyingBody, decode: Callable[[bytes], T]) -> T:
        """Raises what `read_all` and `decode` raise, and SlowDown."""
        if not body.may_exceed(LARGE):
            return decode(await body.read_all(self._largest))
        body.refuse_more_than(self._largest)
        try:
            async with asyncio.timeout(self._patience):
                await self._turns.acquire()
        except TimeoutError:
            raise SlowDown() from None
        try:
            return await self._decode_large(body, decode)
        finally:
            self._turns.release()

    async def _decode_large(self, body: VerifyingBody, decode: Callable[[bytes], T]) -> T:
        try:
            async with asyncio.timeout(self._patience):
                document = await body.read_all(self._largest)
        except TimeoutError:
            raise RequestTimeout() from None
        async with self._decoding:
            return await in_thread(None, decode, document)


class XmlDocument:
    """The document of one request: read, verified and decoded by `read`, once.

    `longest`: bytes, where the operation takes less than others.
    """

    def __init__(
        self,
        bodies: XmlBodies,
        body: VerifyingBody,
        decode: Callable[[bytes], dict[str, Any]],
        needs_checksum: bool,
        longest: int | None = None,
    ) -> None:
        self._bodies, self._body, self._decode, self._needs_checksum = bodies, body, decode, needs_checksum
        self._longest = longest

    async def read(self) -> dict[str, Any]:
        return await self._bodies.decode(self._body, self._decode_checked)

    def _decode_checked(self, document: bytes) -> dict[str, Any]:
        """A signed hash of the payload isn't enough on AWS either."""
        if self._needs_checksum and document and self._body.checksum_algorithm is None:
            raise InvalidRequest("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
        if self._longest is not None and len(document) > self._longest:
            raise MaxMessageLengthExceeded(MaxMessageLengthBytes=self._longest)
        return self._decode(document)
