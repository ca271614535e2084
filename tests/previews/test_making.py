"""Real pictures in odd forms each have their preview, or a clear refusal, from a child process that may do next to
nothing; one that does something else has made nothing.
"""

from __future__ import annotations

import ast
import ctypes
import os
import socket
import sys
import tempfile

import pytest

from s3gw.previews import making
from s3gw.previews.kinds import kind_of, made_of
from s3gw.previews.limits import LARGEST_RESULT, Limits, Refused
from s3gw.previews.making import Preview, TookTooLong, make
from s3gw.previews.recipes import OPTIMIZE
from tests.previews.odd_files import NAMES, PLAYLIST, SVG, bomb, encoded, halves, odd, opened, png
from tests.test_architecture import FILES, matches, name_of, parse

pytestmark = pytest.mark.anyio
LIMITS = Limits(1 << 30, 100_000_000, 1 << 30, 20)
LEAST = 130 << 20  # bytes of memory with which Pillow is loaded and makes a small one
RED, BLUE = (254, 0, 0), (0, 0, 254)


async def made(data: bytes, recipe: str = "128", limits: Limits = LIMITS) -> Preview:
    kind = kind_of(data[:64])
    assert kind is not None
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return await make(file, kind, recipe, limits)


async def outcome(data: bytes, recipe: str = "128", limits: Limits = LIMITS) -> object:
    """Type and size, or the reason of the refusal."""
    try:
        found = await made(data, recipe, limits)
    except Refused as refused:
        return refused.reason
    image = opened(found.data)
    assert image.size == (found.width, found.height) and image.get_format_mimetype() == found.type  # type: ignore[attr-defined]
    return found.type, *image.size


def is_near(found: object, wanted: tuple[int, ...], by: int = 12) -> bool:
    assert isinstance(found, tuple)
    return all(abs(one - other) <= by for one, other in zip(found, wanted, strict=True))


_THUMBNAILS = {
    "rgb.jpg": ("image/webp", 128, 85),
    "cmyk.jpg": ("image/webp", 128, 85),
    "turned.jpg": ("image/webp", 85, 128),
    "told.jpg": ("image/webp", 128, 85),
    "truncated.jpg": "broken",
    "16-bit.png": ("image/webp", 100, 50),
    "16-bit-rgb.png": ("image/webp", 10, 10),
    "palette.png": ("image/webp", 128, 85),
    "black-and-white.png": ("image/webp", 128, 85),
    "transparent.png": ("image/webp", 80, 80),
    "wide-gamut.png": ("image/webp", 40, 40),
    "animated.gif": ("image/webp", 60, 40),
    "animated.webp": ("image/webp", 60, 40),
    "rgb.webp": ("image/webp", 128, 85),
    "rgb.avif": ("image/webp", 128, 85),
    "declared.png": "too_many_pixels",
    "page.pdf": ("image/webp", 64, 128),
    "nonsense.pdf": "broken",
    "video.mp4": ("image/webp", 128, 96),
    "video.webm": ("image/webp", 128, 96),
    "turned.mp4": ("image/webp", 96, 128),
    "declared.webp": "too_many_pixels",
    "nonsense.mp4": "broken",
}


@pytest.mark.parametrize("name", NAMES)
async def test_each_odd_file_has_its_thumbnail_or_its_refusal(name: str) -> None:
    assert await outcome(odd(name)) == _THUMBNAILS[name]


_OPTIMIZED = {
    "told.jpg": ("image/jpeg", 300, 200),
    "turned.jpg": ("image/jpeg", 200, 300),
    "palette.png": ("image/png", 300, 200),
    "16-bit-rgb.png": "deep",
    "rgb.avif": ("image/avif", 300, 200),
    "animated.gif": "animated",
    "animated.webp": "animated",
}


@pytest.mark.parametrize("name", _OPTIMIZED)
async def test_what_is_optimized_keeps_its_format_and_what_it_would_lose_is_refused(name: str) -> None:
    assert await outcome(odd(name), OPTIMIZE) == _OPTIMIZED[name]


async def test_an_optimized_picture_tells_nothing_but_what_is_seen() -> None:
    assert b"SecretCamera" in odd("told.jpg") and b"SecretComment" in odd("told.jpg")
    found = await made(odd("told.jpg"), OPTIMIZE)
    assert b"Secret" not in found.data and is_near(opened(found.data).getpixel((50, 50)), RED)


