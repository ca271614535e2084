"""What deploy/haproxy.cfg must not change of an answer, and what it does where no node can serve all."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

from tests.cluster.topology import Cluster, await_answer, running_cluster
from tests.crash.client import BUCKET, Client
from tests.crash.sockets import eventually

pytestmark = pytest.mark.soak


def test_haproxy_changes_no_answer_and_asks_nodes_that_can_serve_a_part(credentials: None) -> None:
    with running_cluster(S3GW_BLOBS_TIMEOUT="2") as cluster, Client(cluster.s3) as client:
        assert client.request("PUT", f"{BUCKET}/key", bytes(100_000)).status == 200
        names = dict(client.begin("HEAD", f"{BUCKET}/key").getheaders())
        assert {"ETag", "Last-Modified", "Content-Length", "x-amz-request-id"} <= set(names), "as AWS spells them"
        _refused_before_its_body(cluster)
        with Client(cluster.s3) as another:
            cluster.kill_store()
            ready = [f"{node.admin}/readyz" for node in cluster.nodes]
            server = cluster.nodes[0].server
            assert server is not None
            assert eventually(lambda: all(server.get(url)[0] == 503 for url in ready), within=60)
            assert another.request("HEAD", f"{BUCKET}/key").status == 200, "it needs no store"
            refused = another.request("GET", f"{BUCKET}/key")
            assert (refused.status, refused.tag("Code")) == (503, "SlowDown"), "the node's own answer"
            cluster.start_store()
        await_answer(f"{cluster.admin}/readyz")


def _refused_before_its_body(cluster: Cluster) -> None:
    """Who sends no body then could have his next request taken for it, so the client is told to end the connection."""
    address = urlsplit(cluster.s3)
    with socket.create_connection((address.hostname, address.port), timeout=20) as raw:
        head = (
            f"PUT /no-such-bucket/key HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 3\r\nExpect: 100-continue"
        )
        raw.sendall(f"{head}\r\n\r\n".encode())
        answer = b""
        while b"</Error>" not in answer and (piece := raw.recv(1 << 16)):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 404") and b"\r\nConnection: close" in answer
