"""Bodies as ASGI delivers them: AWS's chunked examples, every digest right and wrong, lengths, time, disconnection."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from s3gw import errors
from s3gw.auth import payload, sigv4
from s3gw.auth.authenticate import Authentication, PayloadSpec
from s3gw.auth.payload import ClientDisconnected, VerifyingBody
from s3gw.auth.principal import ANONYMOUS
from s3gw.checksums import ALGORITHMS
from tests.auth.clients import ACCESS_KEY_ID, SECRET, Headers, authenticated, request

URL = "http://s3.amazonaws.com/examplebucket/chunkObject.txt"
SCOPE = "20130524/us-east-1/s3/aws4_request"
DATE = "20130524T000000Z"
LIMIT = 10_000_000

UNSIGNED = PayloadSpec("unsigned")
CHUNKED_TRAILER = PayloadSpec("chunked-unsigned", trailer=True)


@dataclass(frozen=True)
class BodySettings:
    body_timeout: float = 5


def checksum(name: str, data: bytes) -> str:
    hasher = ALGORITHMS[name].hasher()
    hasher.update(data)
    return base64.b64encode(hasher.digest()).decode()


def receiver(pieces: list[bytes], *, ends: bool = True) -> Callable[[], Any]:
    """The server's side: one message a piece, and then a disconnection."""
    last = len(pieces) - 1
    messages = [
        {"type": "http.request", "body": piece, "more_body": not ends or index < last}
        for index, piece in enumerate(pieces)
    ]
    messages.append({"type": "http.disconnect"})

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    return receive


def body_of(
    pieces: list[bytes],
    headers: Headers,
    payload: PayloadSpec = UNSIGNED,
    *,
    method: str = "PUT",
    url: str = URL,
    limit: int = LIMIT,
    ends: bool = True,
) -> VerifyingBody:
    authentication = Authentication(ANONYMOUS, payload, False)
    return VerifyingBody(
        receiver(pieces, ends=ends), request(method, url, headers), authentication, BodySettings(), limit
    )


async def stored(body: VerifyingBody) -> bytes:
    """As the store does it: read and hash piece by piece, then verify."""
    content, md5 = b"", hashlib.md5(usedforsecurity=False)
    while piece := await body.read():
        content += piece
        md5.update(piece)
        for hasher in body.hashers.values():
            hasher.update(piece)
    assert await body.read() == b""
    body.verify(md5.hexdigest(), {name: hasher.digest() for name, hasher in body.hashers.items()})
    return content


async def read_whole(body: VerifyingBody) -> bytes:
    return await body.read_all(LIMIT)


READERS = [stored, read_whole]


def error_of(read: Callable[[], Any]) -> errors.S3Error:
    """Of making the body, or of reading it."""

    async def attempt() -> None:
        result = read()
        if asyncio.iscoroutine(result):
            await result

    with pytest.raises(errors.S3Error) as caught:
        asyncio.run(attempt())
    return caught.value


def plain(data: bytes, headers: Headers | None = None, **options: Any) -> VerifyingBody:
    return body_of([data], {"Content-Length": str(len(data)), **(headers or {})}, **options)


# AWS's published chunked uploads of 65 KiB of the letter a

CHUNKED = {
    "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/{SCOPE},SignedHeaders=content-encoding;"
    "content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,"
    "Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "Content-Encoding": "aws-chunked",
    "x-amz-date": DATE,
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
    "x-amz-decoded-content-length": "66560",
    "Content-Length": "66824",
}
CHUNKED_BODY = (
    b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n"
    + b"a" * 65536
    + b"\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n"
    + b"a" * 1024
    + b"\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
)
TRAILED = {
    **{name: value for name, value in CHUNKED.items() if name != "Content-Length"},
    "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/{SCOPE},SignedHeaders=content-encoding;host;"
    "x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer,"
    "Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "x-amz-trailer": "x-amz-checksum-crc32c",
}
TRAILED_BODY = (
    b"10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n"
    + b"a" * 65536
    + b"\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n"
    + b"a" * 1024
    + b"\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
    + b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    + b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
)
EXAMPLES = {"chunked": (CHUNKED, CHUNKED_BODY), "with trailer": (TRAILED, TRAILED_BODY)}


