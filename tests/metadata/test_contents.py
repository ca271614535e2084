"""Contents: counts, cuts and unwinding. How they read is tested in tests/content."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from s3gw.errors import InvalidRequest
from s3gw.metadata import blobs, contents, layout, processes, schema
from s3gw.metadata.contents import (
    INLINE,
    MANIFEST,
    PARTS,
    Content,
    ContentLost,
    CorruptContent,
    Extent,
    NewChunk,
    Part,
    inline,
    manifest,
    part_list,
)
from s3gw.metadata.database import Connection, Database

pytestmark = pytest.mark.anyio

DAY = 24 * 3600 * 10**6


def digest(number: int) -> bytes:
    return bytes([number]) * 32


def manifest_of(*numbers: int, length: int = 100) -> contents.NewContent:
    chunks = [NewChunk(digest(n), f"one-{n:08x}", length) for n in sorted(set(numbers))]
    return manifest([Extent(digest(n), 0, length) for n in numbers], chunks)


def as_part(conn: Connection, number: int, content_id: int) -> Part:
    content = contents.load(conn, content_id)
    return Part(number, content.id, content.size, content.digest)


def refs(conn: Connection) -> dict[int, int]:
    rows = conn.execute(select(schema.contents.c.id, schema.contents.c.refs))
    return {row.id: row.refs for row in rows.all()}


def blob_refs(conn: Connection) -> dict[int, int]:
    rows = conn.execute(select(schema.blobs.c.digest, schema.blobs.c.refs))
    return {row.digest[0]: row.refs for row in rows.all()}


@pytest.fixture
def run(database: Database) -> Callable[..., Any]:
    async def write(fn: Callable[..., Any], *args: Any) -> Any:
        def plain(conn: Connection) -> Any:
            if not conn.execute(select(schema.processes)).all():
                times = dict.fromkeys(("started_at", "heartbeat_at", "oldest_open", "is_dead"), 0)
                row = {"name": "one", "role": "worker", "host": "h", "pid": 1, **times}
                conn.execute(schema.processes.insert().values(row))
            return fn(conn, *args)

        return await database.write(plain)

    return write


async def test_a_content_is_loaded_as_it_was_inserted(run: Any) -> None:
    def steps(conn: Connection) -> None:
        for new in (inline(b""), inline(b"abc"), manifest_of(1, 2, 1)):
            content_id = contents.insert(conn, new)
            loaded = contents.load(conn, content_id, new.size)
            assert loaded == (content_id, new.form, new.size, new.layout, new.digest)
            assert (len(loaded.extents), loaded.parts) == (3 if new.form == MANIFEST else 0, ())
        assert blob_refs(conn) == {1: 1, 2: 1}

    await run(steps)


async def test_a_missing_content_is_corruption(run: Any) -> None:
    with pytest.raises(CorruptContent):
        await run(contents.load, 4711)


async def test_an_inline_content_goes_with_its_last_count(run: Any) -> None:
    def steps(conn: Connection) -> None:
        content_id = contents.insert(conn, inline(b"abc"))
        contents.retain(conn, content_id)
        contents.release(conn, content_id)
        assert refs(conn) == {content_id: 1}
        contents.release(conn, content_id)
        assert refs(conn) == {}

    await run(steps)


async def test_a_manifest_without_a_count_waits_for_the_reaper(run: Any) -> None:
    def steps(conn: Connection) -> None:
        content_id = contents.insert(conn, manifest_of(1))
        contents.release(conn, content_id)
        assert contents.contents_released_before(conn, DAY, 10) == []  # not marked yet
        contents.mark(conn, contents.unmarked(conn, 10), 50)
        assert contents.unmarked(conn, 10) == []
        contents.mark(conn, [content_id], 70)  # again: the first mark stays
        assert contents.contents_released_before(conn, 50, 10) == []
        assert contents.contents_released_before(conn, 51, 10) == [content_id]
        assert blob_refs(conn) == {1: 1}
        assert contents.unwind(conn, content_id)
        assert (refs(conn), blob_refs(conn)) == ({}, {1: 0})
        assert contents.unwind(conn, content_id)  # again: nothing happens
        blobs.mark(conn, blobs.unmarked(conn, 10), 60)
        assert blobs.delete_blobs_released_before(conn, 60, 10) == []
        assert blobs.delete_blobs_released_before(conn, 61, 10) == ["one-00000001"]

    await run(steps)


async def test_a_content_in_use_is_not_unwound(run: Any) -> None:
    def steps(conn: Connection) -> None:
        content_id = contents.insert(conn, manifest_of(1))
        contents.mark(conn, [content_id], 1)
        contents.quarantine(conn, content_id)
        assert contents.contents_released_before(conn, DAY, 10) == []
        assert contents.unwind(conn, content_id)
        assert (refs(conn), blob_refs(conn)) == ({content_id: 1}, {1: 1})
        contents.release(conn, content_id)
        assert contents.contents_released_before(conn, DAY, 10) == []  # what was marked before doesn't count
        assert contents.unmarked(conn, 10) == [content_id]

    await run(steps)


async def test_a_content_in_use_is_not_unwound_whatever_its_mark_says(run: Any) -> None:
    def steps(conn: Connection) -> None:
        contents.insert(conn, manifest_of(1))
        conn.execute(schema.contents.update().values(released_at=1))
        assert contents.contents_released_before(conn, DAY, 10) == []

    await run(steps)


async def test_a_count_never_falls_below_zero(run: Any) -> None:
    def steps(conn: Connection) -> None:
        content_id = contents.insert(conn, manifest_of(1))
        contents.release(conn, content_id)
        contents.release(conn, content_id)
        assert refs(conn) == {content_id: 0}

    await run(steps)


async def test_the_first_that_were_released_are_unwound_first(run: Any) -> None:
    def steps(conn: Connection) -> None:
        one, two = contents.insert(conn, manifest_of(1)), contents.insert(conn, manifest_of(2))
        for content_id, epoch in ((one, 20), (two, 10)):
            contents.release(conn, content_id)
            contents.mark(conn, [content_id], epoch)
        assert contents.contents_released_before(conn, DAY, 1) == [two]

    await run(steps)


async def test_a_released_content_can_not_be_retained(run: Any) -> None:
    def steps(conn: Connection) -> None:
        content_id = contents.insert(conn, manifest_of(1))
        contents.release(conn, content_id)
        contents.retain(conn, content_id)

    with pytest.raises(ContentLost):
        await run(steps)


async def test_a_part_list_counts_its_children_or_takes_counts_over(run: Any) -> None:
    def steps(conn: Connection) -> None:
        one, two = contents.insert(conn, inline(b"a")), contents.insert(conn, manifest_of(1))
        parts = [as_part(conn, 1, one), as_part(conn, 2, two)]
        counted = contents.insert(conn, part_list(parts))
        assert refs(conn) == {one: 2, two: 2, counted: 1}
        taken = contents.insert(conn, part_list(parts), takes_over=True)
        assert refs(conn) == {one: 2, two: 2, counted: 1, taken: 1}
        for content_id in (counted, taken):
            contents.release(conn, content_id)
            assert contents.unwind(conn, content_id)
        assert refs(conn) == {two: 0}

    await run(steps)


async def test_a_part_list_of_a_released_child_is_refused(run: Any) -> None:
    def steps(conn: Connection) -> None:
        child = contents.insert(conn, manifest_of(1))
        part = as_part(conn, 1, child)
        contents.release(conn, child)
        contents.insert(conn, part_list([part]))

    with pytest.raises(ContentLost):
        await run(steps)


@pytest.mark.parametrize("wrong", [{"size": 99}, {"digest": digest(9)}])
async def test_a_child_that_is_not_as_its_part_list_says_is_corruption(run: Any, wrong: dict[str, Any]) -> None:
    def steps(conn: Connection) -> None:
        part = as_part(conn, 1, contents.insert(conn, manifest_of(1)))
        assert [child.id for child in contents.load_children(conn, [part])] == [part.content_id]
        with pytest.raises(CorruptContent):
            contents.load_children(conn, [part._replace(**wrong)])

    await run(steps)


async def test_a_long_layout_is_unwound_in_steps(run: Any) -> None:
    def steps(conn: Connection) -> None:
        child = contents.insert(conn, manifest_of(1))
        whole = contents.insert(conn, part_list([as_part(conn, 1, child)] * 5))
        contents.release(conn, whole)
        assert not contents.unwind(conn, whole, 2)
        assert refs(conn) == {child: 4, whole: 0}
        assert contents.load(conn, whole).size == 300
        assert not contents.unwind(conn, whole, 2)
        assert contents.unwind(conn, whole, 2)
        assert refs(conn) == {child: 1}
        repeated = contents.insert(conn, manifest_of(2, 3, 2, 3, 2))
        contents.release(conn, repeated)
        assert not contents.unwind(conn, repeated, 2)
        assert blob_refs(conn) == {1: 1, 2: 1, 3: 1}
        assert not contents.unwind(conn, repeated, 2)
        assert blob_refs(conn) == {1: 1, 2: 1, 3: 0}
        assert contents.unwind(conn, repeated, 2)
        assert blob_refs(conn) == {1: 1, 2: 0, 3: 0}

    await run(steps)


async def test_a_content_that_can_not_be_unwound_is_quarantined(run: Any) -> None:
    def steps(conn: Connection) -> None:
        content_id, other = contents.insert(conn, manifest_of(1)), contents.insert(conn, manifest_of(2))
        for released in (content_id, other):
            contents.release(conn, released)
        conn.execute(schema.contents.update().values(layout=b"bad"))
        with pytest.raises(CorruptContent):
            contents.unwind(conn, content_id)
        contents.quarantine(conn, content_id)
        assert contents.unmarked(conn, 10) == [other]
        contents.mark(conn, [content_id, other], 1)
        assert contents.contents_released_before(conn, DAY, 10) == [other]

    await run(steps)


async def test_a_chunk_stored_by_another_is_counted_and_ours_stays_unnamed(run: Any) -> None:
    def steps(conn: Connection) -> None:
        contents.insert(conn, manifest_of(1))
        contents.insert(conn, manifest([Extent(digest(1), 0, 100)], [NewChunk(digest(1), "one-000000aa", 100)]))
        assert blob_refs(conn) == {1: 2}
        assert blobs.unnamed(conn, ["one-00000001", "one-000000aa"]) == ["one-000000aa"]

    await run(steps)


async def test_a_chunk_counted_without_having_been_written_must_have_a_row(run: Any) -> None:
    with pytest.raises(ContentLost):
        await run(contents.insert, manifest([Extent(digest(1), 0, 100)], [NewChunk(digest(1), None, 100)]))


async def test_a_bad_chunk_is_repointed_to_ours(run: Any) -> None:
    def steps(conn: Connection) -> None:
        contents.insert(conn, manifest_of(1))
        ours = NewChunk(digest(1), "one-000000aa", 100, replaces="one-00000001")
        contents.insert(conn, manifest([Extent(digest(1), 0, 100)], [ours]))
        assert blobs.find(conn, digest(1)) == (digest(1), "one-000000aa", 100, 2)
        assert blobs.unnamed(conn, ["one-00000001", "one-000000aa"]) == ["one-00000001"]

    await run(steps)


async def test_a_process_declared_dead_commits_nothing(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def is_dead(conn: Connection, name: str) -> bool:
        asked.append(name)
        return True

    monkeypatch.setattr(processes, "is_dead", is_dead)
    with pytest.raises(ContentLost, match="dead"):
        await run(contents.insert, manifest_of(1, 2))
    assert asked == ["one"]
    await run(contents.insert, inline(b"no file of ours"))


async def test_the_range_of_a_manifest_is_a_manifest(run: Any) -> None:
    def steps(conn: Connection) -> None:
        source = contents.insert(conn, manifest_of(1, 2, 3))
        copy = contents.copy_range(conn, source, 150, 100)
        assert copy == contents.load(conn, copy.id)
        assert (copy.form, copy.extents) == (MANIFEST, (Extent(digest(2), 50, 50), Extent(digest(3), 0, 50)))
        assert blob_refs(conn) == {1: 1, 2: 2, 3: 2}

    await run(steps)


async def test_the_range_of_an_inline_content_is_inline(run: Any) -> None:
    def steps(conn: Connection) -> Content:
        return contents.copy_range(conn, contents.insert(conn, inline(b"0123456789")), 2, 3)

    copy = await run(steps)
    assert (copy.form, copy.layout) == (INLINE, b"234")


@pytest.mark.parametrize("data", [b"", b"0123456789"])
async def test_the_whole_range_is_the_content_itself(run: Any, data: bytes) -> None:
    def steps(conn: Connection) -> None:
        source = contents.insert(conn, inline(data))
        assert contents.copy_range(conn, source, 0, len(data)).id == source
        assert refs(conn) == {source: 2}

    await run(steps)


async def test_the_whole_range_of_empty_parts_is_the_content_itself(run: Any) -> None:
    def steps(conn: Connection) -> None:
        child = contents.insert(conn, inline(b""))
        source = contents.insert(conn, part_list([as_part(conn, 1, child), as_part(conn, 2, child)]))
        assert contents.copy_range(conn, source, 0, 0).id == source

    await run(steps)


async def test_a_range_across_parts_shares_whole_parts_and_cuts_the_ends(run: Any) -> None:
    def steps(conn: Connection) -> None:
        children = [contents.insert(conn, new) for new in (manifest_of(1), inline(b"middle"), manifest_of(2))]
        source = contents.insert(conn, part_list([as_part(conn, n, c) for n, c in enumerate(children, 1)]))
        copy = contents.copy_range(conn, source, 90, 26)
        assert copy.form == PARTS
        assert [part.part_number for part in copy.parts] == [1, 2, 3]
        assert [part.size for part in copy.parts] == [10, 6, 10]
        assert copy.parts[1].content_id == children[1]
        assert refs(conn)[children[1]] == 3
        assert blob_refs(conn) == {1: 2, 2: 2}
        whole = contents.copy_range(conn, source, 0, 206)
        assert whole.id == source
        assert refs(conn)[source] == 2  # or the first delete would take the bytes of the other
        within = contents.copy_range(conn, source, 0, 100)
        assert within.id == children[0]

    await run(steps)


async def test_nested_part_lists_are_flattened_by_a_copy(run: Any) -> None:
    def steps(conn: Connection) -> None:
        leaf = contents.insert(conn, manifest_of(1))
        inner = contents.insert(conn, part_list([as_part(conn, 1, leaf), as_part(conn, 2, leaf)]))
        outer = contents.insert(conn, part_list([as_part(conn, 1, inner), as_part(conn, 2, inner)]))
        copy = contents.copy_range(conn, outer, 0, 400)
        assert [part.content_id for part in copy.parts] == [leaf] * 4

    await run(steps)


async def test_part_lists_nested_too_deeply_are_corruption(run: Any) -> None:
    def steps(conn: Connection) -> None:
        leaf = contents.insert(conn, manifest_of(1))
        whole, lists = leaf, []
        for _ in range(6):
            whole = contents.insert(conn, part_list([as_part(conn, 1, whole), as_part(conn, 2, leaf)]))
            lists.append(whole)
        four = contents.copy_range(conn, lists[3], 50, 300)  # a copy makes one list, so these never arise
        assert [part.size for part in four.parts] == [50, 100, 100, 50]
        with pytest.raises(CorruptContent, match="nested"):
            contents.copy_range(conn, lists[4], 50, 300)

    await run(steps)


@pytest.mark.parametrize(("offset", "length"), [(-1, 2), (0, 0), (0, 11), (10, 1), (3, -1)])
async def test_a_range_outside_the_content_is_a_mistake(run: Any, offset: int, length: int) -> None:
    def steps(conn: Connection) -> None:
        contents.copy_range(conn, contents.insert(conn, inline(b"0123456789")), offset, length)

    with pytest.raises(ValueError, match="no bytes"):
        await run(steps)


async def test_a_range_of_too_many_pieces_is_refused(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "_MAX_CHILDREN", 3)

    def steps(conn: Connection) -> None:
        child = contents.insert(conn, inline(b"ab"))
        whole = contents.insert(conn, part_list([as_part(conn, n, child) for n in range(1, 6)]))
        assert len(contents.copy_range(conn, whole, 1, 4).parts) == 3
        with pytest.raises(InvalidRequest):
            contents.copy_range(conn, whole, 1, 6)

    await run(steps)


async def test_a_part_list_that_is_copied_whole_is_read_once_and_not_for_each_part(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []
    parts_of = layout.parts_of

    def recorded(encoded: bytes) -> Any:
        read.append(encoded)
        return parts_of(encoded)

    def steps(conn: Connection) -> None:
        child = contents.insert(conn, inline(b"ab"))
        whole = contents.insert(conn, part_list([as_part(conn, n, child) for n in range(1, 6)]))
        monkeypatch.setattr(layout, "parts_of", recorded)
        assert contents.copy_range(conn, whole, 0, 10).id == whole
        assert len(read) == 1

    await run(steps)


async def test_parts_are_described_by_their_contents(run: Any) -> None:
    def steps(conn: Connection) -> None:
        one, two = contents.insert(conn, inline(b"a")), contents.insert(conn, manifest_of(1))
        parts = contents.parts_from(conn, [(1, two, None), (7, one, "checksum=="), (9, two, None)])
        assert parts == [
            as_part(conn, 1, two),
            as_part(conn, 7, one)._replace(checksum="checksum=="),
            as_part(conn, 9, two),
        ]
        whole = contents.load(conn, contents.insert(conn, part_list(parts)))
        assert whole.parts == tuple(parts)
        with pytest.raises(CorruptContent):
            contents.parts_from(conn, [(1, 4711, None)])

    await run(steps)


async def test_ten_thousand_parts_make_one_row(run: Any) -> None:
    def steps(conn: Connection) -> None:
        child = contents.insert(conn, manifest_of(1))
        part = as_part(conn, 1, child)
        new = part_list([part._replace(part_number=number) for number in range(1, 10_001)])
        content = contents.load(conn, contents.insert(conn, new, takes_over=True))
        assert [slice.part.part_number for slice in layout.parts_between(content.layout, 499_950, 100)] == [
            5000,
            5001,
        ]

    await run(steps)
