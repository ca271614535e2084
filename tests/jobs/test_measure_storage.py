"""What a job measures is kept for whoever may know it, in the place of the last."""

from __future__ import annotations

import pytest

from s3gw.metadata import storage_reports
from tests.jobs.asking import Asking
from tests.jobs.conftest import Process

pytestmark = pytest.mark.anyio


@pytest.fixture
async def asking(process: Process) -> Asking:
    made = Asking(process)
    await made.make()
    return made


@pytest.mark.parametrize("is_of_all", [False, True])
async def test_what_was_measured_is_kept(asking: Asking, is_of_all: bool) -> None:
    for keys in (["a", "b/c"], ["d"]):
        await asking.put(keys)
        job = await asking.ask("measure_storage", {"bucket_id": asking.uuids["bucket"], "is_of_all": is_of_all})
        await asking.run()
        assert (await asking.told(job)).state == "done"
    found = await asking.database.read(storage_reports.find, asking.ids["bucket"], is_of_all)
    assert found is not None
    assert [(group["name"], group["files"]) for group in found.document["by_prefix"]] == [("", 2), ("b/", 1)]
    assert await asking.database.read(storage_reports.find, asking.ids["bucket"], not is_of_all) is None


async def test_of_a_bucket_that_is_gone_it_fails(asking: Asking) -> None:
    job = await asking.ask("measure_storage", {"bucket_id": "gone", "is_of_all": False})
    await asking.run()
    told = await asking.told(job)
    assert (told.state, told.refusal["error_code"]) == ("failed", "NOT_FOUND")


async def test_its_progress_says_nothing_of_the_owner_s_other_buckets(asking: Asking) -> None:
    """Who may list this one may ask for the job, and see no other bucket."""
    await asking.put(["a", "b/c"])
    await asking.put([f"key{number}" for number in range(9)], "other")
    job = await asking.ask("measure_storage", {"bucket_id": asking.uuids["bucket"], "is_of_all": False})
    await asking.run()
    assert (await asking.told(job)).progress == {"done": 2}
