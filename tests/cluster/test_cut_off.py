"""A node is cut off from HAProxy, the database, the store or all of them, or all its processes stand still, under load:
clients go on with the others, and when it comes back nothing that was acknowledged is lost, and rows and chunks match.

S3GW_CLUSTER_CUT (70) is how many seconds it is cut off from all, or stands still: longer than others wait until they
take it for dead.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import cast

import pytest

from tests.cluster.load import Load
from tests.cluster.network import LINKS, Namespaces
from tests.cluster.test_kills import SETTINGS, under_load
from tests.cluster.topology import Cluster, Node, running_cluster
from tests.crash.sockets import eventually

pytestmark = pytest.mark.soak
_LONG = float(os.environ.get("S3GW_CLUSTER_CUT", "70"))
_PATIENCE = float(os.environ.get("S3GW_CLUSTER_PATIENCE", "2"))


@pytest.fixture
def cluster(credentials: None) -> Iterator[Cluster]:
    with running_cluster(network=Namespaces(), **SETTINGS) as running:
        yield running


def cut_off(cluster: Cluster, load: Load, number: int, seconds: float, *links: str) -> None:
    """All clients have answers long before the network is mended, and go on afterwards."""
    began = time.monotonic()
    with cast("Namespaces", cluster.network).cut(number, *links):
        time.sleep(seconds)
        pause = load.longest_pause(began)
    print(
        f"node {number} cut off from {'+'.join(links)} for {seconds:.0f} s: no client waited longer than {pause:.2f} s"
    )
    assert pause < _PATIENCE
    load.await_answers(time.monotonic())


def test_a_node_that_is_cut_off_delays_clients_for_seconds_and_nothing_is_lost(cluster: Cluster) -> None:
    with under_load(cluster) as load:
        for number, link in zip((1, 2, 3), LINKS, strict=True):
            cut_off(cluster, load, number, 8, link)
        cut_off(cluster, load, 1, _LONG, *LINKS)
        assert eventually(lambda: _is_ready(cluster.nodes[0]), within=60), "it comes back by itself"


def test_a_node_that_stands_still_and_goes_on_with_what_it_was_doing_writes_nothing_that_others_do_not_know(
    cluster: Cluster,
) -> None:
    with under_load(cluster) as load:
        for node, seconds in zip(cluster.nodes, (8, _LONG, 3), strict=True):
            began = time.monotonic()
            node.signal(signal.SIGSTOP)
            time.sleep(seconds)
            pause = load.longest_pause(began)
            node.signal(signal.SIGCONT)
            print(f"a node stood still for {seconds:.0f} s: no client waited longer than {pause:.2f} s")
            assert pause < _PATIENCE
            load.await_answers(time.monotonic())
            assert eventually(lambda node=node: _is_ready(node), within=60), "it comes back by itself"


def _is_ready(node: Node) -> bool:
    assert node.server is not None
    try:
        return node.server.get(f"{node.admin}/readyz")[0] == 200
    except OSError:
        return False
