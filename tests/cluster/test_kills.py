"""Nodes, the database's primary and the object store die under load, again and again: what was acknowledged is there,
the others go on, and in the end rows and chunks match.

S3GW_CLUSTER_KILLS (nodes; 10), S3GW_CLUSTER_FAILOVERS (5) and S3GW_CLUSTER_OUTAGES (of the store; 3) say how often.
S3GW_CLUSTER_PATIENCE (2) is how many seconds may pass until others go on: more on a busy machine.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cluster.load import Load
from tests.cluster.topology import Cluster, running_cluster
from tests.crash.workload import CHUNK

pytestmark = pytest.mark.soak
_PATIENCE = float(os.environ.get("S3GW_CLUSTER_PATIENCE", "2"))
SETTINGS = {"S3GW_CHUNK_SIZE": str(CHUNK), "S3GW_MIN_PART": "0", "S3GW_BLOBS_TIMEOUT": "5"}
_CLIENTS = 4


def times(name: str, default: int) -> int:
    return int(os.environ.get(f"S3GW_CLUSTER_{name}", default))


@pytest.fixture
def cluster(credentials: None) -> Iterator[Cluster]:
    with running_cluster(**SETTINGS) as running:
        yield running


@contextmanager
def under_load(cluster: Cluster) -> Iterator[Load]:
    """Afterwards every byte is compared, and once all nodes have ended, rows with chunks."""
    seed = os.environ.get("S3GW_CRASH_SEED") or secrets.token_hex(4)
    print(f"S3GW_CRASH_SEED={seed}")
    load = Load(cluster.s3, _CLIENTS, seed)
    with load.running():
        load.await_answers(time.monotonic())
        yield load
    load.verify()
    print(load.told)
    assert cluster.disorder() == []


def test_nodes_that_are_killed_in_mid_load_lose_nothing_and_the_others_go_on(cluster: Cluster) -> None:
    pauses, chance = [], random.Random()
    with under_load(cluster) as load:
        for _ in range(times("KILLS", 10)):
            node = chance.choice(cluster.nodes)
            time.sleep(chance.uniform(0.1, 1))
            began = time.monotonic()
            node.kill()
            time.sleep(chance.uniform(0, 1))
            node.start()
            pauses.append(load.longest_pause(began))
    median = sorted(pauses)[len(pauses) // 2]
    print(f"{len(pauses)} kills; no client waited longer than {max(pauses):.2f} s, half of the times {median:.2f}")
    assert max(pauses) < _PATIENCE


def test_a_standby_that_takes_over_has_all_that_was_acknowledged(cluster: Cluster) -> None:
    pauses = []
    with under_load(cluster) as load:
        for _ in range(times("FAILOVERS", 5)):
            time.sleep(random.uniform(0.1, 1))
            cluster.database.kill_primary()
            cluster.database.promote()
            promoted = time.monotonic()
            load.await_answers(promoted)
            pauses.append(load.longest_pause(promoted))
            cluster.database.add_standby()
            load.await_answers(time.monotonic())
    print(f"{len(pauses)} failovers; all clients went on within {max(pauses):.2f} s of the promotion")
    assert max(pauses) < 2 * _PATIENCE


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_an_object_store_that_goes_away_and_comes_back_has_all_that_was_acknowledged(
    cluster: Cluster, how: str
) -> None:
    pauses = []
    with under_load(cluster) as load:
        for _ in range(times("OUTAGES", 3)):
            if how == "killed":
                cluster.kill_store()
                time.sleep(random.uniform(0, 4))
                cluster.start_store()
            else:
                assert cluster.store.process is not None
                cluster.store.process.send_signal(signal.SIGSTOP)
                time.sleep(random.uniform(1, 8))
                cluster.store.process.send_signal(signal.SIGCONT)
            back = time.monotonic()
            time.sleep(random.uniform(0.1, 1))
            pauses.append(load.longest_pause(back))
    print(f"{len(pauses)} times {how}; all clients went on within {max(pauses):.2f} s")
    assert max(pauses) < 4 * _PATIENCE
