"""The contract of `BlobStore`, as tests that every implementation runs: subclass it and give a `store` fixture."""

from __future__ import annotations

import mmap
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from s3gw.content.store import BlobCorrupt, BlobNotFound, BlobStore
from tests.content.bodies import random_bytes

HERE, THERE, OTHER = "process-1-00000001", "process-1-000000ff", "process-11-00000001"


def write(store: BlobStore, location: str, *pieces: bytes) -> None:
    sink, offset = store.create(location), 0
    for piece in pieces:
        sink.write(offset, piece)
        offset += len(piece)
    try:
        sink.commit()
    except BaseException:
        sink.discard()
        raise


def read(store: BlobStore, location: str, offset: int, length: int) -> bytes:
    source = store.open(location)
    try:
        buffer = bytearray(length)
        source.read_into(memoryview(buffer), offset)
        return bytes(buffer)
    finally:
        source.close()
        source.close()


class BlobStoreConformance:
    def test_what_was_written_is_read_in_order(self, store: BlobStore) -> None:
        data = random_bytes(3_000_000)
        write(store, HERE, data[:1], b"", data[1:2_000_000], data[2_000_000:])
        assert read(store, HERE, 0, len(data)) == data

    @pytest.mark.parametrize("expected_size", [None, 0, 1000, 300_000, 5_000_000])
    def test_ranges_are_written_in_any_order_by_several_threads(
        self, store: BlobStore, expected_size: int | None
    ) -> None:
        data = random_bytes(300_001)
        sink = store.create(HERE, expected_size)
        offsets = list(range(0, len(data), 65536))
        random.Random(1).shuffle(offsets)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda offset: sink.write(offset, data[offset : offset + 65536]), offsets))
        sink.commit()
        assert read(store, HERE, 0, len(data)) == data

    @pytest.mark.parametrize(("offset", "length"), [(0, 0), (0, 1), (5, 10), (999, 1), (1000, 0)])
    def test_any_range_is_read(self, store: BlobStore, offset: int, length: int) -> None:
        data = random_bytes(1000)
        write(store, HERE, data)
        assert read(store, HERE, offset, length) == data[offset : offset + length]

    def test_a_view_is_written_like_bytes(self, store: BlobStore) -> None:
        sink = store.create(HERE)
        sink.write(0, memoryview(b"abcdef")[2:4])
        sink.commit()
        assert read(store, HERE, 0, 2) == b"cd"

    @pytest.mark.parametrize(("offset", "length"), [(0, 11), (10, 1), (100, 1)])
    def test_reading_past_the_end_is_corruption(self, store: BlobStore, offset: int, length: int) -> None:
        write(store, HERE, b"0123456789")
        with pytest.raises(BlobCorrupt):
            read(store, HERE, offset, length)

    @pytest.mark.parametrize(("offset", "length"), [(0, 1000), (500, 10**9), (10**9, 1), (0, 0)])
    def test_any_expectation_is_harmless(self, store: BlobStore, offset: int, length: int) -> None:
        data = random_bytes(1000)
        write(store, HERE, data)
        source, buffer = store.open(HERE), bytearray(1000)
        source.expect(offset, length)
        source.read_into(memoryview(buffer), 0)
        assert buffer == data
        source.close()

    def test_a_location_that_was_never_written_is_not_found(self, store: BlobStore) -> None:
        with pytest.raises(BlobNotFound):
            read(store, HERE, 0, 1)

    def test_a_deleted_location_is_not_found(self, store: BlobStore) -> None:
        write(store, HERE, b"x")
        store.delete(HERE)
        with pytest.raises(BlobNotFound):
            read(store, HERE, 0, 1)

    def test_deleting_nothing_is_no_error(self, store: BlobStore) -> None:
        store.delete()
        store.delete(HERE)
        store.delete(HERE, THERE)

    def test_many_are_deleted_at_once_and_no_others(self, store: BlobStore) -> None:
        for location in (HERE, THERE, OTHER):
            write(store, location, b"x")
        store.delete(HERE, OTHER, "process-1-0000000a")
        assert list(store.locations()) == [THERE]

    def test_a_location_is_written_once(self, store: BlobStore) -> None:
        write(store, HERE, b"first")
        with pytest.raises(FileExistsError):
            write(store, HERE, b"second")
        assert read(store, HERE, 0, 5) == b"first"

    def test_what_is_created_whole_is_read_and_written_once(self, store: BlobStore) -> None:
        data = random_bytes(300_001)
        store.create_whole(HERE, memoryview(data))
        assert read(store, HERE, 0, len(data)) == data
        with pytest.raises(FileExistsError):
            store.create_whole(HERE, b"second")
        assert read(store, HERE, 0, len(data)) == data
        assert list(store.locations()) == [HERE]

    def test_discard_leaves_nothing(self, store: BlobStore) -> None:
        sink = store.create(HERE)
        sink.write(0, b"x")
        sink.discard()
        sink.discard()
        assert list(store.locations()) == []

    def test_discard_after_commit_leaves_nothing(self, store: BlobStore) -> None:
        sink = store.create(HERE)
        sink.commit()
        sink.discard()
        assert list(store.locations()) == []

    def test_a_dropped_sink_can_be_deleted(self, store: BlobStore) -> None:
        store.create(HERE)
        assert list(store.locations()) in ([HERE], [])
        store.delete(HERE)
        assert list(store.locations()) == []

    def test_locations_lists_what_is_there(self, store: BlobStore) -> None:
        write(store, HERE, b"x")
        write(store, THERE, b"y")
        assert sorted(store.locations()) == [HERE, THERE]

    def test_locations_lists_what_a_process_wrote(self, store: BlobStore) -> None:
        for location in (HERE, THERE, OTHER):
            write(store, location, b"x")
        assert sorted(store.locations("process-1")) == [HERE, THERE]
        assert list(store.locations("process-11")) == [OTHER]
        assert list(store.locations("process")) == []

    def test_an_open_source_goes_on_after_delete_or_finds_nothing(self, store: BlobStore) -> None:
        write(store, HERE, b"x")
        source = store.open(HERE)
        store.delete(HERE)
        buffer = bytearray(1)
        with suppress(BlobNotFound):
            source.read_into(memoryview(buffer), 0)
            assert buffer == b"x"
        source.close()

    def test_a_store_keeps_the_first_name_that_it_is_given(self, store: BlobStore) -> None:
        assert store.identity() is None
        assert store.identify("a" * 32) == "a" * 32
        assert store.identify("b" * 32) == "a" * 32
        assert store.identity() == "a" * 32
        assert list(store.locations()) == []

    def test_what_is_distrusted_is_still_there(self, store: BlobStore) -> None:
        write(store, HERE, b"x")
        store.distrust(HERE)
        assert read(store, HERE, 0, 1) == b"x"

    @pytest.mark.parametrize(
        "location",
        ["", "a", "a-1", "../x-00000001", "a/b-00000001", "a-00000001\n", "a-0000000G", "a-00000001\0", "-00000001"],
    )
    def test_anything_else_is_no_location(self, store: BlobStore, location: str) -> None:
        for method in (store.create, store.open, store.delete):
            with pytest.raises(ValueError, match="location"):
                method(location)

    @pytest.mark.parametrize("size", [0, 1, 4096, 1_048_576, 1_500_001])
    def test_a_file_is_read_whole_from_the_disk(self, store: BlobStore, size: int) -> None:
        data = random_bytes(size)
        write(store, HERE, data)
        pages = memoryview(mmap.mmap(-1, (size // mmap.PAGESIZE + 2) * mmap.PAGESIZE))
        assert store.read_from_disk(HERE, pages) == size
        assert pages[:size] == data
        with pytest.raises(BlobNotFound):
            store.read_from_disk(THERE, pages)

    def test_what_is_kept_as_damaged_outlives_its_delete_and_is_nowhere_listed(self, store: BlobStore) -> None:
        write(store, HERE, b"bad")
        assert store.keep_damaged(HERE) and store.keep_damaged(HERE)
        assert list(store.locations()) == [HERE]
        store.delete(HERE)
        assert list(store.locations()) == []
        assert store.keep_damaged(HERE) is False
        assert store.keep_damaged(THERE) is False
