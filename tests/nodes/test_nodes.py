"""`s3gw nodes` tells who is there, of all nodes, and what waits for the reaper."""

from __future__ import annotations

from tests.nodes.conftest import Nodes


def test_the_command_tells_the_processes_of_all_nodes_and_what_waits_for_the_reaper(nodes: Nodes) -> None:
    told = nodes.one.command("nodes")
    roles = [process["role"] for process in told["processes"]]
    assert roles.count("worker") >= 2
    assert "jobs" in roles, "each node has its own as soon as it serves"
    assert set(told["released"]) == {"contents", "blobs"}
    workers = {process["pid"] for process in told["processes"] if process["heard_seconds_ago"] < 60}
    assert workers & set(nodes.other.facts["worker_pids"])
