"""Writes the rows of a report as Parquet, by pyarrow (`s3gw[parquet]`). It is loaded when somebody wants it."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

from s3gw.reports.rows import NUMBERS, TEXTS, Row


def is_installed() -> bool:
    return importlib.util.find_spec("pyarrow") is not None


class _Sink:
    """A file as pyarrow asks for one, of which the bytes are taken as they come."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._written = 0

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._written += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        """What was written is there."""

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


class ParquetWriter:
    """Each call of `rows` makes a row group."""

    def __init__(self, about: Mapping[str, Any]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        texts, numbers = [(name, pa.string()) for name in TEXTS], [(name, pa.int64()) for name in NUMBERS]
        told = {name: str(value) for name, value in about.items()}
        schema = pa.schema([*texts, *numbers, ("places", pa.list_(pa.string()))], metadata=told)
        self._sink, self._schema, self._table_of = _Sink(), schema, pa.Table.from_pylist
        self._writer = pq.ParquetWriter(pa.PythonFile(self._sink, mode="w"), schema, compression="zstd")

    def begin(self) -> bytes:
        return self._sink.take()

    def rows(self, rows: Sequence[Row]) -> bytes:
        if rows:
            self._writer.write_table(self._table_of([row._asdict() for row in rows], schema=self._schema))
        return self._sink.take()

    def end(self) -> bytes:
        self._writer.close()
        return self._sink.take()
