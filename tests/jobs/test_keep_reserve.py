"""The reserve is made and kept by the job process, for as long as it runs and whatever the disk says meanwhile."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from s3gw.disks import reserve
from s3gw.disks.reserve import FILES, Reserve
from s3gw.jobs import keep_reserve as module
from s3gw.jobs.keep_reserve import keep_reserve

pytestmark = pytest.mark.anyio


def is_whole(folder: Path) -> bool:
    return len(list((folder / "reserve").glob("[0-9][0-9]"))) == FILES


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.01)
    monkeypatch.setattr(reserve, "_SIZE", FILES * 4096)


async def test_what_was_given_up_is_made_again_in_each_folder(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("data", "database")]
    for folder in folders:
        folder.mkdir()
    keeping = asyncio.create_task(keep_reserve(folders, 1))
    for folder in folders * 2:
        await until(lambda: is_whole(folder))  # noqa: B023
        Reserve(folder).release()
    await until(lambda: all(is_whole(folder) for folder in folders))
    keeping.cancel()


async def test_where_nothing_is_to_be_kept_free_there_is_no_reserve(tmp_path: Path) -> None:
    async with asyncio.timeout(10):
        await keep_reserve([tmp_path], 0)
    assert not os.listdir(tmp_path)


async def test_a_disk_that_fails_is_told_of_less_and_less_often_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)
        if len(pauses) == 3:
            (tmp_path / "later").mkdir()

    monkeypatch.setattr(module.asyncio, "sleep", pause)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.04)
    with caplog.at_level(logging.WARNING, "s3gw.jobs"):
        keeping = asyncio.create_task(keep_reserve([tmp_path / "later"], 1))
        async with asyncio.timeout(20):
            while not is_whole(tmp_path / "later"):
                await sleep(0.01)
            while len(pauses) < 4:
                await sleep(0.01)
    keeping.cancel()
    assert pauses[:4] == [0.02, 0.04, 0.04, 0.01]
    line = f"the reserve can't be filled: {tmp_path / 'later'}: No such file or directory"
    assert [record.message for record in caplog.records] == [line] * 3
