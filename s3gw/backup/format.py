"""The format of backups: names of files, rows of tables as pieces, and the manifest of a snapshot. Pure, no I/O.

    s3gw-backup               the marker: which version of the format this is
    chunks/ab/<digest>        a chunk as it lies in a store: its bytes, then the digests of its blocks
    pieces/ab/<digest>        rows of a table: zlib over lines of JSON; the digest is that of the file
    snapshots/<id>.json       the manifest, written last: its tables with their pieces, and a digest over itself

Rows are values that every database has: numbers, text, bytes (base64) and null. A piece ends behind a row that its key
chooses, so a row that comes or goes changes one piece, and the others are in the backup already.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from blake3 import blake3

from s3gw.backup.place import BackupError
from s3gw.content.chunk import blocks_match, list_matches, list_size

FORMAT = 1
MARKER = "s3gw-backup"
MARKER_TEXT = json.dumps({"format": FORMAT}) + "\n"
SNAPSHOTS = "snapshots"
SHARDS = tuple(f"{number:02x}" for number in range(256))
LONGEST_PIECE = 256 << 20  # bytes of lines that one is unpacked to
_LEAST, _MOST = 256 << 10, 4 << 20  # bytes of lines at which a piece may end, and ends
_ONE_OF = 256  # rows end a piece
_ID = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9]{6}Z", re.ASCII)
_TIME = "%Y%m%dT%H%M%S-%fZ"
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_WORD = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)

Row = Sequence[Any]


class Damaged(BackupError):
    """Something in the backup isn't what was written."""


class Saved(NamedTuple):
    """A table of a snapshot. `binary` are the places of columns that hold bytes."""

    name: str
    columns: tuple[str, ...]
    binary: tuple[int, ...]
    rows: int
    pieces: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """`created_at`: microseconds; `engine`: sqlite or postgresql; `revision`: of the schema; `store`: whose it is.

    `chunks` and `bytes` are what the snapshot needs, `new_bytes` what came with it, rows included. `master_key` is the
    id of the one that secrets are sealed under, `master_keys` the file of keys where that was asked for.
    """

    id: str
    created_at: int
    version: str
    engine: str
    revision: str
    store: str | None
    tables: tuple[Saved, ...]
    sequences: dict[str, int]
    chunks: int
    bytes: int
    new_bytes: int
    master_key: str | None
    master_keys: str | None = None

    def table(self, name: str) -> Saved:
        found = next((table for table in self.tables if table.name == name), None)
        if found is None:
            raise Damaged(f"the snapshot {self.id} has no table {name}")
        return found


def check_marker(text: str) -> None:
    try:
        found = json.loads(text)["format"]
    except (ValueError, KeyError, TypeError):
        raise BackupError(f"this is no backup: its file {MARKER} isn't what s3gw writes") from None
    if found != FORMAT:
        raise BackupError(f"the backup has the format {found}, and this s3gw knows {FORMAT} alone: is it older?")


def next_id(at: int, last: str | None) -> str:
    """Of a time in microseconds, but behind the last one even where the clock was set back: ids are the order."""
    time = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=at)
    if last is not None:
        time = max(time, datetime.strptime(last, _TIME).replace(tzinfo=UTC) + timedelta(microseconds=1))
    return time.strftime(_TIME)


def is_snapshot_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    return _HEX.fullmatch(text) is not None


def manifest_name(id_: str) -> str:
    return f"{SNAPSHOTS}/{id_}.json"


def chunk_name(digest: str) -> str:
    return f"chunks/{digest[:2]}/{digest}"


def piece_name(digest: str) -> str:
    return f"pieces/{digest[:2]}/{digest}"


def encode_manifest(manifest: Manifest) -> bytes:
    document = asdict(manifest) | {"tables": [table._asdict() for table in manifest.tables], "format": FORMAT}
    text = json.dumps(document, sort_keys=True).encode()
    return text + b"\n" + blake3(text).hexdigest().encode() + b"\n"


def decode_manifest(id_: str, data: bytes) -> Manifest:
    """Raises Damaged."""
    text, _, digest = data.removesuffix(b"\n").partition(b"\n")
    if blake3(text).hexdigest().encode() != digest:
        raise Damaged(f"the manifest of the snapshot {id_} isn't what was written")
    document = json.loads(text)
    if document.pop("format") != FORMAT or document["id"] != id_:
        raise Damaged(f"the manifest of the snapshot {id_} is of another one, or of another format")
    tables = tuple(
        Saved(each["name"], tuple(each["columns"]), tuple(each["binary"]), each["rows"], tuple(each["pieces"]))
        for each in document["tables"]
    )
    words = [word for table in tables for word in (table.name, *table.columns)]
    if not all(_WORD.fullmatch(word) for word in words):
        raise Damaged(f"the snapshot {id_} has tables that can't be")
    return Manifest(**{**document, "tables": tables})


class Piece(NamedTuple):
    digest: str
    data: bytes
    rows: int


def pieces_of(rows: Iterable[Row], binary: Sequence[int], keys: Sequence[int]) -> Iterator[Piece]:
    """`keys` are the places of the columns that are the key, in whose order the rows come."""
    lines: list[bytes] = []
    size = 0
    for row in rows:
        values = list(row)
        for place in binary:
            if values[place] is not None:
                values[place] = base64.b64encode(values[place]).decode("ascii")
        line = json.dumps(values, ensure_ascii=False, separators=(",", ":"), check_circular=False).encode()
        lines.append(line)
        size += len(line) + 1
        if size >= _MOST or (size >= _LEAST and _ends_piece([values[place] for place in keys])):
            yield _piece(lines)
            lines, size = [], 0
    if lines:
        yield _piece(lines)


def _ends_piece(key: list[Any]) -> bool:
    return zlib.crc32(repr(key).encode()) % _ONE_OF == 0


def _piece(lines: list[bytes]) -> Piece:
    data = zlib.compress(b"\n".join(lines), 3)
    return Piece(blake3(data).hexdigest(), data, len(lines))


def rows_of(digest: str, data: bytes, binary: Sequence[int]) -> Iterator[list[Any]]:
    """Raises Damaged."""
    if not piece_is_intact(digest, data):
        raise Damaged(f"{piece_name(digest)} isn't what was written")
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(data, LONGEST_PIECE)
    if not unpacker.eof:
        raise Damaged(f"{piece_name(digest)} is longer than a piece can be")
    for line in text.split(b"\n"):
        row: list[Any] = json.loads(line)
        for place in binary:
            if row[place] is not None:
                row[place] = base64.b64decode(row[place])
        yield row


def piece_is_intact(digest: str, data: bytes) -> bool:
    return blake3(data).hexdigest() == digest


def chunk_is_intact(digest: bytes, size: int, data: bytes) -> bool:
    """Whether these are all bytes of that chunk, with the list of its blocks behind them."""
    if size <= 0 or len(data) != size + list_size(size):
        return False
    view = memoryview(data)
    blocks = data[size:]
    return list_matches(blocks, digest) and blocks_match(blocks, 0, view[:size])
