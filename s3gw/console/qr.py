"""A QR code of an address or of a second factor's secret, as SVG to put into a page."""

from __future__ import annotations

import segno
from markupsafe import Markup


def qr_code(text: str) -> Markup:
    """An <svg> without styles of its own, dark on a light ground in either theme, as cameras ask for.

    Raises segno.DataOverflowError for more than 2,331 bytes.
    """
    made = segno.make(text, micro=False, error="m")
    return Markup(made.svg_inline(omitsize=True, svgclass="qr", lineclass=None, dark="#000", light="#fff"))


def qr_code_if_it_fits(text: str) -> Markup | None:
    try:
        return qr_code(text)
    except segno.DataOverflowError:
        return None
