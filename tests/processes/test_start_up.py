"""What the processes of the tree load, and whether they look for garbage once they serve."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_PROGRAM = """
import json, sys
from importlib import import_module
import_module(sys.argv[1])
import s3gw.metadata.sqlite
print(json.dumps(sorted(sys.modules)))
"""


def modules_of(process: str) -> set[str]:
    command = [sys.executable, "-P", "-c", _PROGRAM, process]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("process", ["s3gw.processes.worker", "s3gw.jobs.process", "s3gw.processes.first_start"])
def test_no_process_loads_what_it_can_do_without(process: str) -> None:
    assert {"alembic", "botocore", "fastapi", "psycopg", "pydantic", "typer"} & modules_of(process) == set()


@pytest.mark.parametrize("process", ["s3gw.jobs.process", "s3gw.processes.first_start"])
def test_a_process_that_answers_no_client_loads_nothing_of_requests(process: str) -> None:
    assert {"awscrt", "httptools", "lxml", "starlette", "uvicorn", "uvloop"} & modules_of(process) == set()


def test_the_job_process_loads_what_operations_need_when_a_user_asks_for_a_job() -> None:
    assert {"s3gw.operations", "s3gw.access", "s3gw.jobs.asker"} & modules_of("s3gw.jobs.process") == set()


def test_a_process_that_serves_looks_for_garbage_again() -> None:
    program = "import gc; from s3gw import garbage; garbage.leave_for_now(); assert not gc.isenabled();"
    program += "garbage.begin_to_collect(); assert gc.isenabled() and gc.get_freeze_count()"
    subprocess.run([sys.executable, "-P", "-c", program], check=True, timeout=60)
