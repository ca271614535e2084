"""A cluster for as long as this program runs, for other programs' tests: python -m tests.cluster FILE [NAME=VALUE …]

When all is up it writes to FILE what compat/*.py --gateway wants to know. NAME=VALUE are settings of the nodes.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
import threading
from pathlib import Path

from tests.cluster.topology import running_cluster
from tests.servers import ROOT_KEY


def main(file: Path, settings: dict[str, str]) -> None:
    password = secrets.token_hex(20)
    asked_to_end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked_to_end.set())
    with running_cluster(S3GW_ROOT_PASSWORD=password, **settings) as cluster:
        node = cluster.nodes[0]
        assert node.server is not None
        told = {"endpoint": cluster.s3, "access_key": ROOT_KEY[0], "secret_key": ROOT_KEY[1], "api": cluster.admin}
        told |= {"password": password, "environment": node.server.environment | {"S3GW_DATA": str(node.data)}}
        file.with_suffix(".new").write_text(json.dumps(told))
        os.replace(file.with_suffix(".new"), file)
        print(f"{cluster.s3} is in front of {', '.join(each.s3 for each in cluster.nodes)}", flush=True)
        asked_to_end.wait()
    file.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), dict(word.split("=", 1) for word in sys.argv[2:]))
