"""A frame of a video by PyAV, within the child: of a tenth of its length, as most begin with black.

The container's format is told, and not guessed: among those that are guessed are lists of other files to be opened.
"""

from __future__ import annotations

from typing import IO, Any

import av
from av.video.frame import VideoFrame
from PIL import Image

from s3gw.previews import pictures
from s3gw.previews.limits import Refused
from s3gw.previews.pictures import Made

_TURNS = {90: 8, 180: 3, 270: 6}  # to the left, as EXIF's orientations


def prepare() -> None:
    pictures.prepare()
    av.logging.set_level(None)


def thumbnail(source: IO[bytes], kind: str, size: int, pixels: int) -> Made:
    source.seek(0)
    try:
        with av.open(source, mode="r", format=kind, metadata_errors="ignore") as container:
            frame = _frame(container, pixels)
            image: Image.Image = frame.to_image(threads=1)  # type: ignore[no-untyped-call]
            turn = round(getattr(frame, "rotation", 0)) % 360
    except (av.FFmpegError, EOFError, UnicodeError, ValueError):
        raise Refused("broken") from None
    if turn in _TURNS:
        image.getexif()[0x0112] = _TURNS[turn]
    return pictures.finished(image, size)


def _frame(container: Any, pixels: int) -> VideoFrame:
    if not container.streams.video:
        raise Refused("empty")
    stream = container.streams.video[0]
    context = stream.codec_context
    if context.width * context.height > pixels:
        raise Refused("too_many_pixels")
    context.options = {"max_pixels": str(pixels)}
    context.thread_count, context.thread_type = 1, "NONE"
    for place in _places(container.duration):
        try:
            if place:
                container.seek(place)
            found = _first(container, stream)
        except av.FFmpegError:
            found = None
        if found is not None:
            return found
    raise Refused("broken")


def _places(duration: int | None) -> tuple[int, ...]:
    return (duration // 10, 0) if duration is not None and duration > 0 else (0,)


def _first(container: Any, stream: Any) -> VideoFrame | None:
    for packet in container.demux(stream):
        for frame in packet.decode():
            found: VideoFrame = frame
            return found
    return None
