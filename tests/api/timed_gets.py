"""GETs of one object by several clients, for so many seconds, and how long each took: a program of its own, so that
nothing that the test does meanwhile is measured with it.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from urllib.parse import urlsplit


def gets(url: str, end: float, took: list[float]) -> None:
    """One after the other on one connection."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    while (began_at := time.perf_counter()) < end:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        took.append(time.perf_counter() - began_at)
    connection.close()


def main() -> None:
    url, clients, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    took: list[float] = []
    end = time.perf_counter() + seconds
    threads = [threading.Thread(target=gets, args=(url, end, took)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(took))


if __name__ == "__main__":
    main()
