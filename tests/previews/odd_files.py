"""Pictures, a document and videos in odd forms, made when they are asked for."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import av
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageCms

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><script>alert(1)</script></svg>'
PLAYLIST = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    to = io.BytesIO()
    image.save(to, form, **options)
    return to.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def halves(width: int = 300, height: int = 200, mode: str = "RGB") -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), (255, 0, 0))
    image.paste((0, 0, 255), (width // 2, 0, width, height))
    return image.convert(mode)


def exif(orientation: int) -> Image.Exif:
    told = Image.Exif()
    told[0x0112], told[0x010F] = orientation, "SecretCamera"
    return told


def png(width: int, height: int, depth: int, color: int, rows: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def bomb(width: int, height: int, channels: int = 4) -> bytes:
    """A PNG of so many black pixels, in next to no bytes."""
    packer, row = zlib.compressobj(9), bytes(width * channels + 1)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return png(width, height, 8, {4: 6, 3: 2, 1: 0}[channels], rows)


def animated(form: str) -> bytes:
    frames = [Image.new("RGB", (60, 40), color) for color in ("red", "green", "blue")]
    return encoded(frames[0], form, save_all=True, append_images=frames[1:], duration=100, loop=0)


def _matrix(*values: int) -> bytes:
    return struct.pack(">9i", *(value << (30 if place % 3 == 2 else 16) for place, value in enumerate(values)))


def turned_video() -> bytes:
    """As a telephone that is held upright takes it: a quarter to the right, by the matrix of its track."""
    data = video("mp4", image=halves(160, 120))
    track = data.index(b"tkhd")
    place = data.index(_matrix(1, 0, 0, 0, 1, 0, 0, 0, 1), track)
    turn = _matrix(0, 1, 0, -1, 0, 0, 120, 0, 1)
    return data[:place] + turn + data[place + len(turn) :]


def large_canvas(width: int, height: int) -> bytes:
    """The head of a WebP, with nothing behind it."""
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunk = b"VP8X" + (10).to_bytes(4, "little") + bytes(4) + sides
    return b"RIFF" + (len(chunk) + 4).to_bytes(4, "little") + b"WEBP" + chunk + bytes(40)


def video(form: str, codec: str = "mpeg4", image: Image.Image | None = None) -> bytes:
    to = io.BytesIO()
    with av.open(to, "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(20):
            shown = image or Image.new("RGB", (160, 120), "black" if number < 1 else (200, 40, 40))
            container.mux(stream.encode(av.VideoFrame.from_image(shown)))
        container.mux(stream.encode())
    return to.getvalue()


def wide_gamut() -> bytes:
    """Of a profile whose red and green are the other way round, as if sRGB's primaries had been exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * profile[131], 12)}
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    profile[red + 4 : red + 12], profile[green + 4 : green + 12] = (
        profile[green + 4 : green + 12],
        profile[red + 4 : red + 12],
    )
    return encoded(Image.new("RGB", (40, 40), (255, 0, 0)), "PNG", icc_profile=bytes(profile))


def sixteen_bits() -> bytes:
    return encoded(Image.new("I;16", (100, 50), 32768), "PNG")


def with_text(image: Image.Image) -> bytes:
    return encoded(image, "JPEG", exif=exif(1), comment=b"SecretComment")


def table() -> bytes:
    to = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2], "name": ["<b>", None]}), to)
    return to.getvalue()


_MAKERS: dict[str, Callable[[], bytes]] = {
    "rgb.jpg": lambda: encoded(halves(), "JPEG"),
    "cmyk.jpg": lambda: encoded(halves(mode="CMYK"), "JPEG"),
    "turned.jpg": lambda: encoded(halves(), "JPEG", exif=exif(6)),
    "told.jpg": lambda: with_text(halves()),
    "truncated.jpg": lambda: encoded(halves(2000, 1500), "JPEG")[:8000],
    "16-bit.png": sixteen_bits,
    "16-bit-rgb.png": lambda: png(10, 10, 16, 2, zlib.compress((b"\0" + b"\x80\0" * 30) * 10)),
    "palette.png": lambda: encoded(halves().quantize(16), "PNG"),
    "black-and-white.png": lambda: encoded(halves(mode="1"), "PNG"),
    "transparent.png": lambda: encoded(Image.new("RGBA", (80, 80), (0, 255, 0, 0)), "PNG"),
    "wide-gamut.png": wide_gamut,
    "animated.gif": lambda: animated("GIF"),
    "animated.webp": lambda: animated("WEBP"),
    "rgb.webp": lambda: encoded(halves(), "WEBP"),
    "rgb.avif": lambda: encoded(halves(), "AVIF"),
    "declared.png": lambda: png(30_000, 30_000, 8, 6, zlib.compress(bytes(1000))),
    "page.pdf": lambda: encoded(halves(200, 400), "PDF"),
    "nonsense.pdf": lambda: b"%PDF-1.7 and nothing behind it",
    "video.mp4": lambda: video("mp4"),
    "video.webm": lambda: video("webm", "libvpx"),
    "turned.mp4": turned_video,
    "declared.webp": lambda: large_canvas(16_383, 16_383),
    "nonsense.mp4": lambda: b"\0\0\0\x18ftypisom" + bytes(100),
}
NAMES = tuple(_MAKERS)
_OTHERS: dict[str, Callable[[], bytes]] = {
    "pages.pdf": lambda: encoded(halves(200, 400), "PDF", save_all=True, append_images=[halves(400, 200)]),
    "table.parquet": table,
}


@cache
def odd(name: str) -> bytes:
    return (_MAKERS | _OTHERS)[name]()
