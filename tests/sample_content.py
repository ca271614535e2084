"""A server with what a small company would have in it, for pictures of the console: people, buckets, files, jobs,
a few days of history. Nothing here is random, so that two pictures differ where the console does.
"""

from __future__ import annotations

import asyncio
import math
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import boto3
import httpx
from sqlalchemy import delete, insert

from s3gw.metadata import samples, schema
from s3gw.metadata.database import Connection
from s3gw.metadata.engines import open_database
from s3gw.metadata.samples import Answered, Stored
from s3gw.metrics.counted import SECONDS
from tests.servers import ROOT_KEY, RunningServer

ADMIN, PASSWORD = "admin", "correct horse battery"
SETTINGS = {"S3GW_ROOT_PASSWORD": PASSWORD, "S3GW_ROOT_EMAIL": "admin@example.com", "S3GW_ACCESS_LOG": "false"}
PEOPLE = (("alice", "user"), ("bob", "user"), ("carol", "auditor"), ("dave", "user"))
BUCKETS: dict[str, tuple[int | None, dict[str, int]]] = {
    "backups": (20 << 20, {f"laptop-{day}/home.tar.zst": 900_000 for day in ("mon", "tue", "wed")}),
    "datasets": (None, {"taxi/2026-09.parquet": 800_000, "taxi/2026-10.parquet": 860_000, "readme.md": 900}),
    "photos": (
        5 << 20,
        {f"2026/summer/IMG_{number:04}.png": 60_000 for number in range(4101, 4113)}
        | {"2026/plan.pdf": 90_000, "2026/notes.md": 1400, "cover.png": 120_000, "list.csv": 24_000},
    ),
    "website": (None, {"index.html": 4200, "style.css": 1900, "logo.svg": 800}),
}
_SECOND = 1_000_000


def fill(server: RunningServer) -> str:
    """Its admin's access token."""
    api = httpx.Client(base_url=f"{server.admin}/api/v1", timeout=60)
    token = api.post("/users/login", json={"username": ADMIN, "password": PASSWORD}).json()["access_token"]
    api.headers["Authorization"] = f"Bearer {token}"
    for name, role in PEOPLE:
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD, "role": role}
        api.post("/users", json=body).raise_for_status()
    _buckets(server, api)
    group = api.post("/groups", json={"name": "editors"}).json()["id"]
    member = {"username": "erin", "email": "erin@example.com", "password": PASSWORD}
    member["owner_id"] = api.get("/users/me").json()["id"]
    api.put(f"/groups/{group}/members/{api.post('/users', json=member).json()['id']}").raise_for_status()
    api.post("/invitations", json={"email": "frank@example.com"}).raise_for_status()
    target = {"name": "thumbnails", "url": "https://hooks.example.com/s3"}
    api.post("/event-targets", json=target).raise_for_status()
    api.put("/schedules/scrub", json={"cron": "30 3 * * SUN", "time_zone": "Europe/Berlin"}).raise_for_status()
    return str(token)


def _buckets(server: RunningServer, api: httpx.Client) -> None:
    s3 = boto3.client(
        "s3",
        endpoint_url=server.s3,
        aws_access_key_id=ROOT_KEY[0],
        aws_secret_access_key=ROOT_KEY[1],
        region_name="us-east-1",
    )
    for bucket, (quota, files) in BUCKETS.items():
        api.post("/buckets", json={"name": bucket, "storage_quota": quota}).raise_for_status()
        for number, (key, size) in enumerate(files.items()):
            s3.put_object(Bucket=bucket, Key=key, **_object(key, size, number))


def _object(key: str, size: int, number: int) -> dict[str, Any]:
    kinds = {"png": "image/png", "md": "text/markdown", "csv": "text/csv", "pdf": "application/pdf"}
    kinds |= {"html": "text/html", "css": "text/css", "svg": "image/svg+xml"}
    kind = kinds.get(key.rpartition(".")[2], "application/octet-stream")
    body = picture(number) if kind == "image/png" else _text(key, size)
    return {"Body": body, "ContentType": kind}


def _text(key: str, size: int) -> bytes:
    line = f"{key}: what is in this file is for the picture only.\n".encode()
    return (line * (size // len(line) + 1))[:size]


def picture(number: int, width: int = 240, height: int = 160) -> bytes:
    """A PNG of hills under a sky, another one for each number."""
    hills = [
        height * (0.55 + 0.15 * math.sin((x + 45 * number) / 35) + 0.05 * math.sin(x / 9 + number))
        for x in range(width)
    ]
    rows = bytearray()
    for y in range(height):
        sky = bytes((150 + y // 2, 190 + y // 3, 235))
        ground = bytes((60 + y // 3, 120 - number * 4 + y // 4, 70 + number * 6))
        rows += b"\0" + b"".join(sky if y < hill else ground for hill in hills)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b""))
    packed = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
              for kind, data in chunks)  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def history(conn: Connection) -> None:
    """As if the server had worked for the last days: for the charts."""
    now = time.time_ns() // 1000
    conn.execute(delete(schema.samples))
    for span, count in ((samples.MINUTE, 60), (samples.TEN_MINUTES, 144), (samples.HOUR, 24 * 30)):
        for number in range(count, 0, -1):
            at = now - now % (span * _SECOND) - number * span * _SECOND
            conn.execute(insert(schema.samples).values(_row(span, at, number)))
    logical = samples.counted(conn).logical or 0
    samples.add(conn, {}, Stored(None, None, int(logical * 0.71), int(logical * 0.55)))


def _row(span: int, at: int, number: int) -> dict[str, Any]:
    hour = at / 3600 / _SECOND % 24
    busy = 1.4 + math.sin((hour - 9) / 24 * 2 * math.pi) + 0.25 * math.sin(number * 1.7)
    requests = int(span * 3 * busy)
    shares = [0.02, 0.3, 0.65, 0.85, 0.93, 0.97, 0.985, 0.995, 1.0]
    within = tuple(int(requests * share) for share in shares) + (requests,) * (len(SECONDS) + 1 - len(shares))
    failed = 3 if number % 17 == 0 else 0
    answered = Answered(requests, requests // 40, failed, 0, requests * 21_000, requests * 64_000, within)
    logical = max(1_000_000, 4_400_000 - number * span * (1 if span < samples.HOUR else 2))
    stored = {"objects": 34, "logical": logical, "physical": int(logical * 0.71), "exclusive": int(logical * 0.55)}
    return {"span": span, "at": at, "document": samples._written({"s3": answered}), **stored}


def write_history(server: RunningServer) -> None:
    async def write(path: Path) -> None:
        database = open_database(None, path)
        try:
            await database.write(history)
        finally:
            await database.close()

    asyncio.run(write(server.data))
