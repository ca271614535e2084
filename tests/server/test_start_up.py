"""What the processes of the tree load, and whether they look for garbage once they serve."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_PROGRAM = """
import json, sys
from importlib import import_module
from s3gw import app
import_module(sys.argv[1])
if sys.argv[1] == "s3gw.server.worker":
    import s3gw.admin.app, s3gw.gateway
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize("process", ["s3gw.server.worker", "s3gw.jobs.process", "s3gw.server.first_start"])
def test_no_process_loads_what_it_can_do_without(process: str) -> None:
    command = [sys.executable, "-P", "-c", _PROGRAM, process]
    modules = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    assert {"alembic", "botocore", "fastapi", "psycopg", "pydantic", "typer"}.intersection(modules) == set()


def test_a_process_that_serves_looks_for_garbage_again() -> None:
    program = "import gc; from s3gw import garbage; garbage.leave_for_now(); assert not gc.isenabled();"
    program += "garbage.begin_to_collect(); assert gc.isenabled() and gc.get_freeze_count()"
    subprocess.run([sys.executable, "-P", "-c", program], check=True, timeout=60)
