"""How a report is written: its rows become the bytes of a CSV, JSON or Parquet file, some at a time.

A cell of a CSV that a spreadsheet would take for a formula begins with an apostrophe: it is shown as text then. Keys
are named by whoever may write them, and a report is opened by somebody else.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from s3gw.reports.rows import NUMBERS, TEXTS, Row
from s3gw.reports.spec import Format

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")  # as OWASP lists them ("CSV Injection")


class Writer(Protocol):
    """Each gives bytes of the file, in this order: `begin` once, `rows` as often as there are any, `end` once."""

    def begin(self) -> bytes: ...
    def rows(self, rows: Sequence[Row]) -> bytes: ...
    def end(self) -> bytes: ...


def harmless(text: str) -> str:
    """As a cell of a CSV."""
    return f"'{text}" if text.startswith(_FORMULAS) else text


class CsvWriter:
    """RFC 4180, UTF-8, with a line of names."""

    def __init__(self, about: Mapping[str, Any]) -> None:
        pass

    def begin(self) -> bytes:
        return _lines([Row._fields])

    def rows(self, rows: Sequence[Row]) -> bytes:
        return _lines(_cells(row) for row in rows)

    def end(self) -> bytes:
        return b""


def _cells(row: Row) -> list[str | int]:
    texts = [harmless(getattr(row, name)) for name in TEXTS]
    places = json.dumps(row.places, ensure_ascii=False) if row.places else ""
    return [*texts, *(getattr(row, name) for name in NUMBERS), places]


def _lines(rows: Iterable[Sequence[str | int]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8")


class JsonWriter:
    """One document: what is said about the report, and its rows, each on a line of its own."""

    def __init__(self, about: Mapping[str, Any]) -> None:
        self._about, self._is_first = about, True

    def begin(self) -> bytes:
        return json.dumps(self._about, ensure_ascii=False)[:-1].encode("utf-8") + b', "rows": ['

    def rows(self, rows: Sequence[Row]) -> bytes:
        if not rows:
            return b""
        lines = ",\n".join(json.dumps(row._asdict(), ensure_ascii=False) for row in rows)
        before, self._is_first = "\n" if self._is_first else ",\n", False
        return (before + lines).encode("utf-8")

    def end(self) -> bytes:
        return b"\n]}\n"


def _parquet(about: Mapping[str, Any]) -> Writer:
    from s3gw.reports.parquet import ParquetWriter

    return ParquetWriter(about)


class Kind(NamedTuple):
    """Of files. `writer` is given what JSON tells about the report."""

    content_type: str
    writer: Callable[[Mapping[str, Any]], Writer]


KINDS: dict[Format, Kind] = {
    "csv": Kind("text/csv; charset=utf-8", CsvWriter),
    "json": Kind("application/json", JsonWriter),
    "parquet": Kind("application/vnd.apache.parquet", _parquet),
}
