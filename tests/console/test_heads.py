"""What the first bytes of files look like, as text and as tables."""

from __future__ import annotations

import json

import pytest

from s3gw.previews.limits import LONGEST_CELL, MOST_COLUMNS, MOST_ROWS
from s3gw.share.heads import _LARGEST_JSON, _LARGEST_PRETTY, pretty, table_of_json, table_of_text, text_of


@pytest.mark.parametrize(
    ("head", "is_whole", "expected"),
    [
        (b"\xef\xbb\xbf\xc3\xbc", True, "ü"),
        (b"a\xc3", False, "a"),
        (b"a\xc3", True, "aÃ"),
        (b"stra\xdfe", True, "straße"),
        (b"a\0b", True, None),
        (b"", True, ""),
    ],
)
def test_what_is_text(head: bytes, is_whole: bool, expected: str | None) -> None:
    assert text_of(head, is_whole=is_whole) == expected


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_table_has_the_separator_of_its_first_line(separator: str) -> None:
    table = table_of_text(f'a{separator}b\n"x\ny"{separator}=1+1\n', "text/csv", is_whole=True)
    assert table is not None and (table.columns, table.rows, table.more) == (["a", "b"], [["x\ny", "=1+1"]], [])


def test_a_table_is_bounded() -> None:
    row = ",".join(["x" * (LONGEST_CELL + 1)] * (MOST_COLUMNS + 1)) + "\n"
    table = table_of_text(row * (MOST_ROWS + 2), "text/csv", is_whole=True)
    assert (
        table is not None
        and len(table.rows) == MOST_ROWS
        and table.more == [("The first %(count)s rows.", {"count": "100"})]
    )
    assert {len(one) for one in table.rows} == {MOST_COLUMNS}
    assert {len(cell or "") for cell in table.rows[0]} == {LONGEST_CELL}
    assert table_of_text("x" * 200_000, "text/csv", is_whole=True) is None  # a field that is too long for a reader


def test_json_is_put_on_lines_if_it_is_no_bomb() -> None:
    assert pretty('{"a":["ü"]}') == '{\n  "a": [\n    "ü"\n  ]\n}'
    deep = "[" * 900 + ",".join("0" * 2000) + "]" * 900
    for unchanged in ("{", "[" * 60_000, deep, json.dumps("x" * _LARGEST_JSON)):
        assert pretty(unchanged) == unchanged
    assert len(deep) * 900 > _LARGEST_PRETTY


@pytest.mark.parametrize("told", [b"", b"[]", b'{"columns":1}', b'{"columns":[1],"rows":[]}'])
def test_what_a_child_says_is_not_believed(told: bytes) -> None:
    assert table_of_json(told) is None


def test_what_a_child_says_is_bounded() -> None:
    columns = [{"name": "a", "type": "b"}] * (MOST_COLUMNS + 1)
    rows = [[{"x": 1}] * (MOST_COLUMNS + 1)] * (MOST_ROWS + 1)
    told = {"columns": columns, "rows": rows, "column_count": 60, "row_count": 5000}
    table = table_of_json(json.dumps(told).encode())
    assert table is not None and table.more == [
        ("%(shown)s of %(count)s rows", {"shown": "100", "count": "5,000"}),
        ("%(shown)s of %(count)s columns", {"shown": "50", "count": "60"}),
    ]
    assert table.rows[0][0] == "{'x': 1}" and len(table.rows[0]) == MOST_COLUMNS
