"""What a content is, by its first bytes: which decoder is asked, and none but that one. What it is called doesn't
count, as a preview is a content's, whatever its objects say of it. SVG is none of these: it is a program, no picture.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

from s3gw.previews.recipes import OPTIMIZE, TABLE, page_of

FIRST = 64  # bytes that tell it

_AVIF = (b"avif", b"avis")
_NO_VIDEO = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1", b"M4A ", b"M4B ", b"crx ")


class Kind(NamedTuple):
    """`libraries`: modules that it takes. `type` is that of an optimized one; None: there is none."""

    name: str
    libraries: tuple[str, ...]
    type: str | None
    is_one: Callable[[bytes], bool]


def _brand(first: bytes) -> bytes:
    """Of an ISO base media file; else nothing."""
    return first[8:12] if first[4:8] == b"ftyp" else b""


def _brands(first: bytes) -> list[bytes]:
    length = min(int.from_bytes(first[:4], "big"), len(first))
    return [_brand(first), *(first[place : place + 4] for place in range(16, length - 3, 4))]


def _is_avif(first: bytes) -> bool:
    return _brand(first) in _AVIF or (_brand(first) in (b"mif1", b"msf1") and any(b in _AVIF for b in _brands(first)))


def _is_mp4(first: bytes) -> bool:
    return bool(_brand(first)) and not _is_avif(first) and _brand(first) not in _NO_VIDEO


def _riff(form: bytes) -> Callable[[bytes], bool]:
    return lambda first: first[:4] == b"RIFF" and first[8:12] == form


def _begins(*signatures: bytes) -> Callable[[bytes], bool]:
    return lambda first: first.startswith(signatures)


_PICTURE, _PDF, _VIDEO = ("PIL",), ("PIL", "pypdfium2"), ("PIL", "av")
KINDS = {
    kind.name: kind
    for kind in (
        Kind("jpeg", _PICTURE, "image/jpeg", _begins(b"\xff\xd8\xff")),
        Kind("png", _PICTURE, "image/png", _begins(b"\x89PNG\r\n\x1a\n")),
        Kind("gif", _PICTURE, "image/gif", _begins(b"GIF87a", b"GIF89a")),
        Kind("webp", _PICTURE, "image/webp", _riff(b"WEBP")),
        Kind("avif", _PICTURE, "image/avif", _is_avif),
        Kind("pdf", _PDF, None, _begins(b"%PDF-")),
        Kind("mp4", _VIDEO, None, _is_mp4),
        Kind("matroska", _VIDEO, None, _begins(b"\x1a\x45\xdf\xa3")),
        Kind("avi", _VIDEO, None, _riff(b"AVI ")),
        Kind("parquet", ("pyarrow",), None, _begins(b"PAR1")),
    )
}
THUMBNAIL = KINDS["webp"]  # what every recipe makes but `optimize` and `table`
HEAD = Kind("table", (), "application/json", _begins(b'{"columns":'))  # which no content is taken for


def kind_of(first: bytes) -> Kind | None:
    return next((kind for kind in KINDS.values() if kind.is_one(first)), None)


def made_of(kind: Kind, recipe: str) -> Kind | None:
    """What the recipe makes of it; None: nothing."""
    if recipe == TABLE:
        return HEAD if kind.name == "parquet" else None
    if page_of(recipe) is not None:
        return THUMBNAIL if kind.name == "pdf" else None
    if recipe == OPTIMIZE:
        return kind if kind.type is not None else None
    return THUMBNAIL if kind.name != "parquet" else None


def is_installed(kind: Kind) -> bool:
    return all(find_spec(library) is not None for library in kind.libraries)


def extra_of(kind: Kind) -> str:
    """With which its libraries are installed."""
    return "parquet" if kind.name == "parquet" else "previews"
