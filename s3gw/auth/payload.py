"""The body of a request, verified while it is read: length, chunk signatures, trailers, and at its end the digests.

`read()` gives the bytes and ends with b"" only when length, framing and signature chain were right. Digests over the
whole are left to whoever stores the bytes and hashes them anyway: update `hashers` with each piece, then call `verify`
before anything becomes visible. `read_all()` does both, for small bodies. Nothing is stored or decoded here.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol

from s3gw.auth.authenticate import Authentication
from s3gw.auth.expected_digests import ExpectedDigests
from s3gw.auth.sigv4 import FrameSigner
from s3gw.checksums import Hasher
from s3gw.errors import (
    EntityTooLarge,
    IncompleteBody,
    InvalidArgument,
    MaxMessageLengthExceeded,
    MissingContentLength,
    RequestTimeout,
    SignatureDoesNotMatch,
)
from s3gw.threads import in_thread
from s3gw.wire.aws_chunked import NEED_DATA, Data, Decoder, End, FrameEnd, FrameStart
from s3gw.wire.request import Request

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
# An ASGI extension, for long bodies: `scope["extensions"][RECEIVE_INTO]["call"]` fills memory with what comes
# next, for at most so many seconds, and gives the number of bytes and whether more may come.
ReceiveInto = Callable[[memoryview, float], Awaitable[tuple[int, bool]]]
RECEIVE_INTO = "s3gw.receive_into"

# Less is hashed on the event loop: it takes as long as handing it to a thread.
_THREAD_FROM = 64 * 1024
_LENGTH_DIGITS = 18


class ClientDisconnected(OSError):
    """The client went away in the middle of its body or of its answer; there is nobody to answer."""


class BodySettings(Protocol):
    """`body_timeout`: seconds that a client may be silent."""

    @property
    def body_timeout(self) -> float: ...


class VerifyingBody:
    """`size` is the length of the content that the headers announce; None when they leave it open. `received` is how
    much of it has come so far, `checksum_algorithm` that of the x-amz-checksum-… header or trailer.

    The constructor raises what is wrong with the headers before a byte is read; `limit` bounds the content.
    """

    def __init__(
        self,
        receive: Receive,
        request: Request,
        authentication: Authentication,
        settings: BodySettings,
        limit: int,
        receive_into: ReceiveInto | None = None,
    ) -> None:
        self._receive, self._limit, self._timeout = receive, limit, settings.body_timeout
        self._receive_into = receive_into
        spec, headers = authentication.payload, request.headers
        self._expected = ExpectedDigests(request, spec)
        algorithm = self._expected.algorithm
        self.checksum_algorithm = None if algorithm is None else algorithm.name
        self.hashers: dict[str, Hasher] = self._expected.hashers()
        self._decoder: _FramedContent | None = None
        if spec.kind.startswith("chunked"):
            self.size = _length(headers, "x-amz-decoded-content-length")
            if self.size is None:
                raise MissingContentLength()
            self._decoder = _FramedContent(self.size, spec.signer, spec.trailer)
        else:
            self.size = _length(headers, "content-length")
        self._is_open_ended = self.size is None and "transfer-encoding" in headers
        self.received = 0
        self._content: deque[bytes | memoryview] = deque()  # that has come and wasn't read yet
        self._has_begun = self._has_ended = False

    @property
    def is_chunked(self) -> bool:
        """Whether it is sent in aws-chunked encoding."""
        return self._decoder is not None

    def may_exceed(self, size: int) -> bool:
        return self._is_open_ended if self.size is None else self.size > size

    def refuse_more_than(self, limit: int) -> None:
        """Before a byte is read. Raises MaxMessageLengthExceeded."""
        if self.size is not None and self.size > limit:
            raise MaxMessageLengthExceeded(MaxMessageLengthBytes=limit)

    @property
    def has_ended(self) -> bool:
        """Whether all of it was read."""
        return self._has_ended and not self._content

    async def read(self) -> bytes:
        """The next piece, or b"" at the verified end. Pieces are as large as the server hands them on (64 to 256 KiB).

        Raises EntityTooLarge, MissingContentLength, IncompleteBody, SignatureDoesNotMatch, MalformedTrailerError,
        RequestTimeout, and ClientDisconnected.
        """
        self._begin()
        piece = await self._next_piece()
        self._check_limit(self.received)
        return piece

    async def read_into(self, room: memoryview, patience: float) -> int:
        """Fill `room` with what comes next: all of it, unless the body ends before or `patience` seconds have passed.

        Gives the number of bytes; 0 when the body `has_ended`, or when nothing came in that time. Raises as `read`.
        """
        self._begin()
        if self._receive_into is None or self._decoder is not None:
            filled = await self._copy_into(room, patience)
        else:
            filled, has_more = await self._receive_into(room, patience)
            self._count(filled, not has_more)
        self._check_limit(self.received)
        return filled

    async def _copy_into(self, room: memoryview, patience: float) -> int:
        deadline = time.monotonic() + patience
        filled = 0
        while filled < len(room):
            if self._content:
                piece = memoryview(self._content.popleft())
                size = min(len(piece), len(room) - filled)
                room[filled : filled + size] = piece[:size]
                filled += size
                if size < len(piece):
                    self._content.appendleft(piece[size:])
            elif self._has_ended or not await self._receives_more(deadline - time.monotonic(), filled):
                break
        return filled

    async def _receives_more(self, patience: float, filled: int) -> bool:
        """Who has gone is told of when all that came before was handed on."""
        try:
            return await self._receive_content(patience)
        except ClientDisconnected:
            if not filled:
                raise
            return False

    async def read_all(self, limit: int) -> bytes:
        """The whole body with its digests checked; empty when the request has none. Raises MaxMessageLengthExceeded."""
        self.refuse_more_than(limit)
        pieces, length = [], 0
        while piece := await self._next_piece():
            length += len(piece)
            if length > limit:
                raise MaxMessageLengthExceeded(MaxMessageLengthBytes=limit)
            pieces.append(piece)
        body = b"".join(pieces)
        if self.hashers or self._expected.md5 is not None:
            if length < _THREAD_FROM:
                self._hash_and_verify(body)
            else:
                await in_thread(None, self._hash_and_verify, body)
        return body

    def verify(self, md5_hex: str, digests: Mapping[str, bytes]) -> None:
        """Compare what was expected with the digests of the bytes read; `digests` has all the names of `hashers`.

        Raises BadDigest, XAmzContentSHA256Mismatch, InvalidRequest (a trailer that is no checksum).
        """
        assert self._has_ended, "digests of a part of a body say nothing"
        trailers = self._decoder.trailers if self._decoder is not None else {}
        self._expected.verify(bytes.fromhex(md5_hex), digests, trailers)

    def _hash_and_verify(self, body: bytes) -> None:
        for hasher in self.hashers.values():
            hasher.update(body)
        digests = {name: hasher.digest() for name, hasher in self.hashers.items()}
        self.verify(hashlib.md5(body, usedforsecurity=False).hexdigest(), digests)

    async def _next_piece(self) -> bytes:
        while not self._content and not self._has_ended:
            if not await self._receive_content(self._timeout):
                raise RequestTimeout()
        pieces = list(self._content)
        self._content.clear()
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)

    async def _receive_content(self, patience: float) -> bool:
        """Take what the server has; False when nothing came in `patience` seconds."""
        try:
            async with asyncio.timeout(patience):
                message = await self._receive()
        except TimeoutError:
            return False
        if message["type"] == "http.disconnect":
            raise ClientDisconnected()
        piece: bytes = message.get("body", b"")
        is_last = not message.get("more_body", False)
        if self._decoder is None:
            content: list[bytes | memoryview] = [piece] if piece else []
        else:
            content = await self._decode(self._decoder, piece, is_last)
        self._content.extend(content)
        self._count(sum(map(len, content)), is_last)
        return True

    def _count(self, size: int, is_last: bool) -> None:
        self.received += size
        if self.size is not None and (self.received > self.size or (is_last and self.received < self.size)):
            raise IncompleteBody(NumberBytesExpected=self.size, NumberBytesProvided=self.received)
        if is_last:
            self._has_ended = True
            if self._decoder is not None:
                self._expected.check_trailers(self._decoder.trailers)

    async def _decode(self, decoder: _FramedContent, piece: bytes, is_last: bool) -> list[bytes | memoryview]:
        if decoder.signer is not None and len(piece) >= _THREAD_FROM:
            return await in_thread(None, decoder.feed, piece, is_last)
        return decoder.feed(piece, is_last)

    def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            if self.size is None and not self._is_open_ended:
                raise MissingContentLength()
            self._check_limit(self.size or 0)

    def _check_limit(self, size: int) -> None:
        if size > self._limit:
            raise EntityTooLarge(ProposedSize=size, MaxSizeAllowed=self._limit)


class _FramedContent:
    """The content of an aws-chunked body.

    Bytes of a chunk are given out before all of it has come and its signature was checked, because nothing becomes
    visible before the verified end.
    """

    def __init__(self, size: int, signer: FrameSigner | None, has_trailers: bool) -> None:
        self.signer = signer
        self.trailers: dict[str, str] = {}
        self._decoder = Decoder(size, signed=signer is not None, trailers=has_trailers)
        self._hash = hashlib.sha256()
        self._signature = ""

    def feed(self, data: bytes, is_last: bool) -> list[bytes | memoryview]:
        decoder, signer = self._decoder, self.signer
        content: list[bytes | memoryview] = []
        decoder.receive_data(data)
        while (event := decoder.next_event()) is not NEED_DATA:
            if type(event) is Data:
                content.append(event.data)
                if signer is not None:
                    self._hash.update(event.data)
            elif type(event) is FrameStart:
                self._signature = event.signature
            elif type(event) is FrameEnd:
                if signer is not None:
                    _check(signer, signer.string_for_frame(self._hash.hexdigest()), self._signature)
                    self._hash = hashlib.sha256()
            elif type(event) is End:
                self._end(event)
        if is_last and (end := decoder.close()) is not None:
            self._end(end)
        return content

    def _end(self, event: End) -> None:
        self.trailers = event.trailers
        if self.signer is not None and event.signature:
            _check(self.signer, self.signer.string_for_trailers(event.trailers), event.signature)


def _check(signer: FrameSigner, text: str, signature: str) -> None:
    if not signer.accept(text, signature):
        raise SignatureDoesNotMatch(
            StringToSign=text, SignatureProvided=signature, StringToSignBytes=text.encode("latin-1").hex(" ")
        )


def _length(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > _LENGTH_DIGITS:
        raise InvalidArgument(f"{name} must be a number of bytes", ArgumentName=name, ArgumentValue=text)
    return int(text)
