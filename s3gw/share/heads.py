"""What the first bytes of a file look like as text or as a table: bounded in rows, columns and the length of a cell. It
is decoded here, in the process that serves, so by nothing but Python's own decoders of text, CSV and JSON.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from s3gw.previews.limits import MOST_COLUMNS, MOST_ROWS, shortened

LARGEST_HEAD = 256 << 10  # bytes of a file that are read
_LARGEST_JSON = 64 << 10  # characters of what is put on lines of its own
_LARGEST_PRETTY = 1 << 20  # characters of these
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_TABLES = {"text/csv": ",", "text/tab-separated-values": "\t"}
_SEPARATORS = ",;\t|"
_JSON = ("application/json", "application/geo+json", "application/ld+json")


Message = tuple[str, dict[str, str]]  # and what is put into it: frame_words.py has it in other languages


class Table(NamedTuple):
    """`rows` are as long as they are: those of a file needn't be alike. `more`: what is left out."""

    columns: list[str]
    rows: list[list[str | None]]
    more: Sequence[Message] = ()


def text_of(head: bytes, *, is_whole: bool) -> str | None:
    """UTF-8, or what Windows wrote before that. None where it is no text."""
    if _CONTROL.search(head):
        return None
    try:
        return head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if not is_whole and error.start > len(head) - 4:  # in the middle of a character
            return head[: error.start].decode("utf-8-sig")
        return head.decode("cp1252", "replace")


def table_of_text(text: str, kind: str, *, is_whole: bool) -> Table | None:
    """Of CSV; None where it isn't any. The first line has the names of columns."""
    first = text.split("\n", 1)[0]
    separator = _TABLES.get(kind) if kind == "text/tab-separated-values" else max(_SEPARATORS, key=first.count)
    lines = text.splitlines(keepends=True)
    if not is_whole and len(lines) > 1:
        lines.pop()  # it may be half of one
    rows: list[list[str | None]] = []
    try:
        for row in csv.reader(lines, delimiter=separator or ","):
            rows.append([shortened(cell) for cell in row[:MOST_COLUMNS]])
            if len(rows) > MOST_ROWS + 1:
                break
    except csv.Error:
        return None
    if not rows:
        return None
    columns, *found = rows
    has_more = not is_whole or len(found) > MOST_ROWS
    rows = found[:MOST_ROWS]
    more = [("The first %(count)s rows.", {"count": f"{len(rows):,}"})] if has_more else []
    return Table([cell or "" for cell in columns], rows, more)


def pretty(text: str) -> str:
    """JSON on lines of its own; as it is where it can't be read, or is large, or would become so by being nested."""
    if len(text) > _LARGEST_JSON:
        return text
    pieces, size = [], 0
    try:
        for piece in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(json.loads(text)):
            pieces.append(piece)
            size += len(piece)
            if size > _LARGEST_PRETTY:
                return text
    except (ValueError, RecursionError):
        return text
    return "".join(pieces)


def table_of_json(told: bytes) -> Table | None:
    """Of what a child process has made of a Parquet file, which isn't believed more than other files."""
    try:
        found = json.loads(told)
        columns = [f"{_plain(one['name'])} ({_plain(one['type'])})" for one in found["columns"][:MOST_COLUMNS]]
        rows = [[_cell(cell) for cell in row[:MOST_COLUMNS]] for row in found["rows"][:MOST_ROWS]]
        more = _left_out(columns, rows, int(found["column_count"]), int(found["row_count"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return Table(columns, rows, more)


def _left_out(columns: list[str], rows: list[Any], all_columns: int, all_rows: int) -> list[Message]:
    told = (
        ("%(shown)s of %(count)s rows", rows, all_rows),
        ("%(shown)s of %(count)s columns", columns, all_columns),
    )
    return [
        (message, {"shown": f"{len(found):,}", "count": f"{count:,}"})
        for message, found, count in told
        if count > len(found)
    ]


def _cell(value: Any) -> str | None:
    return None if value is None else _plain(value)


def _plain(value: Any) -> str:
    return shortened(str(value))


def is_json(kind: str) -> bool:
    return kind in _JSON or kind.endswith("+json")


def is_table(kind: str) -> bool:
    return kind in _TABLES
