"""`python -m tests.jobs.celery_process URL DATA LEASE`: what `s3gw worker` is, with the kinds of job_process.py. Prints
a line when it is ready.
"""

from __future__ import annotations

import sys
from pathlib import Path

from celery import signals

from s3gw import log
from s3gw.cli.worker import _store_of
from s3gw.config import load_settings
from s3gw.jobs.celery_worker import work
from tests.jobs.job_process import prepare


def main(url: str, data: str, lease: str) -> None:
    prepare(lease)
    log.configure("text", True)
    signals.worker_ready.connect(lambda **_: print("ready", flush=True), weak=False)
    settings = load_settings(data=Path(data), database_url=url)
    sys.exit(work(settings, _store_of(settings), 4))


if __name__ == "__main__":
    main(*sys.argv[1:])
