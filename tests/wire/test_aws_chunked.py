"""Bodies fed whole, byte by byte, at every split, and as garbage."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gw.errors import IncompleteBody, InvalidChunkSizeError, MalformedTrailerError, S3Error
from s3gw.wire.aws_chunked import MAX_LINE, MAX_TRAILERS, NEED_DATA, Data, Decoder, End, FrameStart

TRAILER = b"x-amz-checksum-crc32:AAAAAA==\r\n"
UNSIGNED = b"5\r\nhello\r\n0\r\n" + TRAILER + b"\r\n"
SIGNED = b"5;chunk-signature=aa\r\nhello\r\n0;chunk-signature=bb\r\n" + TRAILER + b"x-amz-trailer-signature:cc\r\n\r\n"
PLAIN = b"5;chunk-signature=aa\r\nhello\r\n0;chunk-signature=bb\r\n\r\n"
MINIO_UNSIGNED = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\n\r\n\r\n"
MINIO_SIGNED = (
    b"5;chunk-signature=aa\r\nhello\r\n0;chunk-signature=bb\r\n"
    b"x-amz-checksum-crc32:AAAAAA==\n\r\nx-amz-trailer-signature:cc\r\n\r\n"
)
LINE_FEEDS = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\n\n"
VALUE = {"x-amz-checksum-crc32": "AAAAAA=="}
# body, signed, trailers → signatures, trailers, trailer signature
BODIES = {
    "unsigned": (UNSIGNED, False, True, ["", ""], VALUE, ""),
    "signed with trailer": (SIGNED, True, True, ["aa", "bb"], VALUE, "cc"),
    "signed": (PLAIN, True, False, ["aa", "bb"], {}, ""),
    "minio-go unsigned": (MINIO_UNSIGNED, False, True, ["", ""], VALUE, ""),
    "minio-go signed": (MINIO_SIGNED, True, True, ["aa", "bb"], VALUE, "cc"),
    "a size of 16 digits": (b"000000000000000" + UNSIGNED, False, True, ["", ""], VALUE, ""),
    "bare line feeds": (LINE_FEEDS, False, True, ["", ""], VALUE, ""),
}


def decode(pieces: list[bytes], size: int, signed: bool, trailers: bool) -> tuple[bytes, list[str], End | None]:
    decoder = Decoder(size, signed=signed, trailers=trailers)
    content, signatures, end = b"", [], None
    for piece in pieces:
        decoder.receive_data(piece)
        while (event := decoder.next_event()) is not NEED_DATA:
            if isinstance(event, Data):
                content += event.data
            elif isinstance(event, FrameStart):
                signatures.append(event.signature)
            elif isinstance(event, End):
                end = event
        assert decoder._buffered <= MAX_LINE
    return content, signatures, decoder.close() or end


@pytest.mark.parametrize("name", BODIES)
def test_a_body_decodes_alike_whole_byte_by_byte_and_at_every_split(name: str) -> None:
    body, signed, trailers, signatures, values, signature = BODIES[name]
    expected = (b"hello", signatures, End(values, signature))
    assert decode([body], 5, signed, trailers) == expected
    assert decode([body[i : i + 1] for i in range(len(body))], 5, signed, trailers) == expected
    for split in range(len(body)):
        assert decode([body[:split], body[split:]], 5, signed, trailers) == expected


@pytest.mark.parametrize("name", BODIES)
def test_a_body_ends_with_its_last_line_and_not_with_the_connection(name: str) -> None:
    body, signed, trailers, *_ = BODIES[name]
    decoder = Decoder(5, signed=signed, trailers=trailers)
    decoder.receive_data(body)
    while not isinstance(event := decoder.next_event(), End):
        assert event is not NEED_DATA
    assert decoder.close() is None


def test_line_ends_after_the_end_are_not_kept() -> None:
    assert decode([UNSIGNED, *[b"\r\n" * 100] * 10], 5, False, True)[0] == b"hello"


@pytest.mark.parametrize("name", BODIES)
def test_a_body_cut_anywhere_before_its_end_is_incomplete(name: str) -> None:
    body, signed, trailers, *_ = BODIES[name]
    for end in range(len(body.rstrip(b"\r\n"))):
        with pytest.raises(IncompleteBody):
            decode([body[:end]], 5, signed, trailers)


@pytest.mark.parametrize("name", ["signed", "unsigned", "signed with trailer"])
def test_the_empty_line_at_the_end_may_be_left_out(name: str) -> None:
    body, signed, trailers, signatures, values, signature = BODIES[name]
    expected = (b"hello", signatures, End(values, signature))
    assert decode([body.removesuffix(b"\r\n")], 5, signed, trailers) == expected


def test_trailers_that_were_announced_and_never_came_are_missed() -> None:
    for body, signed in ((b"5\r\nhello\r\n0\r\n", False), (SIGNED[: SIGNED.index(b"x-amz-trailer")], True)):
        with pytest.raises(IncompleteBody):
            decode([body], 5, signed, True)


def test_an_empty_content_is_one_last_chunk() -> None:
    assert decode([b"0\r\n\r\n"], 0, False, True) == (b"", [""], End({}, ""))


@given(
    sizes=st.lists(st.integers(8192, 20000), max_size=3),
    last=st.integers(0, 20000),
    cuts=st.lists(st.integers(0, 90000), max_size=8),
)
def test_any_chunks_decode_at_any_cuts(sizes: list[int], last: int, cuts: list[int]) -> None:
    content = bytes(range(256)) * 400
    body, start = b"", 0
    for size in [*sizes, last]:
        if size:
            body += f"{size:x}\r\n".encode() + content[start : start + size] + b"\r\n"
        start += size
    body += b"0\r\n" + TRAILER + b"\r\n"
    edges = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    pieces = [body[a:b] for a, b in pairwise(edges)]
    assert decode(pieces, start, False, True)[0] == content[:start]


@given(
    pieces=st.lists(
        st.one_of(st.binary(max_size=40), st.sampled_from([b"5", b"\r\n", b";", b"0\r\n", b"hello", TRAILER]))
    ),
    signed=st.booleans(),
    trailers=st.booleans(),
    size=st.integers(0, 50),
)
def test_garbage_ends_in_an_aws_error_or_in_a_body_of_the_announced_length(
    pieces: list[bytes], signed: bool, trailers: bool, size: int
) -> None:
    try:
        content, _, _ = decode(pieces, size, signed, trailers)
    except (IncompleteBody, MalformedTrailerError, InvalidChunkSizeError):
        return
    assert len(content) == size


@pytest.mark.parametrize(
    ("body", "signed", "error"),
    [
        (b"g\r\n", False, IncompleteBody),
        (b"\r\n", False, IncompleteBody),
        (b"-5" + UNSIGNED[1:], False, IncompleteBody),
        (b"+5" + UNSIGNED[1:], False, IncompleteBody),
        (b"0x5" + UNSIGNED[1:], False, IncompleteBody),
        (b"0_5" + UNSIGNED[1:], False, IncompleteBody),
        (b" 5" + UNSIGNED[1:], False, IncompleteBody),
        (b"00000000000000005" + UNSIGNED[1:], False, IncompleteBody),
        (b"6\r\nhello!", False, IncompleteBody),  # more than announced
        (b"4\r\nhell\r\n0\r\n\r\n", False, IncompleteBody),  # less than announced
        (UNSIGNED.replace(b"hello\r\n", b"hello!!"), False, IncompleteBody),  # no line end after the data
        (UNSIGNED.replace(b"hello\r\n", b"hello\n\n"), False, IncompleteBody),
        (SIGNED.replace(b"5;chunk-signature=aa", b"5"), True, IncompleteBody),  # no signature
        (SIGNED.replace(b"5;chunk-signature=aa", b"5;chunk-signature="), True, IncompleteBody),
        (SIGNED.replace(b"5;chunk-signature=aa", b"5;signature=aa"), True, IncompleteBody),
        (b"1\r\nh\r\n4\r\nello\r\n", False, InvalidChunkSizeError),
        (b"5\r\nhello\r\n0\r\nno colon\r\n\r\n", False, MalformedTrailerError),
        (b"5\r\nhello\r\n0\r\n:value\r\n\r\n", False, MalformedTrailerError),
        (b"5\r\nhello\r\n0\r\n" + TRAILER * 2 + b"\r\n", False, MalformedTrailerError),
        (b"5\r\nhello\r\n0\r\nx-amz-trailer-signature:cc\r\n\r\n", False, MalformedTrailerError),
        (SIGNED.replace(b"signature:cc", b"signature:"), True, MalformedTrailerError),
        (SIGNED.removesuffix(b"\r\n") + TRAILER + b"\r\n", True, MalformedTrailerError),
        (UNSIGNED + b"more", False, IncompleteBody),
    ],
)
def test_malformed_bodies_are_refused(body: bytes, signed: bool, error: type[S3Error]) -> None:
    with pytest.raises(error):
        decode([body], 5, signed, True)


def test_trailers_where_none_are_announced_are_malformed() -> None:
    with pytest.raises(MalformedTrailerError):
        decode([PLAIN.removesuffix(b"\r\n") + TRAILER + b"\r\n"], 5, True, False)
    with pytest.raises(IncompleteBody):  # cut within its line
        decode([PLAIN.removesuffix(b"\r\n") + TRAILER[:9]], 5, True, False)


def test_no_trailer_comes_after_the_signature() -> None:
    other = TRAILER.replace(b"crc32", b"sha1")
    with pytest.raises(MalformedTrailerError):
        decode([SIGNED.removesuffix(b"\r\n") + other + b"\r\n"], 5, True, True)


def test_an_endless_line_is_refused_before_it_is_buffered() -> None:
    with pytest.raises(IncompleteBody):
        decode([b"5;" + b"x" * 100] + [b"x" * 100] * 20, 5, False, True)


def test_endless_trailers_are_refused() -> None:
    lines = [f"x-{number}:v\r\n".encode() for number in range(MAX_TRAILERS)]
    with pytest.raises(MalformedTrailerError):
        decode([b"0\r\n", *lines], 0, False, True)


def test_a_wrong_length_is_named() -> None:
    with pytest.raises(IncompleteBody) as caught:
        decode([b"6\r\n"], 5, False, True)
    assert caught.value.details == {"NumberBytesExpected": "5", "NumberBytesProvided": "6"}
