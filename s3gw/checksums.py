"""The checksum algorithms of the S3 model: how to compute them, their names, and how the values of parts combine.

A checksum is big-endian bytes here and base64 on the wire. Which algorithms know which type: "Checking object
integrity", S3 User Guide. A CRC of the whole can be computed from those of its parts, a hash only be taken over hashes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from awscrt import checksums as crt

from s3gw.errors import InvalidRequest

Buffer = bytes | bytearray | memoryview


class Hasher(Protocol):
    def update(self, data: Buffer, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc:
    __slots__ = ("_function", "_size", "_value")

    def __init__(self, function: Callable[[Buffer, int], int], size: int) -> None:
        self._function, self._size, self._value = function, size, 0

    def update(self, data: Buffer, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


class _XXHash:
    __slots__ = ("_state",)

    def __init__(self, state: crt.XXHash) -> None:
        self._state = state

    def update(self, data: Buffer, /) -> None:
        self._state.update(bytes(data))  # it takes immutable bytes only; of bytes this makes no copy

    def digest(self) -> bytes:
        return bytes(self._state.finalize())


Combine = Callable[[int, int, int], int]


@dataclass(frozen=True, slots=True)
class Algorithm:
    """`composite` and `full_object` say which checksum types a multipart upload may have, `combine` joins two CRCs."""

    name: str
    size: int
    hasher: Callable[[], Hasher]
    composite: bool
    full_object: bool
    combine: Combine | None = None

    def __post_init__(self) -> None:
        assert self.composite or self.full_object, self.name
        assert self.full_object == (self.combine is not None), self.name

    @property
    def member(self) -> str:
        return f"Checksum{self.name}"

    @property
    def header(self) -> str:
        return f"x-amz-checksum-{self.name.lower()}"


def _md5() -> Hasher:
    return hashlib.md5(usedforsecurity=False)


def _sha1() -> Hasher:
    return hashlib.sha1(usedforsecurity=False)


_ROWS = (
    #         name         size  hasher                                         composite  full object
    Algorithm("CRC32", 4, lambda: _Crc(crt.crc32, 4), True, True, crt.combine_crc32),
    Algorithm("CRC32C", 4, lambda: _Crc(crt.crc32c, 4), True, True, crt.combine_crc32c),
    Algorithm("CRC64NVME", 8, lambda: _Crc(crt.crc64nvme, 8), False, True, crt.combine_crc64nvme),
    Algorithm("SHA1", 20, _sha1, True, False),
    Algorithm("SHA256", 32, hashlib.sha256, True, False),
    Algorithm("SHA512", 64, hashlib.sha512, True, False),
    Algorithm("MD5", 16, _md5, True, False),
    Algorithm("XXHASH64", 8, lambda: _XXHash(crt.XXHash.new_xxhash64()), True, False),
    Algorithm("XXHASH3", 8, lambda: _XXHash(crt.XXHash.new_xxhash3_64()), True, False),
    Algorithm("XXHASH128", 16, lambda: _XXHash(crt.XXHash.new_xxhash3_128()), True, False),
)
ALGORITHMS = {row.name: row for row in _ROWS}
BY_HEADER = {row.header: row for row in _ROWS}


def algorithm_named(name: str) -> Algorithm:
    """Raises InvalidRequest."""
    known = ALGORITHMS.get(name)
    if known is None:
        raise InvalidRequest(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types:"
            f" [{', '.join(ALGORITHMS)}]"
        )
    return known


def decode_checksum(algorithm: Algorithm, text: str) -> bytes | None:
    """The bytes of a base64 checksum; None when it isn't one of this algorithm."""
    return decode_base64(text, algorithm.size)


def decode_base64(text: str, size: int) -> bytes | None:
    """Strict: exactly the canonical base64 of `size` bytes."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if len(data) == size and base64.b64encode(data).decode() == text else None


def combine_full_object(algorithm: str, parts: Sequence[tuple[bytes, int]]) -> bytes:
    """The CRC of the concatenation of parts, from each part's CRC and length in bytes."""
    row = ALGORITHMS[algorithm]
    if row.combine is None:
        raise ValueError(f"{algorithm} has no full-object form")
    value = 0  # the CRC of no bytes
    for digest, length in parts:
        value = row.combine(value, int.from_bytes(digest, "big"), length)
    return value.to_bytes(row.size, "big")


def composite(algorithm: str, digests: Sequence[bytes]) -> str:
    """`base64-N`: the checksum over the checksums of N parts."""
    hasher = ALGORITHMS[algorithm].hasher()
    hasher.update(b"".join(digests))
    return f"{base64.b64encode(hasher.digest()).decode()}-{len(digests)}"
