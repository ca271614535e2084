"""Batches: each file by the rights of who asked, with a report, and going on after a kill."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from s3gw.jobs import asked as asked_module
from s3gw.jobs import batch, batch_actions, batch_files
from s3gw.jobs.batch import MOST_TOLD
from s3gw.metadata import configurations, identities, objects, schema
from s3gw.metadata.asked_jobs import AskedJob
from s3gw.metadata.database import Connection
from s3gw.metadata.file_filters import Wanted
from s3gw.operations import copy_object
from tests.jobs.asking import Asking
from tests.jobs.conftest import Process

pytestmark = pytest.mark.anyio


@pytest.fixture
async def asking(process: Process, monkeypatch: pytest.MonkeyPatch) -> Asking:
    """With small steps."""
    monkeypatch.setattr(asked_module, "_PAUSE", 0.0)
    monkeypatch.setattr(batch_files, "STEP", 3)
    made = Asking(process)
    await made.make()
    return made


async def ask(asking: Asking, action: str, *, to: str | None = None, **more: Any) -> AskedJob:
    return await asking.ask("batch", asking.batch("bucket", action, to) | more)


async def done(asking: Asking, action: str, **more: Any) -> dict[str, Any]:
    """The report."""
    job = await ask(asking, action, **more)
    await asking.run()
    told = await asking.told(job)
    assert told.state == "done", told
    assert told.progress["done"] == told.progress["total"] == told.result["succeeded"] + told.result["failed"]
    report: dict[str, Any] = told.result
    return report


async def id_of(asking: Asking, key: str) -> str:
    found = await asking.database.read(objects.find, asking.ids["bucket"], key)
    assert found is not None and found.file_id is not None
    return str(UUID(bytes=bytes(found.file_id)))


def failed(report: dict[str, Any]) -> list[tuple[str | None, str]]:
    return sorted((failure["file_path"], failure["error_code"]) for failure in report["failures"])


def keys(folder: str, count: int = 10) -> list[str]:
    return [f"{folder}/key{number}" for number in range(count)]


async def forbid(asking: Asking, action: str, key: str) -> None:
    deny = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::bucket/{key}"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    await asking.database.write(lambda conn: configurations.put(asking.change(conn, ""), "Policy", policy))


async def test_what_is_below_a_prefix_is_moved_with_its_ids_and_no_bytes(asking: Asking) -> None:
    await asking.put([*keys("a"), "ab", "b/key3"])
    before = [await id_of(asking, key) for key in keys("a")]
    report = await done(asking, "move", prefix="a/", to_prefix="b/c/")
    assert (report["succeeded"], report["failed"]) == (10, 0)
    assert await asking.keys() == sorted(["ab", "b/key3", *keys("b/c")])
    assert [await id_of(asking, key) for key in keys("b/c")] == before
    contents = select(schema.contents.c.id)
    assert len(await asking.database.read(lambda conn: conn.execute(contents).all())) == 1


async def test_what_is_refused_is_reported_and_the_others_go_on(asking: Asking) -> None:
    await asking.put([*keys("a"), "b/key3"])
    await forbid(asking, "s3:DeleteObject", "a/key5")
    report = await done(asking, "move", prefix="a/", to_prefix="b/")
    assert failed(report) == [("a/key3", "FILE_ALREADY_EXISTS"), ("a/key5", "PERMISSION_DENIED")]
    assert {failure["file_id"] for failure in report["failures"]} == {
        await id_of(asking, "a/key3"),
        await id_of(asking, "a/key5"),
    }
    assert (await asking.keys())[:2] == ["a/key3", "a/key5"]


async def test_a_report_has_so_many_failures_at_most(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_files, "STEP", 100)
    report = await done(asking, "delete", files=[str(uuid4()) for _ in range(MOST_TOLD + 2)])
    assert (report["failed"], len(report["failures"])) == (MOST_TOLD + 2, MOST_TOLD) == (102, 100)
    assert {failure["error_code"] for failure in report["failures"]} == {"NOT_FOUND"}


async def test_files_are_named_by_ids(asking: Asking) -> None:
    await asking.put(["a/x", "b/y", "c"])
    await asking.put(["elsewhere"], "other")
    elsewhere = await asking.database.read(objects.find, asking.ids["other"], "elsewhere")
    assert elsewhere is not None
    ids = [await id_of(asking, key) for key in ("a/x", "b/y", "c")]
    ids.insert(1, str(UUID(bytes=bytes(elsewhere.file_id or b""))))
    report = await done(asking, "move", files=ids, to_prefix="to/")
    assert failed(report) == [(None, "NOT_FOUND")]
    assert await asking.keys() == ["to/c", "to/x", "to/y"]
    assert await asking.keys("other") == ["elsewhere"]


async def test_of_files_that_he_may_not_know_of_a_stranger_learns_nothing(asking: Asking) -> None:
    await asking.put(["a"])
    ids, owner = [await id_of(asking, "a"), str(uuid4())], asking.user
    for action, more in (
        ("move", {"to_prefix": "x" * 1024}),
        ("move", {"to_prefix": "x"}),
        ("copy", {"to_prefix": "x"}),
        ("copy", {"to_prefix": "x" * 1024}),
        ("tag", {"tags": {"a": "b"}}),
        ("delete", {}),
        ("delete", {"is_permanent": True}),
        ("restore", {}),
    ):
        asking.user = asking.stranger
        report = await done(asking, action, files=ids, **more)
        asking.user = owner
        assert failed(report) == [(None, "NOT_FOUND")] * 2, action
        assert {failure["detail"] for failure in report["failures"]} == {"there is no such file"}
    job = await ask(asking, "delete")
    await asking.database.write(
        lambda conn: conn.execute(update(schema.jobs).values(asked_by=asking.stranger.id)) and None
    )
    await asking.run()
    assert (await asking.told(job)).refusal["error_code"] == "PERMISSION_DENIED"
    assert await asking.keys() == ["a"]


async def test_files_are_copied_to_another_bucket(asking: Asking) -> None:
    await asking.put(keys("a"))
    await asking.put(["b/key1"], "other")
    report = await done(asking, "copy", prefix="a/", to="other", to_prefix="b/")
    assert failed(report) == [("a/key1", "FILE_ALREADY_EXISTS")]
    assert await asking.keys("other") == keys("b")
    assert await asking.keys() == keys("a")


@pytest.mark.parametrize("to", ["bucket", "other"])
async def test_files_are_copied_whatever_their_size(asking: Asking, to: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3's limit of 5 GiB is for S3's clients, who copy more by parts."""
    monkeypatch.setattr(copy_object, "_LARGEST_SOURCE", 0)
    await asking.put(["a"])
    assert (await done(asking, "copy", prefix="a", to=to, to_prefix="b"))["succeeded"] == 1
    assert "b" in await asking.keys(to)


