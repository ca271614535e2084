"""What a request says its body's digests are: Content-MD5, x-amz-checksum-… in header or trailer, x-amz-content-sha256.

Reads and compares; hashing is done elsewhere. Messages are those of Amazon S3.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from s3gw.auth.authenticate import PayloadSpec
from s3gw.checksums import ALGORITHMS, BY_HEADER, Algorithm, Hasher, decode_base64, decode_checksum
from s3gw.errors import BadDigest, InvalidDigest, InvalidRequest, MalformedTrailerError, XAmzContentSHA256Mismatch
from s3gw.wire.request import Request

_PREFIX = "x-amz-checksum-"
_NOT_VALUES = frozenset(("x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-checksum-mode"))
_SINGLE = "Expecting a single x-amz-checksum- header"


class ExpectedDigests:
    """`algorithm` is that of the checksum header or trailer.

    Raises InvalidDigest, InvalidRequest and MalformedTrailerError.
    """

    def __init__(self, request: Request, payload: PayloadSpec) -> None:
        headers = request.headers
        self.sha256 = payload.sha256
        self.md5: bytes | None = None
        self.algorithm: Algorithm | None = None
        self._value: bytes | None = None
        self._trailer: str | None = None
        if "content-md5" in headers:
            self.md5 = _content_md5(headers["content-md5"])
        # "This header ... specifies the checksum of the object" in CompleteMultipartUpload: not of this body.
        if request.method != "POST" or "uploadId" not in request.arguments:
            self._read_checksum(headers)
            if "x-amz-trailer" in headers:
                self._read_trailer_name(headers["x-amz-trailer"], payload)
            if "x-amz-sdk-checksum-algorithm" in headers:
                self._check_sdk_algorithm(headers["x-amz-sdk-checksum-algorithm"])

    def hashers(self) -> dict[str, Hasher]:
        """New hashers of what must be known of the body beside its MD5."""
        names = set() if self.sha256 is None else {"SHA256"}
        if self.algorithm is not None:
            names.add(self.algorithm.name)
        return {name: ALGORITHMS[name].hasher() for name in names}

    def check_trailers(self, trailers: Mapping[str, str]) -> None:
        """The trailers must be exactly those that x-amz-trailer announced."""
        if set(trailers) != ({self._trailer} if self._trailer else set()):
            raise MalformedTrailerError()

    def verify(self, md5: bytes, digests: Mapping[str, bytes], trailers: Mapping[str, str]) -> None:
        if self.sha256 is not None and digests["SHA256"].hex() != self.sha256:
            raise XAmzContentSHA256Mismatch(
                ClientComputedContentSHA256=self.sha256, S3ComputedContentSHA256=digests["SHA256"].hex()
            )
        if self.md5 is not None and md5 != self.md5:
            raise BadDigest(
                "The Content-MD5 you specified did not match what we received.",
                ExpectedDigest=base64.b64encode(self.md5).decode(),
                CalculatedDigest=base64.b64encode(md5).decode(),
            )
        algorithm = self.algorithm
        if algorithm is None:
            return
        value = self._value
        if self._trailer is not None:
            value = decode_checksum(algorithm, trailers[self._trailer])
            if value is None:
                raise InvalidRequest(f"Value for {self._trailer} trailing header is invalid.")
        if digests[algorithm.name] != value:
            raise BadDigest(f"The {algorithm.name} you specified did not match the calculated checksum.")

    def _read_checksum(self, headers: Mapping[str, str]) -> None:
        for name in headers:
            if not name.startswith(_PREFIX) or name in _NOT_VALUES:
                continue
            if name not in BY_HEADER:
                raise InvalidRequest("The algorithm type you specified in x-amz-checksum- header is invalid.")
            if self.algorithm is not None:
                raise InvalidRequest(f"{_SINGLE}. Multiple checksum Types are not allowed.")
            self.algorithm = BY_HEADER[name]
            self._value = decode_checksum(self.algorithm, headers[name])
            if self._value is None:
                raise InvalidRequest(f"Value for {name} header is invalid.")

    def _read_trailer_name(self, header: str, payload: PayloadSpec) -> None:
        names = [name for name in (part.strip().lower() for part in header.split(",")) if name]
        if not names:
            return
        if any(name not in BY_HEADER for name in names):
            raise InvalidRequest("The value specified in the x-amz-trailer header is not supported")
        if len(names) > 1:
            raise InvalidRequest(f"{_SINGLE}. Multiple checksum Types are not allowed.")
        if self.algorithm is not None:
            raise InvalidRequest(_SINGLE)
        if not payload.trailer:
            raise MalformedTrailerError()
        self._trailer = names[0]
        self.algorithm = BY_HEADER[names[0]]

    def _check_sdk_algorithm(self, name: str) -> None:
        if self.algorithm is None:
            raise InvalidRequest(
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
                "headers were found."
            )
        if name.upper() != self.algorithm.name:
            raise InvalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")


def _content_md5(text: str) -> bytes:
    md5 = decode_base64(text, 16)
    if md5 is None:
        details: dict[str, Any] = {"Content-MD5": text}
        raise InvalidDigest("The Content-MD5 you specified was invalid.", **details)
    return md5