async def test_a_picture_stands_as_it_was_taken() -> None:
    for name in ("turned.jpg", "turned.mp4"):
        found = opened((await made(odd(name))).data)
        assert is_near(found.getpixel((40, 10)), RED) and is_near(found.getpixel((40, 120)), BLUE)


async def test_colors_are_those_of_the_profile() -> None:
    found = opened((await made(odd("wide-gamut.png"))).data)
    assert is_near(found.getpixel((20, 20)), (0, 255, 0)) and "icc_profile" not in found.info


async def test_sixteen_bits_become_eight_and_what_is_transparent_stays_so() -> None:
    gray = opened((await made(odd("16-bit.png"))).data)
    assert abs(int(gray.convert("L").getpixel((5, 5))) - 128) < 4  # type: ignore[arg-type]
    clear = opened((await made(odd("transparent.png"))).data)
    assert clear.mode == "RGBA" and clear.getpixel((5, 5))[3] == 0  # type: ignore[index]


async def test_a_video_shows_no_black_first_frame() -> None:
    assert is_near(opened((await made(odd("video.mp4"))).data).getpixel((60, 40)), (200, 40, 40), 40)


async def test_what_is_no_picture_has_no_decoder() -> None:
    """A playlist would have others opened, and SVG is a program."""
    for data in (SVG, PLAYLIST, b"<?xml?>" + SVG, b"", b"hello", b"RIFF\0\0\0\0WAVEfmt ", b"\0\0\0\x18ftypM4A "):
        assert kind_of(data[:64]) is None
    heic = b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"
    assert kind_of(heic) is None and kind_of(heic.replace(b"heic", b"avif")) is not None


