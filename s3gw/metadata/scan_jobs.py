"""SQL that has the jobs of virus scanning run, each at most once at a time."""

from __future__ import annotations

from s3gw.metadata import jobs, scans
from s3gw.metadata.database import Connection

_STEP = 1000


def ask_for_scans(conn: Connection) -> None:
    jobs.enqueue(conn, "scan", None, singleton="scan")


def ask_for_rescan(conn: Connection) -> None:
    jobs.enqueue(conn, "rescan", None, singleton="rescan")


def note_all(conn: Connection) -> None:
    """What is in all buckets where scanning is on."""
    jobs.enqueue(conn, "note_contents", None, singleton="note_contents")


def note_bucket(conn: Connection, bucket_id: int) -> None:
    jobs.enqueue(conn, "note_contents", {"bucket_id": bucket_id}, singleton=f"note_contents/{bucket_id}")


def begin(conn: Connection, policy: str, is_new: bool) -> None:
    """When the outbox's reader is registered: what was there before it, or before the server had it scanned."""
    if is_new or scans.remembered(conn, "policy") != policy:
        scans.remember(conn, "policy", policy)
        note_all(conn)


def run(conn: Connection) -> int:
    """Have tried again what couldn't be scanned or waits after an error (how much, up to a thousand), and looked at
    whether anything was left out.
    """
    again = scans.scan_again(conn, _STEP)
    note_all(conn)
    ask_for_rescan(conn)
    ask_for_scans(conn)
    return again
