"""The chunk format: one digest, however the bytes arrive."""

from __future__ import annotations

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from s3gw.content.chunk import BLOCK, ChunkHasher, block_count, blocks_match, list_matches, list_size
from tests.content.bodies import random_bytes


def hashed(*pieces: bytes) -> tuple[bytes, bytes]:
    hasher = ChunkHasher()
    for piece in pieces:
        hasher.update(piece)
    assert hasher.size == sum(map(len, pieces))
    return hasher.finish()


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 17])
def test_the_digest_is_the_hash_of_the_blocks_hashes(size: int) -> None:
    data = random_bytes(size)
    blocks = b"".join(blake3(data[first : first + BLOCK]).digest() for first in range(0, size, BLOCK))
    assert hashed(data) == (blake3(blocks).digest(), blocks)
    assert len(blocks) == list_size(size) == 32 * block_count(size)


@given(st.lists(st.integers(0, 2 * BLOCK), max_size=8))
def test_pieces_of_any_size_give_the_same_digest(sizes: list[int]) -> None:
    data = random_bytes(sum(sizes))
    pieces, first = [], 0
    for size in sizes:
        pieces.append(data[first : first + size])
        first += size
    assert hashed(*pieces) == hashed(data)


def test_a_full_chunk_has_a_list_of_4_kib() -> None:
    assert list_size(8 * 2**20) == 4096


def test_a_flipped_byte_in_any_block_is_seen() -> None:
    data = random_bytes(2 * BLOCK + 100)
    digest, blocks = hashed(data)
    assert list_matches(blocks, digest)
    assert blocks_match(blocks, 0, memoryview(data))
    for position in (0, BLOCK, len(data) - 1):
        bad = bytearray(data)
        bad[position] ^= 1
        assert not blocks_match(blocks, 0, memoryview(bad))
    assert not blocks_match(blocks, 1, memoryview(data)[:BLOCK])
    assert blocks_match(blocks, 1, memoryview(data)[BLOCK:])