@pytest.mark.soak
def test_only_the_child_loads_a_decoder() -> None:
    """So all else goes on where none is installed."""
    decoders = tuple(f"s3gw.previews.{name}" for name in ("pictures", "documents", "videos"))
    for path in (path for path in FILES if name_of(path) not in decoders):
        loaded = [node for node in parse(path).body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {f"{getattr(node, 'module', '')}.{alias.name}".strip(".") for node in loaded for alias in node.names}
        assert not [name for name in names if matches(name, (*decoders, "PIL", "av", "pypdfium2"))], path


def test_documents_and_videos_are_not_optimized() -> None:
    kinds = [kind_of(odd(name)[:64]) for name in ("page.pdf", "video.mp4", "rgb.jpg")]
    assert [kind is not None and made_of(kind, OPTIMIZE) is not None for kind in kinds] == [False, False, True]


async def test_as_many_pixels_as_may_be_are_decoded_and_one_more_is_not() -> None:
    limits = LIMITS._replace(pixels=400)
    assert await outcome(bomb(20, 20), limits=limits) == ("image/webp", 20, 20)
    for large in (bomb(401, 1), *(encoded(halves(401, 1), "WEBP", lossless=lossless) for lossless in (True, False))):
        assert await outcome(large, limits=limits) == "too_many_pixels"
    assert await outcome(encoded(halves(20, 20), "WEBP", lossless=True), limits=limits) == ("image/webp", 20, 20)
    assert await outcome(odd("video.mp4"), limits=limits) == "too_many_pixels"


async def test_what_takes_too_much_memory_is_refused() -> None:
    large, limits = png(6000, 6000, 8, 6, b"x"), LIMITS._replace(memory=LEAST)  # 144 MB as pixels
    assert await outcome(odd("rgb.jpg"), limits=limits) == ("image/webp", 128, 85)
    assert await outcome(large, limits=limits) == "too_much_memory"


@pytest.mark.soak
async def test_a_bomb_of_as_many_pixels_as_may_be_is_made_small() -> None:
    assert await outcome(bomb(10_000, 10_000)) == ("image/webp", 128, 128)
    assert await outcome(bomb(10_000, 10_000), limits=LIMITS._replace(memory=400 << 20)) == "too_much_memory"
    assert await outcome(bomb(10_000, 10_001)) == "too_many_pixels"


def acting(monkeypatch: pytest.MonkeyPatch, make: str) -> None:
    """Have the child do something else where it is to make a preview."""
    code = f"from s3gw.previews import child\n{make}\nchild.make = make\nchild.main()"
    monkeypatch.setattr(making, "CHILD", (sys.executable, "-I", "-B", "-c", code))


_WEBP, _TOLD = b"RIFF\0\0\0\0WEBP", '{"kind": "webp", "width": 1, "height": 65536}'


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        ("make = lambda *given: (b'{}', bytes(1 << 34))", "too_much_memory"),
        (f"make = lambda *given: (b'{{}}', bytes({LARGEST_RESULT + 2000}))", "too_much_output"),
        ("make = lambda *given: __import__('os')._exit(3)", "crashed"),
        ("make = lambda *given: __import__('os').abort()", "crashed"),
        ('make = lambda *given: (b\'{"kind": "webp", "width": 1, "height": 1}\', b\'<script>\')', "crashed"),
        ("make = lambda *given: (b'[[[[', b'')", "crashed"),
        ("make = lambda *given: (b'{\"refused\": \"whatever\"}', b'')", "crashed"),
        ("make = lambda *given: (b'{\"refused\": [1]}', b'')", "crashed"),
        ("make = lambda *given: (b'[]', b'')", "crashed"),
        (f"make = lambda *given: (b'{_TOLD}', {_WEBP!r})", "crashed"),
        (f"make = lambda *given: (b'{_TOLD.replace('65536', '9' + ' ' * 1000)}', {_WEBP!r})", "crashed"),
    ],
)
async def test_a_child_that_does_something_else_has_made_nothing(
    make: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting(monkeypatch, make)
    assert await outcome(odd("rgb.jpg")) == reason


async def test_a_child_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "CHILD", (sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"))
    with pytest.raises(TookTooLong):
        await made(odd("rgb.jpg"), limits=LIMITS._replace(seconds=0.05))


@pytest.mark.soak
async def test_a_child_that_computes_for_ever_is_ended_by_its_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    acting(monkeypatch, "def make(*given):\n    while True: pass")
    assert await outcome(odd("rgb.jpg"), limits=LIMITS._replace(seconds=1)) == "too_slow"


_TRIES = """
import ctypes, os, resource, socket
from s3gw.previews.limits import Refused

def opens(): open("/etc/hostname")
def writes(): open("written", "w").write("x")
def lists(): os.listdir("/")
def connects(): socket.create_connection(("127.0.0.1", {port}), 1)
def signals(): os.kill({parent}, 0)
def runs(): os.execv("/bin/true", ["true"])

def make(*given):
    did = []
    for act in (opens, writes, lists, connects, signals, runs):
        try:
            act()
        except OSError:
            continue
        did.append(act.__name__)
    names = "AS CORE CPU FSIZE NOFILE NPROC".split()
    found = [resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in names]
    wanted = [(1 << 30,) * 2, (0, 0), (20, 21), (0, 0), (64, 64), (0, 0)]
    raise Refused("protected" if not did and found == wanted and dict(os.environ).keys() <= {{"LC_CTYPE"}} else "deep")
"""


def _has_landlock() -> bool:
    return bool(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) >= 6)


async def test_a_child_can_neither_see_nor_reach_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    if not _has_landlock():
        pytest.skip("this kernel has no Landlock, or an old one")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        acting(monkeypatch, _TRIES.format(port=listener.getsockname()[1], parent=os.getpid()))
        assert await outcome(odd("rgb.jpg")) == "protected"


# Root may start as many threads as it likes, so the child is somebody else, from whom Python's own files may be hidden.
_AS_NOBODY = """
import copy, os
import PIL.MpoImagePlugin, PIL.TiffImagePlugin
import av.subtitles.stream
from s3gw.previews import isolation

def leave_root(libraries):
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)

isolation._on_linux = lambda: None
child.close_the_disk = leave_root
make = child.make
"""


@pytest.mark.skipif(os.getuid() != 0, reason="whoever isn't root is limited anyway")
@pytest.mark.parametrize("name", ["rgb.jpg", "rgb.avif", "animated.webp", "page.pdf", "video.mp4", "video.webm"])
async def test_no_decoder_needs_a_second_thread(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    acting(monkeypatch, _AS_NOBODY)
    assert await outcome(odd(name)) == _THUMBNAILS[name]


@pytest.mark.skipif(os.getuid() != 0, reason="whoever isn't root is limited anyway")
async def test_nobody_but_root_starts_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    acting(monkeypatch, f"{_AS_NOBODY}\nmake = lambda *given: os.fork()")
    assert await outcome(odd("rgb.jpg")) == "broken"
