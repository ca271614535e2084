"""The bare server that ours is compared with: one uvicorn worker with an empty handler.

It reads what comes, checks and keeps nothing. A GET is answered with 4 KiB, or with what the key's first folder says.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
import uvloop

Message = MutableMapping[str, Any]
SIZES = {"64k": 64 << 10, "64m": 64 << 20}  # by the first folder of a key; of every other object
_SMALL = 4 << 10
PIECE = bytes(256 << 10)


async def answer(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    method = scope["method"]
    if method == "PUT":
        while (await receive()).get("more_body"):
            pass
    size = SIZES.get(scope["path"].split("/")[2], _SMALL) if method in ("GET", "HEAD") else 0
    headers = [(b"content-length", b"%d" % size), (b"etag", b'"00000000000000000000000000000000"')]
    status = 204 if method == "DELETE" else 200
    await send({"type": "http.response.start", "status": status, "headers": [] if status == 204 else headers})
    left = 0 if method == "HEAD" else size
    while left > len(PIECE):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        left -= len(PIECE)
    await send({"type": "http.response.body", "body": PIECE[:left], "more_body": False})


def main() -> None:
    config = uvicorn.Config(
        answer, host="127.0.0.1", port=int(sys.argv[1]), loop="none", http="httptools", ws="none", lifespan="off",
        interface="asgi3", access_log=False, log_level="warning", proxy_headers=False, timeout_keep_alive=120,
    )  # fmt: skip
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
