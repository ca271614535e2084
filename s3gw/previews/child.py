"""The child process: makes one preview of what is at its standard input, a file, and writes it to its standard output:
a line that says that it is ready, which it is before it has read a byte; a line of JSON that describes the preview, and
its bytes; or the reason of a refusal alone.

`python -I -B -m s3gw.previews.child KIND RECIPE PIXELS MEMORY SECONDS`
"""

from __future__ import annotations

import json
import os
import sys
from typing import IO, TYPE_CHECKING

from s3gw.previews.isolation import close_the_disk, limit
from s3gw.previews.kinds import HEAD, KINDS
from s3gw.previews.limits import LARGEST_RESULT, READY, Refused
from s3gw.previews.recipes import OPTIMIZE, PAGE_SIZE, TABLE, page_of

if TYPE_CHECKING:
    from s3gw.previews.pictures import Made

_VIDEOS = ("mp4", "matroska", "avi")


def main() -> None:
    kind, recipe, pixels, memory, seconds = sys.argv[1:]
    limit(int(memory), float(seconds))
    source, result = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    _silence()
    prepare(kind)
    close_the_disk(_libraries(kind))
    result.write(READY)
    result.flush()
    try:
        answer = make(source, kind, recipe, int(pixels))
    except Refused as refused:
        answer = (json.dumps({"refused": refused.reason}).encode(), b"")
    except MemoryError:
        answer = (b'{"refused": "too_much_memory"}', b"")
    except (OSError, SyntaxError, ValueError, ArithmeticError, LookupError, TypeError, EOFError):
        answer = (b'{"refused": "broken"}', b"")  # what Pillow raises of broken pictures
    result.write(b"%b\n%b" % answer)
    result.flush()
    os._exit(0)  # nothing is left to be done, and libraries may take their time


def _libraries(kind: str) -> list[str]:
    """The folders of Python's own and of what was imported. Not this package's: a data folder may lie beside it."""
    packages = [os.path.dirname(str(sys.modules[name].__file__)) for name in KINDS[kind].libraries]
    return sorted({os.path.dirname(os.__file__), *(os.path.dirname(package) for package in packages)})


def _silence() -> None:
    """What libraries print isn't ours to tell."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    os.close(nothing)


def prepare(kind: str) -> None:
    """Import what it takes, and nothing else."""
    if kind == "parquet":
        from s3gw.previews import tables

        tables.prepare()
    elif kind == "pdf":
        from s3gw.previews import documents

        documents.prepare()
    elif kind in _VIDEOS:
        from s3gw.previews import videos

        videos.prepare()
    else:
        from s3gw.previews import pictures

        pictures.prepare()


def make(source: IO[bytes], kind: str, recipe: str, pixels: int) -> tuple[bytes, bytes]:
    made = _made(source, kind, recipe, pixels)
    if len(made.data) > LARGEST_RESULT:
        raise Refused("too_much_output")
    assert made.kind in (*KINDS, HEAD.name)
    return json.dumps({"kind": made.kind, "width": made.width, "height": made.height}).encode(), made.data


def _made(source: IO[bytes], kind: str, recipe: str, pixels: int) -> Made:
    if recipe == TABLE:
        from s3gw.previews import tables

        return tables.head(source)
    from s3gw.previews import pictures

    if recipe == OPTIMIZE:
        return pictures.optimized(source, kind, pixels)
    if kind == "pdf":
        from s3gw.previews import documents

        page = page_of(recipe)
        return documents.thumbnail(source, int(recipe) if page is None else PAGE_SIZE, page or 1)
    if kind in _VIDEOS:
        from s3gw.previews import videos

        return videos.thumbnail(source, kind, int(recipe), pixels)
    return pictures.thumbnail(source, kind, int(recipe), pixels)


if __name__ == "__main__":
    main()
