"""The head of a Parquet file, by a child process: bounded, and what is wrong with one is a clear refusal."""

from __future__ import annotations

import datetime
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from s3gw.previews.limits import LONGEST_CELL, MOST_COLUMNS, MOST_ROWS, Limits
from s3gw.previews.recipes import TABLE
from tests.previews.test_making import LIMITS, made, outcome

pytestmark = pytest.mark.anyio


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    to = io.BytesIO()
    pq.write_table(pa.table(columns), to, **options)
    return to.getvalue()


async def head(data: bytes) -> dict[str, Any]:
    found = await made(data, TABLE)
    assert found.type == "application/json"
    told: dict[str, Any] = json.loads(found.data)
    return told


async def test_a_head_has_names_types_and_texts() -> None:
    moment = datetime.datetime(2026, 7, 1, 12, tzinfo=datetime.UTC)
    told = await head(
        parquet(
            {"id": [1, None], "name": ["<b>", "ü"], "when": pa.array([moment] * 2, pa.timestamp("us", "Asia/Tokyo"))}
        )
    )
    assert [column["type"] for column in told["columns"]] == ["int64", "string", "timestamp[us, tz=Asia/Tokyo]"]
    assert told["rows"] == [["1", "<b>", "2026-07-01 12:00:00Z"], [None, "ü", "2026-07-01 12:00:00Z"]]
    assert (told["row_count"], told["column_count"]) == (2, 3)


async def test_a_head_has_so_many_rows_columns_and_characters_at_most() -> None:
    data = {f"c{number}": ["x" * (LONGEST_CELL + 1)] * (MOST_ROWS + 1) for number in range(MOST_COLUMNS + 1)}
    told = await head(parquet(data, row_group_size=7))
    assert (len(told["rows"]), len(told["columns"])) == (MOST_ROWS, MOST_COLUMNS)
    assert {len(cell) for row in told["rows"] for cell in row} == {LONGEST_CELL}
    assert {len(row) for row in told["rows"]} == {MOST_COLUMNS}
    assert (told["row_count"], told["column_count"]) == (MOST_ROWS + 1, MOST_COLUMNS + 1)


async def test_what_is_no_table_is_refused() -> None:
    whole = parquet({"a": list(range(1000))})
    for broken in (b"PAR1 and nothing behind it", whole[:-8], whole[:-20] + b"\xff" * 12 + whole[-8:]):
        assert await outcome(broken, TABLE) == "broken"
    assert await outcome(parquet({}), TABLE) == "empty"


@pytest.mark.soak
async def test_a_table_that_takes_too_much_memory_is_refused() -> None:
    """A column of a gigabyte in next to no bytes."""
    data = parquet({"a": pa.array(["x" * (1 << 20)] * 1000)}, compression="zstd", use_dictionary=False)
    assert len(data) < 1 << 20
    limits = Limits(LIMITS.size, LIMITS.pixels, 512 << 20, LIMITS.seconds)
    assert await outcome(data, TABLE, limits) == "too_much_memory"