async def test_files_are_moved_to_another_bucket(asking: Asking) -> None:
    await asking.put(keys("a"))
    await forbid(asking, "s3:DeleteObject", "a/key5")
    report = await done(asking, "move", prefix="a/", to="other", to_prefix="")
    assert failed(report) == [("a/key5", "PERMISSION_DENIED")]
    assert await asking.keys("other") == [key[2:] for key in keys("a") if key != "a/key5"]
    assert await asking.keys() == ["a/key5"]


async def test_files_are_tagged_where_filters_find_them(asking: Asking) -> None:
    await asking.put(["a", "b"], tags='[["old","1"]]')
    await asking.put(["c"], headers='{"ContentType":"text/plain"}')
    report = await done(asking, "tag", wanted=list(Wanted(tags=(("old", None),))), tags={"new": "2"})
    assert report["succeeded"] == 2
    report = await done(asking, "tag", wanted=list(Wanted(type="text/*")), tags={"kind": "text"})
    assert report["succeeded"] == 1

    def tags(conn: Connection) -> list[str | None]:
        return list(conn.execute(select(schema.objects.c.tags).order_by(schema.objects.c.key)).scalars().all())

    assert await asking.database.read(tags) == ['[["new","2"]]', '[["new","2"]]', '[["kind","text"]]']


async def test_what_filters_ask_of_a_file_finds_it_for_who_may_read_that(asking: Asking) -> None:
    await asking.put(["a", "b"], tags='[["old","1"]]')
    await forbid(asking, "s3:GetObjectTagging", "a")
    report = await done(asking, "delete", wanted=list(Wanted(tags=(("old", None),))))
    assert report["succeeded"] == 1
    assert await asking.keys() == ["a"]


async def test_deleted_files_come_back_as_they_were_last(asking: Asking) -> None:
    """What was overwritten of files that are there stays as it is."""
    await asking.database.write(lambda conn: configurations.set_trash_seconds(asking.change(conn, ""), 1000))
    await asking.put([*keys("a"), "kept"])
    await asking.put(["a/key1", "kept"], user_metadata='{"again":"1"}')
    report = await done(asking, "delete", prefix="a/")
    assert (report["succeeded"], await asking.keys()) == (10, ["kept"])
    report = await done(asking, "restore", prefix="a/")
    assert (report["succeeded"], report["failed"]) == (10, 0)
    assert await asking.keys() == [*keys("a"), "kept"]
    for key in ("a/key1", "kept"):
        found = await asking.database.read(objects.find, asking.ids["bucket"], key)
        assert found is not None and found.user_metadata == '{"again":"1"}'


async def test_of_several_contents_in_the_trash_the_last_comes_back(asking: Asking) -> None:
    """Also where one step finds them all."""
    await asking.database.write(lambda conn: configurations.set_trash_seconds(asking.change(conn, ""), 1000))
    for number in range(3):
        await asking.put(["a"], user_metadata=f'{{"of":"{number}"}}')
    await asking.delete("a")
    assert (await done(asking, "restore"))["succeeded"] == 1
    found = await asking.database.read(objects.find, asking.ids["bucket"], "a")
    assert found is not None and found.user_metadata == '{"of":"2"}'


