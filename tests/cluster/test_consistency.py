"""Whatever is done on one node is what the next request finds on any other: random steps, each request on a node by
chance, answered as by the model of one bucket. S3GW_CLUSTER_STEPS (10000) says how many.
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.cluster.topology import running_cluster
from tests.gateways import client_of
from tests.test_state_machine import SETTINGS, Requests

pytestmark = pytest.mark.soak
_STEPS, _STEPS_OF_EXAMPLE = int(os.environ.get("S3GW_CLUSTER_STEPS", "10000")), 30


class AnyOf:
    """A client of S3 whose requests go to nodes by chance. Hypothesis has the seed, so what failed can be repeated."""

    def __init__(self, clients: list[Any]) -> None:
        self._clients = clients
        self.asked = [0] * len(clients)

    def __getattr__(self, operation: str) -> Any:
        chosen = random.randrange(len(self._clients))
        self.asked[chosen] += 1
        return getattr(self._clients[chosen], operation)


def test_random_steps_on_random_nodes_are_answered_as_by_the_model(credentials: None) -> None:
    with running_cluster(**SETTINGS) as cluster:
        nodes = AnyOf([client_of(node.server) for node in cluster.nodes if node.server is not None])
        run_state_machine_as_test(
            lambda: Requests(nodes),
            settings=settings(
                max_examples=-(-_STEPS // _STEPS_OF_EXAMPLE),
                stateful_step_count=_STEPS_OF_EXAMPLE,
                deadline=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
        print(f"requests of each node: {nodes.asked}")
        assert min(nodes.asked) > _STEPS // 3
        assert cluster.disorder() == []
