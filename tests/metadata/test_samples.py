"""The dashboard's history: what is added to it, how it is put together, and that it doesn't grow."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update

from s3gw.metadata import samples, schema
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.samples import KEPT, Answered, Stored
from s3gw.metrics.counted import SECONDS
from s3gw.metrics.history import RANGES, Name, all_doors, history_of, latency_of

pytestmark = pytest.mark.anyio


def within(*shares: int) -> tuple[int, ...]:
    """Answers that began within each of the times, and not within the one before; as counters tell it."""
    return tuple(sum(shares[: number + 1]) for number in range(len(SECONDS) + 1))


def shift(conn: Connection, by: int) -> None:
    """As if all that there is had happened so many seconds earlier."""
    conn.execute(update(schema.samples).values(at=schema.samples.c.at - by * 1_000_000))


def rows_of(conn: Connection) -> dict[int, int]:
    table = schema.samples.c
    found = select(table.span, func.count()).group_by(table.span).order_by(table.span)
    return {row[0]: row[1] for row in conn.execute(found)}


@pytest.mark.parametrize("name", RANGES)
async def test_what_several_nodes_have_answered_is_added_up_and_what_is_stored_stays_known(
    database: Database, name: Name
) -> None:
    one = Answered(10, 2, 1, 0, 500, 7000, within(5, 5))
    await database.write(samples.add, {"s3": one}, Stored(3, 400, 300, 200))
    await database.write(samples.add, {"s3": one, "api": Answered(1, within=within(0, 0, 1))}, Stored(4, 500))
    await database.write(shift, RANGES[name].step)
    found = await database.scan(history_of, name)
    assert len(found.points) == RANGES[name].steps
    assert [point.traffic for point in found.points[-3:] if point.traffic] == [
        {"s3": one.plus(one), "api": Answered(1, within=within(0, 0, 1))}
    ]
    assert found.points[-1].stored == Stored(4, 500, 300, 200)  # as it was known before
    assert found.points[0].stored == Stored()
    assert found.stored.physical == 300 and found.measured_at is not None
    total = all_doors(found.points[-2].traffic)
    assert (total.requests, total.refused, total.failed, total.sent) == (21, 4, 2, 14_000)


async def test_old_rows_go_and_those_of_longer_periods_stay(database: Database) -> None:
    for span in KEPT:
        await database.write(lambda conn: conn.execute(schema.samples.delete()))
        await database.write(samples.add, {"s3": Answered(1)}, Stored())
        await database.write(shift, KEPT[span] + span)
        await database.write(samples.add, {}, Stored())
        assert await database.read(rows_of) == {each: 1 if each <= span else 2 for each in KEPT}


def test_how_soon_answers_began_is_told_as_a_monitor_would() -> None:
    assert latency_of(Answered()) == (None, None, None)
    p50, p95, p99 = latency_of(Answered(100, within=within(0, 50, 50)))  # half by 2.5 ms, the rest by 5
    assert (p50, p95) == (0.0025, pytest.approx(0.00475)) and p99 == pytest.approx(0.00495)
    assert latency_of(Answered(1, within=(0,) * len(SECONDS) + (1,))).p99 == SECONDS[-1]  # later than is counted
