"""Pictures by Pillow, within the child: a thumbnail or an optimized one. Colors become sRGB, the picture stands as it
was taken, and nothing that isn't seen comes along. Of what is animated a thumbnail shows the first frame.
"""

from __future__ import annotations

import io
from typing import IO, Any, NamedTuple

from PIL import AvifImagePlugin, Image, ImageCms, ImageFile
from PIL import WebPImagePlugin as WebPImagePlugin  # or the first WebP would have all formats loaded

from s3gw.previews.limits import Refused

_FORMATS = {"jpeg": ("JPEG", "MPO"), "png": ("PNG",), "gif": ("GIF",), "webp": ("WEBP",), "avif": ("AVIF",)}
_SAVED: dict[str, dict[str, Any]] = {
    "jpeg": {"format": "JPEG", "quality": 85, "optimize": True, "progressive": True},
    "png": {"format": "PNG", "optimize": True},
    "gif": {"format": "GIF", "optimize": True},
    "webp": {"format": "WEBP", "quality": 80, "method": 4},
    "avif": {"format": "AVIF", "quality": 75, "speed": 8, "max_threads": 1},
}
_DIRECT = ("L", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "LA")  # modes that are made smaller as they are
_IN_ONE_PASS = 16_000_000  # pixels from which on a JPEG isn't kept whole in memory to be written better
_GAP = 3.0  # how much larger than the thumbnail the picture is first made roughly


class Made(NamedTuple):
    kind: str
    width: int
    height: int
    data: bytes


def prepare() -> None:
    """What would be loaded later. The size of a picture is limited by thumbnail and optimize themselves."""
    Image.MAX_IMAGE_PIXELS = None
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def thumbnail(source: IO[bytes], kind: str, size: int, pixels: int) -> Made:
    image = _open(source, kind, pixels)
    if kind == "jpeg":
        image.draft(image.mode, (2 * size, 2 * size))  # decoded at a half, a quarter or an eighth
    image.load()
    return finished(image, size)


def finished(image: Image.Image, size: int) -> Made:
    """A thumbnail of what was decoded."""
    profile, exif = image.info.get("icc_profile"), image.getexif()
    if image.mode not in _DIRECT:
        image = _plain(image)
    image.thumbnail((size, size), Image.Resampling.LANCZOS, reducing_gap=_GAP)
    return _saved(_upright(_in_srgb(image, profile), exif), "webp", {})


def optimized(source: IO[bytes], kind: str, pixels: int) -> Made:
    """Raises Refused for what would lose more than is seen."""
    opened = _open(source, kind, pixels)
    image: Image.Image = opened
    if kind != "jpeg" and getattr(image, "is_animated", False):
        raise Refused("animated")
    if kind == "png" and image.mode != "I;16" and any(";16" in str(tile.args) for tile in opened.tile):
        raise Refused("deep")
    options: dict[str, Any] = {"lossless": True} if kind == "webp" and _is_lossless(source) else {}
    image.load()
    profile, exif = image.info.get("icc_profile"), image.getexif()
    transparency = image.info.get("transparency")
    if profile is not None and image.mode != "I;16":
        if image.mode not in _DIRECT:
            image = _plain(image)
        image = _in_srgb(image, profile)
    if kind == "jpeg":
        image = image if image.mode in ("L", "RGB") else image.convert("RGB")
        if image.width * image.height > _IN_ONE_PASS:
            options = {"optimize": False, "progressive": False}
    image = _upright(image, exif)
    if transparency is not None and image.mode in ("P", "L", "RGB", "1"):
        options["transparency"] = transparency
    return _saved(image, kind, options)


def _open(source: IO[bytes], kind: str, pixels: int) -> ImageFile.ImageFile:
    source.seek(0)
    if kind == "webp" and _canvas(source.read(30)) > pixels:  # opening one takes the memory of all of it
        raise Refused("too_many_pixels")
    image = Image.open(source, formats=_FORMATS[kind])
    width, height = image.size
    if width * height > pixels:
        raise Refused("too_many_pixels")
    return image


def _canvas(head: bytes) -> int:
    """Pixels of a WebP, as its first chunk says (RFC 9649, 2.5 to 2.7); 0 of one that isn't whole."""
    if len(head) < 30:
        return 0
    if head[12:16] == b"VP8X":
        return (int.from_bytes(head[24:27], "little") + 1) * (int.from_bytes(head[27:30], "little") + 1)
    if head[12:16] == b"VP8L":
        sides = int.from_bytes(head[21:25], "little")
        return ((sides & 0x3FFF) + 1) * ((sides >> 14 & 0x3FFF) + 1)
    return (int.from_bytes(head[26:28], "little") & 0x3FFF) * (int.from_bytes(head[28:30], "little") & 0x3FFF)


def _plain(image: Image.Image) -> Image.Image:
    """With 8 bits for a color and no palette."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode == "1":
        return image.convert("L")
    has_alpha = "transparency" in image.info or "A" in image.mode.upper()
    return image.convert("RGBA" if has_alpha else "RGB")


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """A profile that can't be used, or is another kind of picture's, doesn't count."""
    has_alpha = image.mode in ("RGBA", "LA")
    if profile is not None:
        try:
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if image.mode == "LA":
                image = image.convert("RGBA")
            made = ImageCms.profileToProfile(
                image, given, ImageCms.createProfile("sRGB"), outputMode="RGBA" if has_alpha else "RGB"
            )
            if made is not None:
                return made
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return image.convert("RGBA" if has_alpha else "RGB") if image.mode not in ("L", "RGB", "RGBA") else image


def _upright(image: Image.Image, exif: Image.Exif) -> Image.Image:
    orientation = exif.get(0x0112)
    return _TURNED[orientation](image) if orientation in _TURNED else image


_TURNED = {
    number: (lambda image, how=how: image.transpose(how))
    for number, how in {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.items()
}


def _saved(image: Image.Image, kind: str, options: dict[str, Any]) -> Made:
    image.info = {}  # some formats would write what the picture came with
    if kind == "webp" and image.mode not in ("RGB", "RGBA"):
        image = image.convert("RGB")
    to = io.BytesIO()
    try:
        image.save(to, **_SAVED[kind] | options)
    except OSError:  # encoders don't say so
        raise MemoryError from None
    return Made(kind, image.width, image.height, to.getvalue())


def _is_lossless(source: IO[bytes]) -> bool:
    """VP8L, as one of the first chunks of a WebP."""
    source.seek(0)
    return b"VP8L" in source.read(64)
