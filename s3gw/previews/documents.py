"""A page of a PDF by pypdfium2, within the child."""

from __future__ import annotations

from typing import IO

import pypdfium2

from s3gw.previews import pictures
from s3gw.previews.limits import Refused
from s3gw.previews.pictures import Made

_PASSWORD = 4  # FPDF_ERR_PASSWORD
_LEAST = 1e-3  # points of a side


def prepare() -> None:
    pictures.prepare()


def thumbnail(source: IO[bytes], size: int, number: int = 1) -> Made:
    """Page `number`, from 1. Drawn at the size that it will have, whatever the page's own: so it needs no limit."""
    source.seek(0)
    try:
        document = pypdfium2.PdfDocument(source)
        if len(document) == 0:
            raise Refused("empty")
        if number > len(document):
            raise Refused("no_page")
        page = document[number - 1]
        width, height = page.get_size()
        if not (_LEAST < width < float("inf") and _LEAST < height < float("inf")):
            raise Refused("broken")
        scale = min(size / max(width, height), size)
        if min(width, height) * scale < 1:  # a line
            raise Refused("broken")
        image = page.render(scale=scale, may_draw_forms=False).to_pil()
    except pypdfium2.PdfiumError as error:
        raise Refused("protected" if getattr(error, "err_code", None) == _PASSWORD else "broken") from None
    return pictures.finished(image, size)