def example(name: str, body: bytes, size: int = 1 << 20) -> VerifyingBody:
    headers = EXAMPLES[name][0]
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    put = request("PUT", URL, headers)
    return VerifyingBody(receiver(pieces), put, authenticated(put), BodySettings(), LIMIT)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("size", [1 << 20, 8192, 777])
def test_the_published_chunked_examples_verify(name: str, read: Callable[..., Any], size: int) -> None:
    assert asyncio.run(read(example(name, EXAMPLES[name][1], size))) == b"a" * 66560


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("size", [1 << 20, 8192])
@pytest.mark.parametrize("place", ["first", "second", "third", "trailer"])
def test_a_wrong_link_of_the_signature_chain_is_a_mismatch(name: str, size: int, place: str) -> None:
    body = EXAMPLES[name][1]
    if place == "trailer" and name == "chunked":
        return
    parts = body.split(b"signature")
    index = {"first": 1, "second": 2, "third": 3, "trailer": 4}[place]
    parts[index] = parts[index][:1] + (b"0" if parts[index][1:2] != b"0" else b"1") + parts[index][2:]
    tampered = example(name, b"signature".join(parts), size)
    error = error_of(lambda: stored(tampered))
    assert error.code == "SignatureDoesNotMatch"
    assert error.details["StringToSign"].startswith("AWS4-HMAC-SHA256-" + ("TR" if place == "trailer" else "PA"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_wrong_data_in_a_signed_chunk_is_a_mismatch(name: str) -> None:
    body = EXAMPLES[name][1].replace(b"a" * 1024 + b"\r\n", b"a" * 1023 + b"b\r\n")
    tampered = example(name, body)
    assert error_of(lambda: stored(tampered)).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"sOO8/Q==", b"AAAAAA==", "SignatureDoesNotMatch"),
        (b"x-amz-checksum-crc32c:sOO8/Q==\r\n", b"", "SignatureDoesNotMatch"),
        (TRAILED_BODY[TRAILED_BODY.index(b"x-amz-trailer-signature") :], b"\r\n", "IncompleteBody"),
    ],
)
def test_a_signed_trailer_cannot_be_changed_nor_left_out(old: bytes, new: bytes, code: str) -> None:
    tampered = example("with trailer", TRAILED_BODY.replace(old, new))
    assert error_of(lambda: stored(tampered)).code == code


def test_a_rightly_signed_but_wrong_trailing_checksum_is_a_bad_digest() -> None:
    key = sigv4.signing_key(SECRET, "20130524", "us-east-1")
    signer = sigv4.FrameSigner(key, DATE, SCOPE, "00")
    spec = PayloadSpec("chunked-signed", trailer=True, signer=sigv4.FrameSigner(key, DATE, SCOPE, "00"))
    body = b""
    for chunk in (b"hello", b""):
        signer.accept(signer.string_for_frame(hashlib.sha256(chunk).hexdigest()), "")
        body += f"{len(chunk):x};chunk-signature={signer.previous}\r\n".encode() + chunk + (b"\r\n" if chunk else b"")
    signer.accept(signer.string_for_trailers({"x-amz-checksum-crc32": "AAAAAA=="}), "")
    body += f"x-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:{signer.previous}\r\n\r\n".encode()
    headers = {"x-amz-decoded-content-length": "5", "x-amz-trailer": "x-amz-checksum-crc32"}
    assert error_of(lambda: stored(body_of([body], headers, spec))).code == "BadDigest"


# Unsigned chunks


