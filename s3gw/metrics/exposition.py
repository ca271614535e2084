"""What a monitor is told: what all processes have counted, and what is measured when it asks.

In Prometheus's text format, by its own library. What is in the database is measured once in some seconds, however
often it is asked.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

import s3gw
from s3gw.folders import blob_folder
from s3gw.health import OK, health_of
from s3gw.metadata.database import DatabaseUnavailable
from s3gw.metadata.database_url import sqlite_path
from s3gw.metadata.measures import Measures, measure
from s3gw.metrics.counted import WRITTEN_AFTER
from s3gw.metrics.disks import disks_of
from s3gw.metrics.folder import VARIABLE

if TYPE_CHECKING:
    from s3gw.storage import Storage

_FRESH = 5.0  # seconds

Samples = Mapping[Any, float]  # by the values of labels, a tuple


class Exposition:
    """Used on the event loop only."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._measured: asyncio.Task[Measures] | None = None
        self._measured_at = 0.0

    async def text(self) -> bytes:
        await asyncio.sleep(1.5 * WRITTEN_AFTER)  # then what had ended when it was asked is written, by all workers
        storage = self._storage
        settings = storage.settings
        asked = storage.store, blob_folder(settings), storage.room, storage.process_identity
        health = await health_of(storage.database, *asked)
        families = [_family("s3gw_info", "The version that runs.", ("version",), {(s3gw.__version__,): 1})]
        told = {(name,): float(state == OK) for name, state in health._asdict().items()}
        families.append(
            _family("s3gw_healthy", "1 where it is: database, reading, writing, scanning and node.", ("what",), told)
        )
        try:
            families += _of_measures(await self._measures())
        except DatabaseUnavailable:
            pass  # which s3gw_healthy tells
        families += await asyncio.to_thread(self._of_disks)
        return await asyncio.to_thread(_written, families)

    async def _measures(self) -> Measures:
        """Who asks while it is measured waits for the same."""
        if self._measured is None or (self._measured.done() and time.monotonic() - self._measured_at > _FRESH):
            self._measured_at = time.monotonic()
            self._measured = asyncio.create_task(self._storage.database.scan(measure))
        return await asyncio.shield(self._measured)

    def _of_disks(self) -> list[GaugeMetricFamily]:
        settings = self._storage.settings
        disks = disks_of(settings)
        free = {(disk.name,): float(disk.free) for disk in disks}
        size = {(disk.name,): float(disk.size) for disk in disks}
        found = [
            _family("s3gw_disk_free_bytes", "Free bytes of the disk of blobs or of the database.", ("disk",), free),
            _family("s3gw_disk_size_bytes", "Size of that disk.", ("disk",), size),
        ]
        if self._storage.database.dialect == "sqlite":
            path = sqlite_path(settings.database_url, settings.data)
            sizes = {(name,): _size_of(f"{path}{suffix}") for name, suffix in (("database", ""), ("wal", "-wal"))}
            found.append(_family("s3gw_sqlite_file_bytes", "Size of SQLite's files.", ("file",), sizes))
        return found


class _Collected(Collector):
    def __init__(self, families: list[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterator[GaugeMetricFamily]:
        return iter(self._families)


def _written(families: list[GaugeMetricFamily]) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Collected(families))
    if VARIABLE in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
    return generate_latest(registry) + generate_latest(REGISTRY)


def _family(name: str, text: str, labels: tuple[str, ...], samples: Samples) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in samples.items():
        family.add_metric(values, number)
    return family


def _size_of(path: str) -> float:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _of_measures(found: Measures) -> Iterator[GaugeMetricFamily]:
    usage = found.usage
    yield _family("s3gw_buckets", "Buckets, without deleted ones.", (), {(): found.buckets})
    yield _family("s3gw_users", "Users, without deleted ones.", (), {(): found.users})
    yield _family("s3gw_objects", "Current versions of objects.", (), {(): usage.objects})
    yield _family("s3gw_versions", "Versions of objects, current or not.", (), {(): usage.versions})
    kinds = {("versions",): usage.bytes - usage.part_bytes, ("parts",): usage.part_bytes}
    kinds[("trash",)] = usage.trash_bytes
    yield _family("s3gw_stored_bytes", "Bytes that count against quotas, before deduplication.", ("kind",), kinds)
    uploads = {(kind,): count for kind, count in found.open_uploads.items()}
    yield _family("s3gw_open_uploads", "Unfinished uploads: multipart and resumable.", ("kind",), uploads)
    waiting = {labels: waiting.rows for labels, waiting in found.jobs.items()}
    yield _family("s3gw_jobs", "Jobs that are queued or running.", ("kind", "state"), waiting)
    since = {(kind,): waiting.since for (kind, state), waiting in found.jobs.items() if state == "queued"}
    yield _family("s3gw_job_due_seconds", "How long the oldest queued job of a kind is due.", ("kind",), since)
    dead = {(kind,): count for kind, count in found.dead_jobs.items()}
    yield _family("s3gw_dead_jobs", "Jobs that failed for good and wait for a person.", ("kind",), dead)
    unread = {(reader,): count for reader, count in found.unread_changes.items()}
    yield _family("s3gw_unread_changes", "Changes of objects that a reader is behind.", ("reader",), unread)
    deliveries = {(state,): waiting.rows for state, waiting in found.deliveries.items()}
    yield _family(
        "s3gw_event_deliveries",
        "Events to be told: first or behind others of their key; or dead.",
        ("state",),
        deliveries,
    )
    oldest = max((waiting.since for state, waiting in found.deliveries.items() if state != "dead"), default=0.0)
    yield _family("s3gw_event_delivery_oldest_seconds", "Age of the oldest event that waits.", (), {(): oldest})
    scans = {(state,): count for state, count in found.scans.items()}
    yield _family("s3gw_scans", "Contents by what the virus scanner has said of them.", ("state",), scans)
    yield _family("s3gw_damaged_chunks", "Chunks that scrubbing found bad, not healed yet.", (), {(): found.damaged})
    released = {(kind,): count for kind, count in found.released.items()}
    yield _family("s3gw_released", "Contents and blobs that are deleted and not yet removed.", ("kind",), released)
