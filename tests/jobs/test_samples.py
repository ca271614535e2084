"""What the job process tells the dashboard: what was answered since the last sample, and what is stored."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from s3gw.jobs import keep_samples
from s3gw.jobs.follow_changes import follow_all, readers_of
from s3gw.jobs.measure_space import measure_space
from s3gw.metadata import samples, schema
from s3gw.metadata.samples import HOUR, Answered, Stored
from s3gw.metrics import totals
from tests.jobs.asking import Asking
from tests.jobs.conftest import BODY, Process, ignore

pytestmark = pytest.mark.anyio


async def kept(process: Process) -> list[Any]:
    return [(one.traffic, one.stored) for one in await process.database.scan(samples.since, HOUR, 0)]


async def test_only_what_is_new_is_told_and_nothing_where_nothing_is(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = [110, 103, 103, 100]
    monkeypatch.setattr(totals, "totals", lambda: {"s3": Answered(counts.pop(), within=(1,))})
    monkeypatch.setattr(keep_samples, "FIRST", 0)
    monkeypatch.setattr(keep_samples, "EVERY", 0)
    written: list[Any] = []
    write = process.database.write

    async def note(fn: Any, *args: Any, **more: Any) -> Any:
        written.append(args)
        return await write(fn, *args, **more)

    monkeypatch.setattr(process.database, "write", note)
    with pytest.raises(IndexError):  # there are no more counts
        await keep_samples.keep_samples(process.services)
    assert [sum(each.requests for each in traffic.values()) for traffic, _ in written] == [3, 7]
    ((traffic, stored),) = await kept(process)
    assert traffic["s3"].requests == 10 and stored == Stored(0, 0)


async def test_bytes_are_counted_once_and_told_apart_by_how_many_need_them(process: Process) -> None:
    """The content that is put is one chunk; a second version of it makes it nobody's own."""
    asking = Asking(process)
    await asking.make()
    await asking.put(["a"])
    await follow_all(process.services, readers_of(process.database.dialect))
    table = schema.contents
    for refs, exclusive in ((1, len(BODY)), (2, 0)):
        await process.database.write(lambda conn, refs=refs: conn.execute(update(table).values(refs=refs)))
        await measure_space(process.services, None, ignore)
        ((_, stored),) = await kept(process)
        assert (stored.physical, stored.exclusive, stored.objects) == (len(BODY), exclusive, 1)
