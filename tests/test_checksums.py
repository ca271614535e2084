"""The algorithms against published check values, and combination against hashing the whole."""

from __future__ import annotations

import base64
import hashlib

import pytest
from botocore import session
from hypothesis import given
from hypothesis import strategies as st

from s3gw.checksums import ALGORITHMS, BY_HEADER, combine_full_object, composite, decode_checksum

# Of "123456789". The CRCs: https://reveng.sourceforge.io/crc-catalogue; the XXH values: xxHash's own library.
CHECK_VALUES = {
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "SHA1": hashlib.sha1(b"123456789").hexdigest(),
    "SHA256": hashlib.sha256(b"123456789").hexdigest(),
    "SHA512": hashlib.sha512(b"123456789").hexdigest(),
    "MD5": hashlib.md5(b"123456789").hexdigest(),
    "XXHASH64": "8cb841db40e6ae83",
    "XXHASH3": "72dcb18b67a17dff",
    "XXHASH128": "33119477ede5dcd5e9716427681d5860",
}


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_each_algorithm_gives_its_check_value_for_any_kind_of_buffer(name: str, kind: type) -> None:
    hasher = ALGORITHMS[name].hasher()
    hasher.update(kind(b"1234"))
    hasher.update(kind(b"56789"))
    assert hasher.digest().hex() == CHECK_VALUES[name]
    assert len(hasher.digest()) == ALGORITHMS[name].size


def test_the_algorithms_are_those_of_the_model() -> None:
    model = session.get_session().get_service_model("s3")
    assert set(ALGORITHMS) == set(model.shape_for("ChecksumAlgorithm").enum)
    members = model.shape_for("PutObjectRequest").members
    for algorithm in ALGORITHMS.values():
        assert members[algorithm.member].serialization["name"] == algorithm.header
        assert BY_HEADER[algorithm.header] is algorithm


def test_only_crcs_have_a_full_object_type_and_crc64nvme_has_no_composite_one() -> None:
    assert {name for name, row in ALGORITHMS.items() if row.full_object} == {"CRC32", "CRC32C", "CRC64NVME"}
    assert {name for name, row in ALGORITHMS.items() if not row.composite} == {"CRC64NVME"}


@pytest.mark.parametrize("name", ["CRC32", "CRC32C", "CRC64NVME"])
@given(parts=st.lists(st.binary(max_size=50), max_size=6))
def test_combined_crcs_of_parts_are_the_crc_of_the_whole(name: str, parts: list[bytes]) -> None:
    def crc(data: bytes) -> bytes:
        hasher = ALGORITHMS[name].hasher()
        hasher.update(data)
        return hasher.digest()

    assert combine_full_object(name, [(crc(part), len(part)) for part in parts]) == crc(b"".join(parts))


def test_hashes_cannot_be_combined_to_a_full_object_value() -> None:
    with pytest.raises(ValueError, match="SHA256"):
        combine_full_object("SHA256", [])


def test_a_composite_checksum_is_the_hash_of_the_hashes_and_their_number() -> None:
    digests = [hashlib.sha256(part).digest() for part in (b"a", b"b")]
    expected = base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode()
    assert composite("SHA256", digests) == f"{expected}-2"


@pytest.mark.parametrize("text", ["", "AAAA", "AAAAAA", "AAAAAB==", "AAAAAA==\n", "AAAAAA==-2", "é", "!!!!!!=="])
def test_what_is_not_the_canonical_base64_of_the_right_size_is_no_checksum(text: str) -> None:
    assert decode_checksum(ALGORITHMS["CRC32"], text) is None
    assert decode_checksum(ALGORITHMS["CRC32"], "AAAAAA==") == bytes(4)