def chunked(data: bytes, trailers: bytes, **headers: str) -> VerifyingBody:
    body = f"{len(data):x}\r\n".encode() + data + b"\r\n0\r\n" + trailers + b"\r\n"
    named = {"x-amz-decoded-content-length": str(len(data)), "Content-Encoding": "aws-chunked"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    return body_of([body], named, CHUNKED_TRAILER)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("read", READERS)
def test_a_trailing_checksum_of_each_algorithm_is_verified(name: str, read: Callable[..., Any]) -> None:
    header = ALGORITHMS[name].header
    right = f"{header}:{checksum(name, b'hello')}\r\n".encode()
    body = chunked(b"hello", right, x_amz_trailer=header, x_amz_sdk_checksum_algorithm=name)
    assert (body.checksum_algorithm, body.size) == (name, 5)
    assert asyncio.run(read(body)) == b"hello"
    wrong = f"{header}:{checksum(name, b'hellO')}\r\n".encode()
    error = error_of(lambda: read(chunked(b"hello", wrong, x_amz_trailer=header)))
    assert (error.code, error.message) == (
        "BadDigest",
        f"The {name} you specified did not match the calculated checksum.",
    )


@pytest.mark.parametrize(
    ("trailers", "header", "code"),
    [
        (b"", "x-amz-checksum-crc32", "MalformedTrailerError"),
        (b"x-amz-checksum-crc32c:AAAAAA==\r\n", "x-amz-checksum-crc32", "MalformedTrailerError"),
        (b"x-amz-checksum-crc32:AAAAAA==\r\n", "", "MalformedTrailerError"),
        (b"x-amz-checksum-crc32:AAAAAA==\r\nx-other:1\r\n", "x-amz-checksum-crc32", "MalformedTrailerError"),
        (b"x-amz-checksum-crc32:nonsense\r\n", "x-amz-checksum-crc32", "InvalidRequest"),
        (b"x-other:1\r\n", "x-other", "InvalidRequest"),
        (b"", "x-amz-checksum-crc32,x-amz-checksum-sha1", "InvalidRequest"),
    ],
)
def test_the_trailers_must_be_what_was_announced(trailers: bytes, header: str, code: str) -> None:
    assert error_of(lambda: stored(chunked(b"hello", trailers, x_amz_trailer=header))).code == code


def test_a_body_that_ends_with_its_trailers_and_no_empty_line_is_verified_too() -> None:
    cut = example("with trailer", TRAILED_BODY.removesuffix(b"\r\n"))
    assert asyncio.run(stored(cut)) == asyncio.run(stored(example("with trailer", TRAILED_BODY)))
    forged = example("with trailer", TRAILED_BODY.removesuffix(b"\r\n").replace(b"sOO8/Q==", b"AAAAAA=="))
    assert error_of(lambda: stored(forged)).code == "SignatureDoesNotMatch"


def test_trailers_need_a_body_that_can_have_them() -> None:
    header = {"x-amz-trailer": "x-amz-checksum-crc32"}
    assert error_of(lambda: plain(b"hello", header)).code == "MalformedTrailerError"


def test_a_checksum_is_in_the_header_or_in_the_trailer() -> None:
    headers = {"x_amz_trailer": "x-amz-checksum-crc32", "x_amz_checksum_sha1": checksum("SHA1", b"hello")}
    error = error_of(lambda: chunked(b"hello", b"", **headers))
    assert (error.code, error.message) == ("InvalidRequest", "Expecting a single x-amz-checksum- header")


@pytest.mark.parametrize(("announced", "code"), [("4", "IncompleteBody"), ("6", "IncompleteBody")])
def test_a_wrong_decoded_length_is_an_incomplete_body(announced: str, code: str) -> None:
    body = chunked(b"hello", b"", x_amz_decoded_content_length=announced)
    assert error_of(lambda: stored(body)).code == code


def test_a_chunked_body_needs_its_decoded_length() -> None:
    for value, code in (("", "InvalidArgument"), ("-1", "InvalidArgument"), ("five", "InvalidArgument")):
        assert error_of(lambda v=value: chunked(b"", b"", x_amz_decoded_content_length=v)).code == code
    error = error_of(lambda: body_of([b""], {"Content-Length": "5"}, CHUNKED_TRAILER))
    assert (error.code, error.status) == ("MissingContentLength", 411)


def test_a_truncated_chunked_body_is_incomplete() -> None:
    headers = {"x-amz-decoded-content-length": "5"}
    assert error_of(lambda: stored(body_of([b"5\r\nhel"], headers, CHUNKED_TRAILER))).code == "IncompleteBody"


# Digests of plain bodies


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("data", [b"", b"hello", b"x" * 100_000])
def test_right_digests_are_accepted_together(read: Callable[..., Any], data: bytes) -> None:
    sha256 = hashlib.sha256(data).hexdigest()
    headers = {"Content-MD5": checksum("MD5", data), "x-amz-checksum-crc32c": checksum("CRC32C", data)}
    body = plain(data, headers, payload=PayloadSpec("signed", sha256=sha256))
    assert set(body.hashers) == {"SHA256", "CRC32C"}
    assert asyncio.run(read(body)) == data


@pytest.mark.parametrize("read", READERS)
def test_another_body_than_the_signed_one_is_a_sha256_mismatch(read: Callable[..., Any]) -> None:
    error = error_of(lambda: read(plain(b"hello", payload=PayloadSpec("signed", sha256="00" * 32))))
    assert (error.code, error.status) == ("XAmzContentSHA256Mismatch", 400)
    assert error.details == {
        "ClientComputedContentSHA256": "00" * 32,
        "S3ComputedContentSHA256": hashlib.sha256(b"hello").hexdigest(),
    }


def test_a_document_so_large_that_a_thread_hashes_it_must_be_the_signed_one_too() -> None:
    spec = PayloadSpec("signed", sha256="00" * 32)
    error = error_of(lambda: read_whole(plain(b"x" * 2**20, payload=spec)))
    assert error.code == "XAmzContentSHA256Mismatch"


@pytest.mark.parametrize("read", READERS)
def test_a_wrong_content_md5_is_a_bad_digest(read: Callable[..., Any]) -> None:
    error = error_of(lambda: read(plain(b"hello", {"Content-MD5": checksum("MD5", b"other")})))
    assert (error.code, error.status) == ("BadDigest", 400)
    assert error.details == {
        "ExpectedDigest": checksum("MD5", b"other"),
        "CalculatedDigest": checksum("MD5", b"hello"),
    }


@pytest.mark.parametrize("value", ["", "AWS HAHAHA", "AAAA", "rL0Y20zC+Fzt72VPzMSk2A=", "é"])
def test_a_content_md5_that_is_none_is_an_invalid_digest(value: str) -> None:
    error = error_of(lambda: plain(b"hello", {"Content-MD5": value}))
    assert (error.code, error.status) == ("InvalidDigest", 400)


def test_a_wrong_checksum_header_is_a_bad_digest() -> None:
    error = error_of(lambda: stored(plain(b"hello", {"x-amz-checksum-sha256": checksum("SHA256", b"other")})))
    assert error.code == "BadDigest"


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        (
            {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-sha1": "x"},
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        ),
        ({"x-amz-checksum-crc16": "x"}, "The algorithm type you specified in x-amz-checksum- header is invalid."),
        (
            {"x-amz-sdk-checksum-algorithm": "CRC32"},
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers "
            "were found.",
        ),
        (
            {"x-amz-sdk-checksum-algorithm": "SHA1", "x-amz-checksum-crc32": "AAAAAA=="},
            "Value for x-amz-sdk-checksum-algorithm header is invalid.",
        ),
    ],
)
def test_checksum_headers_that_make_no_sense_are_refused_before_the_body(headers: Headers, message: str) -> None:
    error = error_of(lambda: plain(b"hello", headers))
    assert (error.code, error.message) == ("InvalidRequest", message)


