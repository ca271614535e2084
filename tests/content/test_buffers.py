"""Reading buffers: used again when nothing refers to them, never before."""

from __future__ import annotations

from s3gw.content.buffers import BufferPool


def test_a_free_buffer_is_used_again() -> None:
    pool = BufferPool(10, 1)
    first = pool.take()
    first[:] = b"0123456789"
    del first
    again = pool.take()
    assert bytes(again[:9]) == b"012345678"
    assert len(again) == 10


def test_a_buffer_in_use_is_not_given_twice() -> None:
    pool = BufferPool(10, 2)
    taken = [pool.take() for _ in range(20)]
    for number, buffer in enumerate(taken):
        buffer[:] = bytes([number]) * 10
    assert [bytes(buffer) for buffer in taken] == [bytes([number]) * 10 for number in range(20)]


def test_a_view_of_a_view_keeps_the_buffer() -> None:
    pool = BufferPool(10, 1)
    part = pool.take()[3:5]
    part[:] = b"ab"
    pool.take()[:] = bytes(10)
    assert bytes(part) == b"ab"
    del part
    assert bytes(pool.take()) == b"\0\0\0ab\0\0\0\0\0"
