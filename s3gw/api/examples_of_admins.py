"""Examples of what only admins and auditors are shown; examples.py has the others."""

from __future__ import annotations

from typing import Any

_AT = "2026-11-27T09:30:00Z"
_ANSWERED: dict[str, Any] = {
    "requests": 48_211,
    "refused": 312,
    "failed": 2,
    "aborted": 5,
    "received_bytes": 9_120_000_000,
    "sent_bytes": 64_300_000_000,
    "first_byte": {"p50": 0.0021, "p95": 0.0188, "p99": 0.0743},
}
_BYTES = {"logical_bytes": 410_000_000_000, "physical_bytes": 290_000_000_000, "exclusive_bytes": 210_000_000_000}
_QUOTA = {"storage_quota": 100_000_000_000, "object_quota": None}
_PAGED = {"total": 1, "page": 1, "per_page": 50, "next_cursor": None}
_NODE = {"host": "gateway-1", "role": "worker", "pid": 4711, "version": "0.1.0", "schema_revision": "0026"}
_LOAD_OF_NODE: dict[str, Any] = {
    "requests_open": 12,
    "requests_per_second": 840.5,
    "clock_ahead_seconds": 0.0,
    "holds_epochs": 0,
}
_LOAD_OF_NODE |= {"started_at": _AT, "heard_seconds_ago": 3}
OF_ADMINS: dict[str, Any] = {
    "Nodes": _PAGED | {"items": [_NODE | _LOAD_OF_NODE], "released": {"contents": 0, "blobs": 17}},
    "Dashboard": {
        "range": "hour",
        "since": _AT,
        "until": "2026-11-27T10:29:12Z",
        "step_seconds": 60,
        "total": _ANSWERED,
        "doors": [_ANSWERED | {"door": "s3"}],
        "points": [_ANSWERED | _BYTES | {"at": _AT}],
        "space": _BYTES
        | {"measured_at": _AT, "objects": 120_400, "versions": 131_002, "trash_bytes": 1_200_000, "part_bytes": 0}
        | {"buckets": 14, "users": 23}
        | {"disks": [{"disk": "blobs", "free_bytes": 700_000_000_000, "size_bytes": 1_000_000_000_000}]},
        "waiting": {
            "jobs_queued": 11,
            "jobs_running": 1,
            "jobs_dead": 0,
            "events_waiting": 3,
            "events_dead": 0,
            "scans_pending": 0,
            "infected": 0,
            "damaged_chunks": 0,
            "unread_changes": 4,
            "open_uploads": 2,
        },
    },
    "SettingsList": {
        "items": [
            {
                "variable": "S3GW_REGION",
                "value": "eu-central-1",
                "default": "us-east-1",
                "meaning": "The region that requests are signed for.",
                "source": "environment",
                "is_secret": False,
            }
        ]
    },
    "UserQuota": _QUOTA | {"bytes": 41_500_000_000, "objects": 120_400},
    "PutUserQuota": _QUOTA,
    "BeginVerification": {"head": None},
    "Verification": {"lines": 48_211, "head": f"48211:{'0a' * 32}", "faults": []},
}