def test_a_checksum_header_that_is_no_checksum_is_an_invalid_request_before_the_body_is_read() -> None:
    error = error_of(lambda: plain(b"hello", {"x-amz-checksum-crc32": "bad"}))
    assert (error.code, error.message) == ("InvalidRequest", "Value for x-amz-checksum-crc32 header is invalid.")


def test_headers_about_checksums_that_hold_none_are_no_checksums() -> None:
    headers = {
        "x-amz-checksum-algorithm": "CRC32",
        "x-amz-checksum-type": "COMPOSITE",
        "x-amz-checksum-mode": "ENABLED",
    }
    assert plain(b"hello", headers).checksum_algorithm is None


def test_the_checksum_of_a_completed_upload_is_not_that_of_the_body() -> None:
    headers = {"x-amz-checksum-crc32": checksum("CRC32", b"the object"), "Content-MD5": checksum("MD5", b"<xml/>")}
    body = plain(b"<xml/>", headers, method="POST", url=f"{URL}?uploadId=1")
    assert asyncio.run(read_whole(body)) == b"<xml/>"
    assert body.hashers == {}


@pytest.mark.parametrize(("method", "query"), [("PUT", "partNumber=1&uploadId=1"), ("POST", "delete")])
def test_the_checksum_of_a_part_or_a_document_is_that_of_the_body(method: str, query: str) -> None:
    headers = {"x-amz-checksum-crc32": checksum("CRC32", b"another")}
    assert error_of(lambda: stored(plain(b"hello", headers, method=method, url=f"{URL}?{query}"))).code == "BadDigest"


