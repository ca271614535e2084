"""Past the page cache or through it: what was said, and in `auto` what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3gw.content.direct_io import MEASURED, DirectIo
from s3gw.content.filesystem import FilesystemStore
from tests.content.conformance import HERE, write

FILES = 320


def ways(direct_io: DirectIo, costs: dict[bool, float], files: int = FILES) -> list[bool]:
    """How files are written on a disk that takes so many seconds for each by either way."""
    chosen = []
    for _ in range(files):
        way = direct_io.is_wanted(MEASURED)
        direct_io.measured(way, MEASURED, costs[way])
        chosen.append(way)
    return chosen


@pytest.mark.parametrize(("mode", "way"), [("on", True), ("off", False)])
def test_what_was_said_holds_whatever_is_measured(mode: str, way: bool) -> None:
    direct_io = DirectIo(mode)  # type: ignore[arg-type]
    assert set(ways(direct_io, {way: 100, not way: 1})) == {way}


@pytest.mark.parametrize(
    ("direct", "through_cache", "better"), [(1, 2, True), (2, 1, False), (1, 1, True), (1, 0.9, True)]
)
def test_auto_goes_the_faster_way_and_tries_the_other_now_and_then(
    direct: float, through_cache: float, better: bool
) -> None:
    chosen = ways(DirectIo("auto"), {True: direct, False: through_cache})
    assert set(chosen[:2]) == {True, False}
    assert FILES - 15 < chosen.count(better) < FILES - 5


def test_auto_follows_a_disk_that_changes() -> None:
    direct_io = DirectIo("auto")
    ways(direct_io, {True: 1, False: 3})
    later = ways(direct_io, {True: 9, False: 3})
    assert later[-30:].count(False) >= 28


def test_small_files_are_not_measured_and_go_the_way_that_is_better_so_far() -> None:
    direct_io = DirectIo("auto")
    ways(direct_io, {True: 2, False: 1})
    for _ in range(100):
        assert not direct_io.is_wanted(MEASURED - 1)
        assert not direct_io.is_wanted(None)
        direct_io.measured(False, MEASURED - 1, 1000)


def test_a_store_measures_what_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    direct_io = DirectIo("off")
    seen: list[tuple[bool, int, float]] = []
    monkeypatch.setattr(direct_io, "measured", lambda *measured: seen.append(measured))
    write(FilesystemStore(tmp_path, direct_io=direct_io), HERE, bytes(MEASURED))
    ((was_direct, size, seconds),) = seen
    assert (was_direct, size) == (False, MEASURED)
    assert 0 < seconds < 60
