"""The head of a Parquet file by pyarrow, within the child: the first rows and columns, each cell as a short text."""

from __future__ import annotations

import json
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from s3gw.previews.limits import MOST_COLUMNS, MOST_ROWS, Refused, shortened
from s3gw.previews.pictures import Made


def prepare() -> None:
    """No threads: the child may start none."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    pa.set_memory_pool(pa.system_memory_pool())


def head(source: IO[bytes]) -> Made:
    source.seek(0)
    try:
        told = _head(pq.ParquetFile(source, memory_map=False, pre_buffer=False))
    except pa.ArrowMemoryError:
        raise MemoryError from None
    except pa.ArrowException:
        raise Refused("broken") from None
    return Made(
        "table",
        len(told["columns"]),
        len(told["rows"]) + 1,
        json.dumps(told, ensure_ascii=False).encode("utf-8", "replace"),
    )


def _head(file: Any) -> dict[str, Any]:
    schema = file.schema_arrow
    fields = [schema.field(number) for number in range(min(len(schema), MOST_COLUMNS))]
    if not fields:
        raise Refused("empty")
    names = None if len(schema) == len(fields) else [field.name for field in fields]
    rows: list[list[str | None]] = []
    for batch in file.iter_batches(batch_size=MOST_ROWS, columns=names, use_threads=False):
        rows += _rows(batch.slice(0, MOST_ROWS - len(rows)), len(fields))
        if len(rows) >= MOST_ROWS:
            break
    return {
        "columns": [{"name": shortened(field.name), "type": shortened(str(field.type))} for field in fields],
        "rows": rows,
        "column_count": len(schema),
        "row_count": file.metadata.num_rows,
    }


def _rows(batch: Any, columns: int) -> list[list[str | None]]:
    found = [_cells(batch.column(number)) for number in range(min(columns, batch.num_columns))]
    return [list(row) for row in zip(*found, strict=True)]


def _cells(column: Any) -> list[str | None]:
    """A time of a zone is told as that of UTC: the child can't read what there is about zones."""
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = column.cast(pa.timestamp(column.type.unit))
        return [None if cell is None else f"{cell}Z" for cell in _cells(column)]
    return [_cell(value) for value in column]


def _cell(scalar: Any) -> str | None:
    try:
        value = scalar.as_py()
    except (pa.ArrowException, ValueError, OverflowError, KeyError):  # a time that Python has none of
        return "?"
    return None if value is None else shortened(value if isinstance(value, str) else str(value))
