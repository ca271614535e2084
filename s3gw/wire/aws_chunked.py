"""The aws-chunked content encoding, without I/O: bytes in (`receive_data`), events out (`next_event`).

What AWS calls a chunk here is a frame, because a chunk is what we store.

    chunk   = size-in-hex [";chunk-signature=" signature] CRLF data CRLF
    body    = *chunk  last-chunk(size 0, without data)  *(name ":" value CRLF)  CRLF

What the signatures must be is not known here. The buffer holds what was received last and one line at most. Framing:
"Authenticating Requests: Using the Authorization Header (Transferring Payload in Multiple Chunks)", S3 API Reference.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from s3gw.errors import IncompleteBody, InvalidChunkSizeError, MalformedTrailerError

MAX_LINE = 1024
MAX_TRAILERS = 4096
# "The chunk size must be at least 8 KB", except that of the last chunk with data.
MIN_FRAME = 8192

_HEX = frozenset(b"0123456789abcdefABCDEF")
_MAX_SIZE_DIGITS = 16
_SIGNATURE = b"chunk-signature="
_TRAILER_SIGNATURE = "x-amz-trailer-signature"


class FrameStart(NamedTuple):
    """`signature` is "" in an unsigned body. The frame of size 0 is the last; it has a FrameEnd as all others."""

    size: int
    signature: str


class Data(NamedTuple):
    data: memoryview


class FrameEnd(NamedTuple):
    pass


class End(NamedTuple):
    """`trailers` are lower-case names and stripped values, without the signature, which is "" if there is none."""

    trailers: dict[str, str]
    signature: str


class NeedData(NamedTuple):
    pass


Event = FrameStart | Data | FrameEnd | End | NeedData
FRAME_END = FrameEnd()
NEED_DATA = NeedData()


class State(Enum):
    FRAME_HEADER = auto()
    DATA = auto()
    FRAME_END = auto()
    LAST_FRAME_END = auto()
    TRAILERS = auto()
    DONE = auto()


class Decoder:
    """Feed with `receive_data`, drain with `next_event` until NEED_DATA, and call `close` when the body has ended.

    Raises IncompleteBody (framing and length), InvalidChunkSizeError and MalformedTrailerError.
    """

    def __init__(self, decoded_length: int, *, signed: bool, trailers: bool) -> None:
        self.state = State.FRAME_HEADER
        self._signed, self._has_trailers = signed, trailers
        self._expected, self._remaining = decoded_length, decoded_length
        self._buffer, self._position = b"", 0
        self._frame_remaining = 0
        self._has_short_frame = False
        self._trailers: dict[str, str] = {}
        self._trailer_signature = ""
        self._trailer_bytes = 0

    def receive_data(self, data: bytes) -> None:
        rest = self._buffer[self._position :]
        self._buffer, self._position = rest + data if rest else data, 0

    def next_event(self) -> Event:
        return _READERS[self.state](self)

    def close(self) -> End | None:
        """The body has ended. Gives its end if the last line, which is empty, was left out, as some clients do."""
        if self.state is State.TRAILERS and not self._buffered and self._has_all_trailers:
            self.state = State.DONE
            return End(self._trailers, self._trailer_signature)
        if self.state is not State.DONE:
            raise IncompleteBody("The request body terminated unexpectedly")
        return None

    @property
    def _has_all_trailers(self) -> bool:
        if not self._has_trailers:
            return True
        return bool(self._trailer_signature if self._signed else self._trailers)

    @property
    def _buffered(self) -> int:
        return len(self._buffer) - self._position

    def _line(self, terminator: bytes) -> bytes | None:
        """The next line without its terminator; None when it isn't there yet."""
        end = self._buffer.find(terminator, self._position, self._position + MAX_LINE)
        if end < 0:
            if self._buffered >= MAX_LINE:
                raise _malformed()
            return None
        line = self._buffer[self._position : end]
        self._position = end + len(terminator)
        return line

    def _read_frame_header(self) -> Event:
        line = self._line(b"\r\n")
        if line is None:
            return NEED_DATA
        size_text, _, extension = line.partition(b";")
        if not size_text or len(size_text) > _MAX_SIZE_DIGITS or not _HEX.issuperset(size_text):
            raise _malformed()
        size = int(size_text, 16)
        if size > self._remaining or (size == 0 and self._remaining):
            raise self._wrong_length(size)
        if size and self._has_short_frame:
            raise InvalidChunkSizeError()
        self._has_short_frame = size < MIN_FRAME
        self._remaining -= size
        self._frame_remaining = size
        self.state = State.DATA if size else State.LAST_FRAME_END
        return FrameStart(size, _frame_signature(extension) if self._signed else "")

    def _read_data(self) -> Event:
        size = min(self._buffered, self._frame_remaining)
        if not size:
            return NEED_DATA
        start = self._position
        self._position += size
        self._frame_remaining -= size
        if not self._frame_remaining:
            self.state = State.FRAME_END
        return Data(memoryview(self._buffer)[start : start + size])

    def _read_frame_end(self) -> Event:
        if self._buffered < 2:
            return NEED_DATA
        if self._buffer[self._position : self._position + 2] != b"\r\n":
            raise _malformed()
        self._position += 2
        self.state = State.FRAME_HEADER
        return FRAME_END

    def _read_last_frame_end(self) -> Event:
        self.state = State.TRAILERS
        return FRAME_END

    def _read_trailers(self) -> Event:
        # minio-go ends a trailer with a bare LF, and puts an empty line before the signature.
        while (line := self._line(b"\n")) is not None:
            self._trailer_bytes += len(line) + 1
            if self._trailer_bytes > MAX_TRAILERS:
                raise MalformedTrailerError()
            line = line.removesuffix(b"\r")
            if line:
                self._add_trailer(line)
            elif self._trailer_signature or not (self._signed and self._has_trailers):
                self.state = State.DONE
                return End(self._trailers, self._trailer_signature)
        return NEED_DATA

    def _add_trailer(self, line: bytes) -> None:
        raw_name, colon, raw_value = line.partition(b":")
        name = raw_name.decode("latin-1").strip().lower()
        if not colon or not name or not self._has_trailers or self._trailer_signature or name in self._trailers:
            raise MalformedTrailerError()
        value = raw_value.decode("latin-1").strip()
        if name == _TRAILER_SIGNATURE:
            if not self._signed or not value:
                raise MalformedTrailerError()
            self._trailer_signature = value
        else:
            self._trailers[name] = value

    def _read_nothing(self) -> Event:
        """After the end only line ends are tolerated."""
        rest = self._buffer[self._position :]
        if rest.strip(b"\r\n"):
            raise _malformed()
        self._position = len(self._buffer)
        return NEED_DATA

    def _wrong_length(self, size: int) -> IncompleteBody:
        return IncompleteBody(
            "You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header.",
            NumberBytesExpected=self._expected,
            NumberBytesProvided=self._expected - self._remaining + size,
        )


_READERS: dict[State, Callable[[Decoder], Event]] = {
    State.FRAME_HEADER: Decoder._read_frame_header,
    State.DATA: Decoder._read_data,
    State.FRAME_END: Decoder._read_frame_end,
    State.LAST_FRAME_END: Decoder._read_last_frame_end,
    State.TRAILERS: Decoder._read_trailers,
    State.DONE: Decoder._read_nothing,
}
assert _READERS.keys() == set(State), "every state has its reader"


def _frame_signature(extension: bytes) -> str:
    if not extension.startswith(_SIGNATURE) or len(extension) == len(_SIGNATURE):
        raise _malformed()
    return extension[len(_SIGNATURE) :].decode("latin-1")


def _malformed() -> IncompleteBody:
    return IncompleteBody("The request body terminated unexpectedly")
