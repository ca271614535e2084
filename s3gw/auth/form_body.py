"""The body of a form: its fields, and then its file as the body of a PutObject, which streams like any other.

It ends when the closing boundary and all that follows have come, so nothing of a form that breaks off becomes visible.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence

from s3gw.auth.authenticate import PayloadSpec
from s3gw.auth.expected_digests import ExpectedDigests
from s3gw.auth.payload import VerifyingBody
from s3gw.auth.post_policy import SizeRange
from s3gw.checksums import Hasher
from s3gw.wire.form import Form
from s3gw.wire.request import Request

# Bytes that are parsed at a time on the event loop: 10 ms where all of them look like a boundary of one character.
_AT_ONCE = 64 * 1024


class FormBody:
    """`sent` is the body of the request, of which `read_fields` reads what comes before the file's bytes.

    What is expected of the file is set when the fields are known: `sizes`, and by `expect` its digests.
    """

    size: int | None = None  # of the file: nobody knows before the closing boundary
    checksum_algorithm: str | None = None

    def __init__(self, sent: VerifyingBody, form: Form) -> None:
        self.form = form
        self.hashers: dict[str, Hasher] = {}
        self.sizes: Sequence[SizeRange] = ()
        self._sent = sent
        self._expected: ExpectedDigests | None = None
        self._content: deque[memoryview] = deque()  # of the file, that wasn't read yet
        self._file_size = 0
        self._is_over = False  # all of the request's body was parsed

    async def read_fields(self) -> None:
        """Until the file begins; a form without one is read to its end."""
        while not self.form.files and not self._is_over:
            self._parse(await self._sent.read())

    def expect(self, request: Request) -> None:
        """The digests that the fields, as headers, announce. Raises what is wrong with them."""
        expected = ExpectedDigests(request, PayloadSpec("unsigned"))
        self._expected, self.hashers = expected, expected.hashers()
        self.checksum_algorithm = None if expected.algorithm is None else expected.algorithm.name

    @property
    def has_ended(self) -> bool:
        return self._is_over and not self._content

    async def read(self) -> bytes:
        while not self._content and not self._is_over:
            self._parse(await self._sent.read())
        self._check_sizes()
        content = b"".join(self._content)
        self._content.clear()
        return content

    async def read_into(self, room: memoryview, patience: float) -> int:
        deadline = time.monotonic() + patience
        filled = self._take_into(room)
        while filled < len(room) and not self._is_over and (left := deadline - time.monotonic()) > 0:
            scratch = memoryview(bytearray(min(len(room) - filled, _AT_ONCE)))
            received = await self._sent.read_into(scratch, left)
            if received or self._sent.has_ended:
                self._parse(bytes(scratch[:received]))
            filled += self._take_into(room[filled:])
        self._check_sizes()
        # A few bytes that were held back as a possible boundary may be over: copied, so that they keep no more alive.
        self._content = deque(memoryview(bytes(piece)) for piece in self._content)
        return filled

    def _take_into(self, room: memoryview) -> int:
        filled = 0
        while self._content and filled < len(room):
            piece = self._content.popleft()
            size = min(len(piece), len(room) - filled)
            room[filled : filled + size] = piece[:size]
            filled += size
            if size < len(piece):
                self._content.appendleft(piece[size:])
        return filled

    def _parse(self, data: bytes) -> None:
        if data:
            self.form.feed(data)
        if self._sent.has_ended:
            self.form.close()
            self._is_over = True
        content = self.form.take_content()
        self._file_size += sum(map(len, content))
        self._content += content

    def _check_sizes(self) -> None:
        for limit in self.sizes:
            limit.check_most(self._file_size)
            if self._is_over:
                limit.check_least(self._file_size)

    def verify(self, md5_hex: str, digests: Mapping[str, bytes]) -> None:
        assert self.has_ended and self._expected is not None, "digests of a part of a body say nothing"
        self._expected.verify(bytes.fromhex(md5_hex), digests, {})
