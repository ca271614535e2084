"""The format of a chunk file: the data, then the list of its blocks' digests. Pure, no I/O.

A chunk of at most 8 MiB is hashed in blocks of 64 KiB with BLAKE3, and the chunk's digest is the hash of that list.
So any range can be verified by the list and the blocks it touches alone.
"""

from __future__ import annotations

from blake3 import blake3

BLOCK = 64 * 1024
DIGEST = 32


def block_count(size: int) -> int:
    return -(-size // BLOCK)


def list_size(size: int) -> int:
    """Bytes of the list of a chunk of `size` bytes of data; it begins at offset `size` of the file."""
    return block_count(size) * DIGEST


class ChunkHasher:
    """Hashes a chunk that arrives in pieces of any size."""

    def __init__(self) -> None:
        self.size = 0
        self._blocks: list[bytes] = []
        self._block = blake3()
        self._filled = 0

    def update(self, piece: bytes | memoryview) -> None:
        view = memoryview(piece)
        self.size += len(view)
        position = 0
        if self._filled:
            position = min(BLOCK - self._filled, len(view))
            self._fill(view[:position])
        while len(view) - position >= BLOCK:
            self._blocks.append(blake3(view[position : position + BLOCK]).digest())
            position += BLOCK
        if position < len(view):
            self._fill(view[position:])

    def _fill(self, view: memoryview) -> None:
        self._block.update(view)
        self._filled += len(view)
        if self._filled == BLOCK:
            self._close_block()

    def _close_block(self) -> None:
        self._blocks.append(self._block.digest())
        self._block = blake3()
        self._filled = 0

    def finish(self) -> tuple[bytes, bytes]:
        """The chunk's digest and the list of its blocks' digests. Call it once."""
        if self._filled:
            self._close_block()
        blocks = b"".join(self._blocks)
        return blake3(blocks).digest(), blocks


def list_matches(blocks: bytes, digest: bytes) -> bool:
    return blake3(blocks).digest() == digest


def blocks_match(blocks: bytes, first: int, data: memoryview) -> bool:
    """Whether `data`, which begins with block number `first`, is what the (verified) list says."""
    position = first * DIGEST
    for start in range(0, len(data), BLOCK):
        if blake3(data[start : start + BLOCK]).digest() != blocks[position : position + DIGEST]:
            return False
        position += DIGEST
    return True
