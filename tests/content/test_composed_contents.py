"""Contents composed by copies of ranges and by part lists, against plain bytes."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from s3gw.content.filesystem import FilesystemStore
from s3gw.metadata import blobs, contents, schema
from s3gw.metadata.contents import Content, Part, part_list
from s3gw.metadata.engines import open_database
from tests.content.bodies import random_bytes
from tests.content.conftest import CHUNK, Room

_fraction = st.floats(0, 1)
_step = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 2500) | st.integers(0, 3 * CHUNK)),
    st.tuples(st.just("slice"), st.tuples(_fraction, _fraction, _fraction)),
    st.tuples(st.just("join"), st.lists(_fraction, min_size=1, max_size=4)),
)


async def compose(room: Room, steps: list[tuple[str, object]], ranges: list[tuple[float, float]]) -> None:
    known: list[tuple[Content, bytes, int]] = []  # a content, its bytes, how deep its part lists go
    for seed, (kind, argument) in enumerate(steps):
        if kind == "put":
            data = random_bytes(int(str(argument)), seed)
            known.append((await room.put(data), data, 0))
        elif known and kind == "slice":
            assert isinstance(argument, tuple)
            known.append(await cut(room, known, *argument))
        elif known:
            assert isinstance(argument, list)
            chosen = [known[int(choice * (len(known) - 1))] for choice in argument]
            if (depth := 1 + max(depth for *_, depth in chosen)) > 3:
                continue
            parts = [Part(n, part.id, part.size, part.digest) for n, (part, *_) in enumerate(chosen, 1)]
            known.append((await room.add(part_list(parts)), b"".join(data for _, data, _ in chosen), depth))
    for content, data, _ in known:
        assert await room.get(content) == data
        for start, stop in ranges:
            first, last = sorted((int(start * len(data)), int(stop * len(data))))
            assert await room.get(content, first, last - first) == data[first:last]


async def cut(
    room: Room, known: list[tuple[Content, bytes, int]], choice: float, start: float, stop: float
) -> tuple[Content, bytes, int]:
    content, data, depth = known[int(choice * (len(known) - 1))]
    first, last = sorted((int(start * len(data)), int(stop * len(data))))
    last = max(last, min(first + 1, len(data)))
    first = min(first, max(0, last - 1))
    copy = await room.database.write(contents.copy_range, content.id, first, last - first)
    assert copy == await room.load(copy.id)
    return copy, data[first:last], min(depth, 1)


async def release_all(room: Room) -> None:
    """Unwinding everything must bring every count to zero and leave no row."""

    def release(conn: object) -> None:
        rows = conn.execute(schema.contents.select()).all()  # type: ignore[attr-defined]
        held: dict[int, int] = {row.id: row.refs for row in rows}
        for row in rows:
            for part in contents.from_row((row.id, row.form, row.size, row.layout, row.digest)).parts:
                held[part.content_id] -= 1
        for content_id, count in held.items():
            for _ in range(count):
                contents.release(conn, content_id)  # type: ignore[arg-type]

    await room.database.write(release)
    while waiting := await room.database.read(contents.unmarked, 100):
        for content_id in waiting:
            while not await room.database.write(contents.unwind, content_id, 2):
                pass
    assert await room.database.read(lambda conn: conn.execute(schema.contents.select()).all()) == []
    await room.database.write(blobs.mark, await room.database.read(blobs.unmarked, 10_000), 1)
    for location in await room.database.write(blobs.delete_blobs_released_before, 10, 10_000):
        room.store.delete(location)
    assert room.files() == []


@pytest.fixture(scope="module")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples: making one flushes 256 folders."""
    return tmp_path_factory.mktemp("blobs")


@settings(max_examples=40, deadline=None)
@example(steps=[("put", 0), ("join", [0.0, 0.0, 0.0])], ranges=[(0.0, 0.0)])
@given(st.lists(_step, min_size=1, max_size=12), st.lists(st.tuples(_fraction, _fraction), min_size=1, max_size=4))
def test_composed_contents_read_like_bytes_and_unwind_to_nothing(
    sqlite_template: Path, store_folder: Path, steps: list[tuple[str, object]], ranges: list[tuple[float, float]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(sqlite_template, folder / "s3gw.db")
        database = open_database(None, folder)
        store = FilesystemStore(store_folder)
        for location in list(store.locations()):  # of an example that failed
            store.delete(location)
        room = Room(database, store, store_folder)

        async def run() -> None:
            await compose(room, steps, ranges)
            await release_all(room)
            await room.writer.close()
            await room.reader.close()
            await database.close()

        asyncio.run(run())
