"""What is asked of clamd, and what its answers mean: of a real one, and of ones that answer something else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from s3gw.scanning import clamd as clamd_module
from s3gw.scanning.clamd import Clamd
from s3gw.scanning.scanner import Found, ScanFailed, ScannerDown, TooLargeToScan
from tests.scanning.clamd import EICAR, STREAM_LIMIT, RunningClamd, running_clamd

pytestmark = pytest.mark.anyio
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningClamd]:
    with running_clamd(tmp_path_factory.mktemp("clamd") / "run") as found:
        yield found


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(65536)
        await asyncio.sleep(0)


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[Clamd]:
    """At 127.0.0.1."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Clamd(f"127.0.0.1:{port}", 1.0)


def saying(text: bytes, *, at_once: bool = False) -> Answer:
    """To who has sent all, or `at_once`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not at_once:
            await reader.readuntil(b"\0")
            while length := int.from_bytes(await reader.readexactly(4), "big"):
                await reader.readexactly(length)
        writer.write(text)
        await writer.drain()
        writer.close()

    return answer


async def test_a_real_one_finds_what_is_infected_wherever_it_is_cut(running: RunningClamd) -> None:
    clamd = Clamd(running.address, 10.0)
    assert (await clamd.version()).startswith("ClamAV ")
    assert await clamd.scan(pieces()) == Found(None)
    assert await clamd.scan(pieces(b"", b"hello", b"")) == Found(None)
    for cut in (1, 20, 67):
        assert await clamd.scan(pieces(EICAR[:cut], EICAR[cut:])) == Found("Test.Eicar.UNOFFICIAL")


@pytest.mark.parametrize("piece", [1, STREAM_LIMIT // 4, STREAM_LIMIT])
async def test_beyond_its_limit_a_real_one_says_so(running: RunningClamd, piece: int) -> None:
    clamd = Clamd(running.address, 10.0)
    assert await clamd.scan(pieces(bytes(STREAM_LIMIT))) == Found(None)
    for _ in range(5):  # it closes the connection while we are sending
        with pytest.raises(TooLargeToScan):
            await clamd.scan(pieces(bytes(STREAM_LIMIT), bytes(piece), *[bytes(65536)] * 20))


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (b"stream: OK\0", None),
        (b"stream: Bad FOUND\0", "Bad"),
        (b"stream:  FOUND\0", "?"),
        (b"stream: a\nb FOUND\0", "a?b"),
    ],
)
async def test_an_answer_says_what_was_found(said: bytes, found: str | None) -> None:
    async with answering(saying(said)) as clamd:
        assert await clamd.scan(pieces(b"hello")) == Found(found)


@pytest.mark.parametrize(
    "said",
    [b"", b"stream: OK", b"OK\0", b"\0", b"stream: \0", b"stream: OK ERROR\0", b"UNKNOWN COMMAND\0", b"x" * 5000],
)
async def test_what_does_not_say_that_it_is_clean_is_a_failure(said: bytes) -> None:
    async with answering(saying(said)) as clamd:
        with pytest.raises(ScanFailed):
            await clamd.scan(pieces(b"hello"))


async def test_one_that_says_ok_before_it_has_seen_all_is_not_believed() -> None:
    async with answering(saying(b"stream: OK\0", at_once=True)) as clamd:
        with pytest.raises(ScanFailed):
            await clamd.scan(endless())


async def test_what_it_did_not_look_at_for_its_limits_is_not_infected() -> None:
    async with answering(saying(b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0")) as clamd:
        with pytest.raises(TooLargeToScan, match="MaxFileSize"):
            await clamd.scan(pieces(b"hello"))


async def test_one_that_says_nothing_is_left_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clamd_module, "_PATIENCE", 0.05)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with answering(silent) as clamd:
        clamd._patience = 0.05
        with pytest.raises(ScanFailed, match=r"within 0\.05 seconds"):
            await clamd.scan(pieces(b"hello"))
        with pytest.raises(ScannerDown):
            await clamd.version()


async def test_where_nobody_listens_it_is_down(tmp_path: object) -> None:
    for address in ("127.0.0.1:1", f"unix:{tmp_path}/none"):
        for question in (Clamd(address, 1.0).version(), Clamd(address, 1.0).scan(pieces(b"hello"))):
            with pytest.raises(ScannerDown):
                await question


async def test_what_can_not_be_read_is_no_answer_of_its() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"hello"
        raise RuntimeError("a bad block")

    async with answering(saying(b"stream: OK\0")) as clamd:
        with pytest.raises(RuntimeError, match="a bad block"):
            await clamd.scan(broken())


@pytest.mark.parametrize("said", [b"\0", b"x" * 5000 + b"\0", b"ClamAV"])
async def test_one_that_does_not_say_its_version_is_down(said: bytes) -> None:
    async with answering(saying(said, at_once=True)) as clamd:
        with pytest.raises(ScannerDown):
            await clamd.version()