@pytest.mark.parametrize("when", ["before", "after", "with other tags"])
async def test_a_file_that_is_overwritten_while_it_is_moved_away_stays(
    asking: Asking, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Before it is copied, or between that and its deletion: what nobody has copied isn't deleted."""
    await asking.put(["a"])
    original = batch_actions._copy

    async def overwriting(*given: Any) -> None:
        if when == "before":
            await asking.put(["a"], etag="new")
        await original(*given)
        if when == "after":
            await asking.put(["a"], etag="new")
        elif when == "with other tags":
            await asking.put(["a"], tags='[["new","1"]]')

    monkeypatch.setattr(batch_actions, "_copy", overwriting)
    report = await done(asking, "move", to="other")
    assert failed(report) == [("a", "PRECONDITION_FAILED")]
    assert await asking.keys() == ["a"]
    assert await asking.keys("other") == ([] if when == "before" else ["a"])


async def test_files_that_are_hidden_by_markers_come_back_by_their_ids(asking: Asking) -> None:
    await asking.keep_versions()
    await asking.put(["a", "b"])
    ids = [await id_of(asking, key) for key in ("a", "b")]
    await asking.delete("a")
    report = await done(asking, "restore", files=ids)
    assert failed(report) == [(None, "CONFLICT")]
    assert await asking.keys() == ["a", "b"]


async def test_files_are_deleted_for_good(asking: Asking) -> None:
    await asking.database.write(lambda conn: configurations.set_trash_seconds(asking.change(conn, ""), 1000))
    await asking.put(["a", "b", "a"])
    report = await done(asking, "delete", is_permanent=True)
    assert report["succeeded"] == 2
    used = await asking.used()
    assert (used.all_objects, used.all_bytes) == (0, 0)


async def test_a_right_that_is_lost_meanwhile_is_lost_in_the_job(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asking.put(keys("a"))
    original = batch.paced

    async def disabling(step: Any) -> Any:
        outcome = await original(step)
        await asking.database.write(identities.set_user_enabled, "user", False)
        return outcome

    monkeypatch.setattr(batch, "paced", disabling)
    job = await ask(asking, "move", prefix="a/", to_prefix="b/")
    await asking.run()
    told = await asking.told(job)
    assert (told.state, told.refusal["error_code"]) == ("failed", "PERMISSION_DENIED")
    assert (told.result["succeeded"], len([key for key in await asking.keys() if key < "b"])) == (3, 7)


@pytest.mark.parametrize(
    ("action", "more"),
    [
        ("move", {"prefix": "a/", "to_prefix": "b/"}),
        ("move", {"prefix": "a/", "to": "other"}),
        ("copy", {"prefix": "a/", "to_prefix": "b/"}),
        ("delete", {"prefix": "a/"}),
        ("move", {"files": True, "to_prefix": "b/"}),
        ("delete", {"files": True}),
    ],
)
async def test_what_was_done_before_a_kill_does_no_harm(
    asking: Asking, monkeypatch: pytest.MonkeyPatch, action: str, more: dict[str, Any]
) -> None:
    """The process dies in its second step, of which nothing is noted: one file of it was done, another half."""
    monkeypatch.setattr(batch, "AT_ONCE", 1)
    await asking.put(keys("a"))
    if "files" in more:
        more = more | {"files": [await id_of(asking, key) for key in keys("a")]}
    original, count, dies = batch._Batch._do, 0, asyncio.Event()

    async def hanging(self: Any, step: Any, item: Any) -> None:
        nonlocal count
        await original(self, step, item)
        count += 1
        if count == 5:
            dies.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(batch._Batch, "_do", hanging)
    job = await ask(asking, action, **more)
    killed = asyncio.create_task(asking.run())
    await asyncio.wait_for(dies.wait(), 20)
    assert (await asking.told(job)).progress["done"] == 3
    await asking.database.write(
        lambda conn: conn.execute(update(schema.jobs).values(lease_until=0, leased_by="dead")) and None
    )
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    await asking.run()
    told = await asking.told(job)
    assert (told.state, told.result["failed"]) == ("done", 0)
    assert told.result["succeeded"] == (10 if "files" in more or action == "copy" else 8)
    here = {"move": [], "delete": [], "copy": keys("a")}[action]
    assert await asking.keys() == [*here, *(keys("b") if more.get("to_prefix") else [])]
    assert await asking.keys("other") == ([key[2:] for key in keys("a")] if "to" in more else [])


@pytest.mark.parametrize("action", ["move", "copy"])
async def test_what_is_moved_up_isnt_moved_again_where_its_query_would_find_it(asking: Asking, action: str) -> None:
    inner = [f"a/a/key{number}" for number in range(8)]
    await asking.put([*inner, "a/a/a/deep", "a/z"])
    report = await done(asking, action, prefix="a/", to_prefix="")
    assert (report["succeeded"], report["failed"]) == (10, 0)
    moved = sorted([*keys("a", 8), "a/a/deep", "z"])
    assert await asking.keys() == (moved if action == "move" else sorted({*moved, *inner, "a/a/a/deep", "a/z"}))
