"""A multipart/form-data body, part by part: the fields before its file, and the file's bytes as they come.

No I/O; what a field means is s3/post_object.py's. A part is a field or the file by its name alone: some clients give
every field a filename. What comes before the file is bounded, what comes behind it is parsed and thrown away.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from s3gw.errors import InvalidArgument, MalformedPOSTRequest, MaxPostPreDataLengthExceeded

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

# "The form data and boundaries (excluding the contents of the file) cannot exceed 20KB" (Developer Guide, POST Object).
MOST_BEFORE_FILE = 20 * 1024
_MOST_FIELDS = 200  # before the file, and as many behind it
_MOST_HEADERS = 8  # of a part
_LONGEST_HEADER = 4096
_LONGEST_BOUNDARY = 70  # RFC 2046, 5.1.1
_FILE, _FILES = "file", "files"


@dataclass(slots=True)
class _Part:
    header_name: bytearray = field(default_factory=bytearray)
    header_value: bytearray = field(default_factory=bytearray)
    disposition: str | None = None
    content_type: str | None = None
    name: str = ""
    value: bytearray = field(default_factory=bytearray)
    is_file: bool = False


@dataclass(slots=True)
class FormFile:
    """One of several. `content`: bytes of it that have come, for whoever takes them."""

    filename: str | None
    file_type: str | None
    content: deque[memoryview] = field(default_factory=deque)
    has_ended: bool = False


class Form:
    """`fields` are those before the file, in their order and as they are spelled; `filename` and `file_type`, its
    Content-Type, are None where the file has none. Raises MalformedPOSTRequest, MaxPostPreDataLengthExceeded, and
    InvalidArgument for a second file. Fields behind the file are ignored, as on AWS.

    With `most` they are refused, since the file would be stored without them, and parts called `files` are files too,
    so many of them: `begun` has them, of which each is to be taken out.
    """

    def __init__(self, content_type: str, most: int = 0) -> None:
        self.fields: list[tuple[str, str]] = []
        self.filename: str | None = None
        self.file_type: str | None = None
        self.files = 0
        self.begun: deque[FormFile] = deque()
        self.is_of_many = False
        self._most = most
        self._current: FormFile | None = None
        self.has_ended = False  # the closing boundary has come
        self._content: deque[memoryview] = deque()
        self._before_file = 0  # bytes
        self._parts = 0
        self._part = _Part()
        self._parser = MultipartParser(
            _boundary(content_type),
            self._callbacks(),
            max_header_count=_MOST_HEADERS,
            max_header_size=_LONGEST_HEADER,
        )

    def _callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._take_header_name,
            "on_header_value": self._take_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._take_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def feed(self, data: bytes) -> None:
        while not self.files and not self.has_ended and data:
            room = MOST_BEFORE_FILE - self._before_file
            if not room:
                raise MaxPostPreDataLengthExceeded(MaxPostPreDataLengthBytes=MOST_BEFORE_FILE)
            self._write(data[:room])
            self._before_file += len(data[:room])
            data = data[room:]
        if data:
            self._write(data)

    def close(self) -> None:
        """Nothing more comes."""
        if not self.has_ended:
            raise MalformedPOSTRequest()

    def take_content(self) -> deque[memoryview]:
        """Bytes of the file that have come since it was asked last."""
        content, self._content = self._content, deque()
        return content

    def _write(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError:
            raise MalformedPOSTRequest() from None

    def _begin_part(self) -> None:
        self._part = _Part()

    def _take_header_name(self, data: bytes, start: int, end: int) -> None:
        self._part.header_name += data[start:end]

    def _take_header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.header_value += data[start:end]

    def _end_header(self) -> None:
        part = self._part
        if part.header_name.lower() == b"content-disposition":
            if part.disposition is not None:
                raise MalformedPOSTRequest()
            part.disposition = part.header_value.decode("latin-1")
        elif part.header_name.lower() == b"content-type":
            part.content_type = part.header_value.decode("latin-1")
        part.header_name, part.header_value = bytearray(), bytearray()

    def _end_headers(self) -> None:
        kind, options = parse_options_header(self._part.disposition)
        if kind != b"form-data" or b"name" not in options:
            raise MalformedPOSTRequest()
        self._part.name = name = _text(options[b"name"])
        if name.lower() == _FILE or (self._most and name.lower() == _FILES):
            self._begin_file(name.lower(), options.get(b"filename"))
            return
        if self.files and self._most:
            raise InvalidArgument("A field stands behind the file: it has to come before it.", ArgumentName=name)
        self._parts += 1
        if self._parts > _MOST_FIELDS:
            raise MalformedPOSTRequest()

    def _begin_file(self, name: str, filename: bytes | None) -> None:
        self.files += 1
        is_one_of_many = name == _FILES
        if self.files > (self._most if is_one_of_many else 1) or (self.files > 1 and not self.is_of_many):
            raise wrong_number_of_files(self.files)
        self._part.is_file = True
        self.filename = None if filename is None else filename.decode("utf-8", "replace")
        self.file_type = self._part.content_type
        self._parts = 0
        if is_one_of_many:
            self.is_of_many = True
            self._current = FormFile(self.filename, self.file_type)
            self.begun.append(self._current)

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self._part.is_file:
            (self._content if self._current is None else self._current.content).append(memoryview(data)[start:end])
        elif not self.files:
            self._part.value += data[start:end]

    def _end_part(self) -> None:
        if self._part.is_file and self._current is not None:
            self._current.has_ended = True
        if not self.files:
            self.fields.append((self._part.name, _text(self._part.value)))

    def _end(self) -> None:
        self.has_ended = True


def wrong_number_of_files(number: int) -> InvalidArgument:
    return InvalidArgument(
        "POST requires exactly one file upload per request.", ArgumentName=_FILE, ArgumentValue=number
    )


def _boundary(content_type: str) -> bytes:
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary or len(boundary) > _LONGEST_BOUNDARY:
        raise MalformedPOSTRequest()
    return boundary


def _text(raw: bytes | bytearray) -> str:
    """ "The form and policy must be UTF-8 encoded." """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedPOSTRequest() from None