# Lengths, limits, time, disconnection


def test_a_body_without_any_length_is_refused_as_an_object_but_is_empty_as_a_document() -> None:
    error = error_of(lambda: stored(body_of([b""], {})))
    assert (error.code, error.status) == ("MissingContentLength", 411)
    assert asyncio.run(read_whole(body_of([b""], {}))) == b""


@pytest.mark.parametrize("read", READERS)
def test_a_body_in_http_chunks_needs_no_length(read: Callable[..., Any]) -> None:
    body = body_of([b"hel", b"", b"lo", b""], {"Transfer-Encoding": "chunked"})
    assert body.size is None
    assert asyncio.run(read(body)) == b"hello"


@pytest.mark.parametrize(("pieces", "provided"), [([b"hell"], "4"), ([b"hel", b"lo!"], "6")])
def test_a_body_that_is_shorter_or_longer_than_its_length_is_incomplete(pieces: list[bytes], provided: str) -> None:
    error = error_of(lambda: stored(body_of(pieces, {"Content-Length": "5"})))
    assert (error.code, error.status) == ("IncompleteBody", 400)
    assert error.details == {"NumberBytesExpected": "5", "NumberBytesProvided": provided}


@pytest.mark.parametrize("headers", [{"Content-Length": "6"}, {"Transfer-Encoding": "chunked"}])
def test_a_body_over_the_limit_is_too_large(headers: Headers) -> None:
    error = error_of(lambda: stored(body_of([b"hello!"], headers, limit=5)))
    assert (error.code, error.status) == ("EntityTooLarge", 400)
    assert error.details == {"ProposedSize": "6", "MaxSizeAllowed": "5"}


@pytest.mark.parametrize("headers", [{"Content-Length": "6"}, {"Transfer-Encoding": "chunked"}])
def test_a_document_over_the_limit_is_a_message_too_long(headers: Headers) -> None:
    error = error_of(lambda: body_of([b"hello!"], headers, limit=5).read_all(5))
    assert (error.code, error.status) == ("MaxMessageLengthExceeded", 400)
    assert error.details == {"MaxMessageLengthBytes": "5"}


@pytest.mark.parametrize("length", ["9" * 19, "-1", "1.0", ""])
@pytest.mark.parametrize("name", ["Content-Length", "x-amz-decoded-content-length"])
def test_a_length_that_is_no_number_is_refused(name: str, length: str) -> None:
    spec = CHUNKED_TRAILER if name.startswith("x-amz") else UNSIGNED
    assert error_of(lambda: body_of([b""], {name: length}, spec)).code == "InvalidArgument"


def test_a_length_of_a_digit_that_only_unicode_knows_is_refused() -> None:
    with pytest.raises(errors.InvalidArgument):
        payload._length({"content-length": "\xb2"}, "content-length")


@pytest.mark.parametrize("read", READERS)
def test_a_client_that_goes_away_is_told_to_nobody(read: Callable[..., Any]) -> None:
    with pytest.raises(ClientDisconnected):
        asyncio.run(read(body_of([b"hel"], {"Content-Length": "5"}, ends=False)))


def test_a_silent_client_times_out() -> None:
    async def silence() -> Any:
        await asyncio.sleep(60)

    async def read() -> None:
        put = request("PUT", URL, {"Content-Length": "5"})
        authentication = Authentication(ANONYMOUS, UNSIGNED, False)
        await VerifyingBody(silence, put, authentication, BodySettings(0.01), LIMIT).read()

    error = error_of(read)
    assert (error.code, error.status) == ("RequestTimeout", 400)


def test_pieces_are_passed_on_without_copying() -> None:
    piece = b"x" * 1000
    assert asyncio.run(plain(piece).read()) is piece
