"""Rows as pieces, and manifests: what was written is read again, and little of it is new where little has changed."""

from __future__ import annotations

import random
import zlib

import pytest
from blake3 import blake3

from s3gw.backup import format as of_backups
from s3gw.backup.format import Damaged, Manifest, Saved, decode_manifest, encode_manifest, next_id, pieces_of, rows_of

MANY = 40_000


def rows(count: int) -> list[tuple[object, ...]]:
    chance = random.Random(1)
    return [(number, f"key \x00 \n {number} ⓢ", chance.randbytes(20), None, 0.5) for number in range(count)]


def test_what_was_written_is_read_again() -> None:
    given = rows(1000)
    pieces = list(pieces_of(given, (2, 3), (0,)))
    found = [tuple(row) for piece in pieces for row in rows_of(piece.digest, piece.data, (2, 3))]
    assert found == given
    assert list(pieces_of([], (2,), (0,))) == []


@pytest.mark.parametrize("at", [0, MANY // 2, MANY - 1])
def test_a_row_that_comes_or_goes_changes_one_piece(at: int) -> None:
    given = rows(MANY)
    before = {piece.digest for piece in pieces_of(given, (2,), (0,))}
    assert len(before) > 4
    for changed in ([*given[:at], *given[at + 1 :]], [*given[:at], (at, "new", b"", None, 1.5), *given[at:]]):
        after = {piece.digest for piece in pieces_of(changed, (2,), (0,))}
        assert len(after - before) <= 2


def test_a_piece_that_was_changed_or_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    (piece,) = pieces_of(rows(10), (2,), (0,))
    with pytest.raises(Damaged):
        list(rows_of(piece.digest, piece.data[:-1], (2,)))
    data = zlib.compress(b"[" + b" " * 1000 + b"]")
    monkeypatch.setattr(of_backups, "LONGEST_PIECE", 1000)
    with pytest.raises(Damaged, match="longer"):
        list(rows_of(blake3(data).hexdigest(), data, ()))


def manifest(**changed: object) -> Manifest:
    table = Saved("blobs", ("digest", "location"), (0,), 3, ("ab" * 32,))
    values = {"id": next_id(1, None), "created_at": 1, "version": "0", "engine": "sqlite", "revision": "0001"}
    more = {"store": None, "tables": (table,), "sequences": {"jobs": 5}, "chunks": 1, "bytes": 2, "new_bytes": 3}
    return Manifest(**{**values, **more, "master_key": None, **changed})  # type: ignore[arg-type]


def test_a_manifest_is_read_as_it_was_written_or_not_at_all() -> None:
    made = manifest()
    data = encode_manifest(made)
    assert decode_manifest(made.id, data) == made
    for bad in (data[:-2], data.replace(b'"jobs": 5', b'"jobs": 6'), b"", data[:20]):
        with pytest.raises(Damaged):
            decode_manifest(made.id, bad)
    with pytest.raises(Damaged):
        decode_manifest(next_id(2, None), data)


def test_no_name_of_a_table_or_column_is_more_than_a_word() -> None:
    for table in (Saved('a"; DROP', (), (), 0, ()), Saved("a", ("b c",), (), 0, ())):
        made = manifest(tables=(table,))
        with pytest.raises(Damaged, match="can't be"):
            decode_manifest(made.id, encode_manifest(made))


def test_ids_ascend_even_where_the_clock_was_set_back() -> None:
    first = next_id(1_700_000_000_000_000, None)
    assert next_id(1_600_000_000_000_000, first) > first
    assert next_id(1_700_000_000_000_000, first) > first
