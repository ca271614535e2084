"""Markdown as HTML that can't act, made by a process of its own, since the time of parsing grows faster than some texts
do, and other requests shouldn't wait for it. HTML in it is shown as text, links lead to the web or to mail and nowhere
else, and of pictures there is what they are called.

`python -I -B -m s3gw.previews.markdown`: the text at its standard input, the HTML at its standard output.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from markdown_it.token import Token

LARGEST = 64 << 10  # characters
_LARGEST_RESULT = 1 << 20  # bytes
_DEEPEST = 20  # blocks and brackets within each other
_SECONDS = 2.0  # of CPU
_PATIENCE = 4.0  # seconds by the clock
_MEMORY = 512 << 20
_SCHEMES = ("http", "https", "mailto")
_turns = asyncio.Semaphore(2)
_CHILD = (sys.executable, "-I", "-B", "-m", "s3gw.previews.markdown")


async def html_of(text: str) -> str | None:
    """None where it is too much work. Two at a time in a process; others wait for their turn."""
    async with _turns:
        return await _html_of(text)


async def _html_of(text: str) -> str | None:
    process = await asyncio.create_subprocess_exec(
        *_CHILD, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}, start_new_session=True
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            said, _ = await process.communicate(text.encode("utf-8", "replace"))
    except TimeoutError:
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    return said.decode() if process.returncode == 0 and len(said) <= _LARGEST_RESULT else None


def rendered(text: str) -> str:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST}).enable(["table", "strikethrough"])
    tokens = parser.parse(text)
    for token in tokens:
        _make_harmless(token)
        token.children = None if token.children is None else list(_harmless(token.children))
    html: str = parser.renderer.render(tokens, parser.options, {})
    return html


def _make_harmless(token: Token) -> None:
    """No styles, which the page's policy forbids; a class says how a column stands."""
    style = str(token.attrs.pop("style", ""))
    if style:
        token.attrs["class"] = style.rpartition(":")[2].strip()


def _harmless(tokens: list[Token]) -> Iterator[Token]:
    """Of what is in a line."""
    from markdown_it.token import Token

    is_link = False
    for token in tokens:
        if token.type == "image":
            yield Token("text", "", 0, content=f"[{token.content}]")
        elif token.type == "link_open":
            is_link = _leads_out(str(token.attrs.get("href", "")))
            if is_link:
                token.attrs |= {"rel": "noopener noreferrer nofollow", "target": "_blank"}
                yield token
        elif token.type != "link_close" or is_link:
            yield token


def _leads_out(address: str) -> bool:
    try:
        return urlsplit(address).scheme in _SCHEMES
    except ValueError:
        return False


def main() -> None:
    import markdown_it  # noqa: F401  (while modules can still be opened)

    from s3gw.previews.isolation import limit

    limit(_MEMORY, _SECONDS)
    text = sys.stdin.buffer.read().decode()
    sys.stdout.buffer.write(rendered(text).encode("utf-8", "replace"))
    sys.stdout.buffer.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
