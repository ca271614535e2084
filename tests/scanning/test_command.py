"""A command that scans: what its status means, and that none outlives its question."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from s3gw.scanning.command import Command
from s3gw.scanning.scanner import LONGEST_NAME, Found, ScanFailed, ScannerDown
from s3gw.scanning.setting import check_scanner, words_of
from tests.scanning.test_clamd import endless, pieces

pytestmark = pytest.mark.anyio


def shell(script: str, patience: float = 10.0) -> Command:
    return Command(("sh", "-c", script), patience)


async def test_its_status_says_whether_it_is_clean() -> None:
    script = "if grep -q bad; then echo Bad; echo more; exit 1; fi"
    assert await shell(script).scan(pieces(b"hello")) == Found(None)
    assert await shell(script).scan(pieces(b"he b", b"ad")) == Found("Bad")
    assert await shell("exit 1").scan(pieces(b"hello")) == Found("?")


@pytest.mark.parametrize("script", ["exit 2", "exit 127", "kill -9 $$"])
async def test_any_other_status_is_a_failure(script: str) -> None:
    with pytest.raises(ScanFailed):
        await shell(script).scan(pieces(b"hello"))


async def test_it_need_not_read_to_the_end_and_may_say_a_lot() -> None:
    assert await shell("echo Bad; exit 1").scan(endless()) == Found("Bad")
    found = await shell("head -c 1000000 /dev/zero | tr '\\0' x; exit 1").scan(pieces(b"hello"))
    assert found == Found("x" * LONGEST_NAME)


async def test_of_what_it_says_4096_bytes_are_looked_at() -> None:
    """The rest is thrown away, and keeps it from nothing."""
    said = "head -c %d /dev/zero | tr '\\0' '\\n'; echo Bad; exit 1"
    assert await shell(said % 100).scan(pieces(b"hello")) == Found("?")  # only the first line counts
    assert await shell("printf Bad; head -c 1000000 /dev/zero; exit 1").scan(pieces(b"hello")) is not None


async def test_one_that_is_slow_is_ended_with_all_that_it_has_started(tmp_path: Path) -> None:
    script = f"sh -c 'sleep 1; touch {tmp_path}/still-there' & sleep 60"
    with pytest.raises(ScanFailed, match="said nothing"):
        await shell(script, 0.2).scan(pieces(b"hello"))
    await asyncio.sleep(1.2)
    assert not (tmp_path / "still-there").exists()


async def test_it_sees_nothing_of_our_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3GW_MASTER_KEY", "secret")
    assert await shell('[ -z "$S3GW_MASTER_KEY" ]').scan(pieces(b"hello")) == Found(None)


async def test_one_that_is_not_there_is_down(tmp_path: Path) -> None:
    for question in ("scan", "version"):
        missing = Command((f"{tmp_path}/none",), 1.0)
        with pytest.raises(ScannerDown):
            await (missing.version() if question == "version" else missing.scan(pieces(b"hello")))


async def test_what_can_not_be_read_is_no_answer_of_its() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"hello"
        raise RuntimeError("a bad block")

    with pytest.raises(RuntimeError, match="a bad block"):
        await shell("cat >/dev/null").scan(broken())


async def test_its_version_is_what_it_says_to_that_question(tmp_path: Path) -> None:
    program = tmp_path / "scanner"
    program.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Scanner 1/27000"\n')
    program.chmod(0o700)
    assert await Command((str(program), "--stdin"), 1.0).version() == "Scanner 1/27000"
    assert await Command(("false",), 1.0).version() in ("", "false (GNU coreutils) 9.1")


@pytest.mark.parametrize(
    ("policy", "clamd", "command"),
    [
        ("hold", None, None),
        ("off", "unix:/run/clamd", "scan"),
        ("off", "clamd", None),
        ("off", "unix:clamd", None),
        ("off", None, "'scan"),
        ("off", None, " "),
    ],
)
def test_settings_that_name_no_scanner_are_refused(policy: str, clamd: str | None, command: str | None) -> None:
    with pytest.raises(ValueError, match="S3GW_SCAN"):
        check_scanner(policy, clamd, command)


def test_a_command_is_quoted_as_for_a_shell() -> None:
    check_scanner("hold", None, "scan -")
    check_scanner("serve", "unix:/run/clamd.socket", None)
    assert words_of("scan 'a b' -") == ["scan", "a b", "-"]
