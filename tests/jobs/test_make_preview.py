"""Previews are made once for all objects of a content and go with it; what can't be made is remembered."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from sqlalchemy import update

from s3gw import errors
from s3gw.auth.principal import ANONYMOUS
from s3gw.jobs import make_preview as job
from s3gw.jobs import release_previews as releasing
from s3gw.jobs import runner
from s3gw.jobs.make_preview import MOST_ATTEMPTS, make_preview
from s3gw.jobs.release_previews import release_previews
from s3gw.metadata import buckets, contents, jobs, previews, schema
from s3gw.metadata.contents import Content, CorruptContent
from s3gw.metadata.database import Connection
from s3gw.metadata.previews import MADE, PENDING, REFUSED, Found
from s3gw.operations import previews as operation
from s3gw.operations.call import Call
from s3gw.operations.previews import get_preview
from s3gw.previews import making
from s3gw.previews.limits import limits_of
from s3gw.problems import NoPreview, NoPreviewOfType, PreviewPending
from tests.jobs.asking import Asking
from tests.jobs.conftest import Process, ignore
from tests.previews.odd_files import encoded, halves, odd, opened

pytestmark = pytest.mark.anyio
SMALL, LARGE = encoded(halves(40, 20), "PNG"), odd("rgb.jpg")


class Previewed:
    """A process whose contents previews are asked of."""

    def __init__(self, process: Process) -> None:
        self.process, self.database = process, process.database
        self.settings: Any = process.services.settings

    async def ask(self, content: Content, recipe: str = "64") -> Found:
        await self.database.write(previews.ask, content, recipe, limits_of(self.settings).told)
        return await self.found(content, recipe)

    async def found(self, content: Content, recipe: str = "64") -> Found:
        found = await self.database.read(previews.find, content.same_bytes, recipe, content.id)
        assert found is not None
        return found

    async def make(self, content: Content, recipe: str = "64") -> None:
        payload = {"source": content.same_bytes.hex(), "recipe": recipe}
        await make_preview(self.process.services, payload, ignore)

    async def made(self, content: Content, recipe: str = "64") -> Found:
        await self.ask(content, recipe)
        await self.make(content, recipe)
        return await self.found(content, recipe)

    async def run(self) -> list[jobs.Job]:
        """One attempt at each that is due; all jobs afterwards."""
        for leased in await self.database.write(jobs.lease, "runner", jobs.LEASE, 10, "thumbnail"):
            await runner.attempt(self.process.services, leased)
        return await self.database.read(jobs.list_jobs)

    async def make_due(self) -> None:
        await self.database.write(lambda conn: conn.execute(update(schema.jobs).values(run_at=0)) and None)

    async def drop(self, content: Content) -> None:
        await self.database.write(contents.release, content.id)

    async def release(self) -> None:
        await release_previews(self.process.services, None, ignore)

    async def counted(self) -> tuple[int, int]:
        """How many previews and sources there are."""

        def count(conn: Connection) -> tuple[int, int]:
            found = (schema.previews.select(), schema.preview_sources.select())
            made, sources = (len(conn.execute(statement).all()) for statement in found)
            return made, sources

        return await self.database.read(count)


@pytest.fixture
async def previewed(process: Process) -> Previewed:
    return Previewed(process)


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds that a child was started for."""
    started: list[str] = []
    make = making.make

    async def counting(source: Any, kind: Any, *more: Any) -> making.Preview:
        started.append(kind.name)
        return await make(source, kind, *more)

    monkeypatch.setattr(job.making, "make", counting)
    return started


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["inline", "in a chunk"])
async def test_a_preview_is_made_once_for_two_objects_of_one_content(
    previewed: Previewed, data: bytes, children: list[str]
) -> None:
    first, second = await previewed.process.put(data), await previewed.process.put(data)
    assert first.id != second.id
    for content in (first, second, first):
        await previewed.ask(content)
    (queued,) = await previewed.run()
    assert (queued.state, queued.kind) == (jobs.DONE, "thumbnail")
    found = await previewed.found(second)
    assert (found.preview.state, found.preview.type, found.is_noted) == (MADE, "image/webp", True)
    assert found.content is not None
    picture = opened(await previewed.process.get(found.content))
    assert picture.size == (found.preview.width, found.preview.height) and max(picture.size) <= 64
    await previewed.ask(second)
    assert children == ["png" if data is SMALL else "jpeg"]
    assert len(await previewed.run()) == 1


async def test_what_is_put_in_the_same_parts_has_the_same_preview(previewed: Previewed, children: list[str]) -> None:
    async def put() -> Content:
        parts = [await previewed.process.put(LARGE[:2000]), await previewed.process.put(LARGE[2000:])]

        def join(conn: Connection) -> int:
            ids = [(number, part.id, None) for number, part in enumerate(parts, 1)]
            return contents.insert(conn, contents.part_list(contents.parts_from(conn, ids)), takes_over=True)

        return await previewed.database.read(contents.load, await previewed.database.write(join))

    first, second = await put(), await put()
    assert first.digest != second.digest
    assert (await previewed.made(first)).preview.state == MADE
    assert (await previewed.ask(second)).preview.state == MADE
    assert children == ["jpeg"]


async def test_a_preview_goes_with_the_last_of_its_contents_and_leaves_nothing(previewed: Previewed) -> None:
    previewed.settings.inline_limit = 0  # what was made is in chunks too
    first, second = await previewed.process.put(LARGE), await previewed.process.put(LARGE)
    await previewed.made(first)
    await previewed.ask(second)
    await previewed.made(first, "128")
    await previewed.run()
    await previewed.drop(first)
    await previewed.release()
    assert await previewed.counted() == (2, 1)
    assert (await previewed.found(second)).preview.state == MADE
    await previewed.drop(second)
    await previewed.release()
    assert await previewed.counted() == (0, 0)
    await previewed.process.reap(4)
    assert (await previewed.process.leftovers())[:2] == (0, 0) and previewed.process.files() == []


async def test_what_is_gone_before_its_preview_is_made_has_none(previewed: Previewed, children: list[str]) -> None:
    content = await previewed.process.put(LARGE)
    await previewed.ask(content)
    await previewed.drop(content)
    await previewed.make(content)
    assert (await previewed.counted())[0] == 0 and children == []


async def test_what_is_released_while_it_is_made_leaves_nothing(
    previewed: Previewed, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, make = await previewed.process.put(LARGE), making.make
    await previewed.ask(content)

    async def slow(*given: Any) -> making.Preview:
        made = await make(*given)
        await previewed.drop(content)
        await previewed.release()
        return made

    monkeypatch.setattr(job.making, "make", slow)
    await previewed.make(content)
    assert await previewed.counted() == (0, 0)
    await previewed.process.reap(4)
    assert (await previewed.process.leftovers())[:2] == (0, 0)


async def test_a_refusal_is_remembered_until_the_limits_are_others(previewed: Previewed, children: list[str]) -> None:
    content = await previewed.process.put(odd("declared.png"))
    found = await previewed.made(content)
    assert (found.preview.state, found.preview.reason, found.content) == (REFUSED, "too_many_pixels", None)
    assert (await previewed.ask(content)).preview.state == REFUSED
    await previewed.make(content)
    assert children == ["png"]
    previewed.settings.preview_max_pixels = 2_000_000_000
    assert (await previewed.ask(content)).preview.state == PENDING
    previewed.settings.preview_memory = 130 << 20
    await previewed.make(content)
    assert (await previewed.found(content)).preview.reason == "too_much_memory"


async def test_what_is_larger_than_it_may_be_is_never_decoded(previewed: Previewed, children: list[str]) -> None:
    previewed.settings.preview_max_size = len(LARGE)
    content, more = await previewed.process.put(LARGE), await previewed.process.put(LARGE + b"\0")
    assert (await previewed.made(content)).preview.state == MADE
    assert (await previewed.made(more)).preview.reason == "too_large"
    assert children == ["jpeg"]


async def test_a_picture_that_takes_the_job_process_down_is_refused_in_the_end(
    previewed: Previewed, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = await previewed.process.put(LARGE)
    await previewed.ask(content)

    async def die(*given: Any) -> making.Preview:
        raise asyncio.CancelledError  # nothing else is done

    monkeypatch.setattr(job.making, "make", die)
    for _ in range(MOST_ATTEMPTS):
        with pytest.raises(asyncio.CancelledError):
            await previewed.make(content)
        assert (await previewed.found(content)).preview.state == PENDING
    await previewed.make(content)
    assert (await previewed.found(content)).preview.reason == "crashed"


async def test_what_takes_too_long_is_tried_again_and_then_refused(
    previewed: Previewed, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = await previewed.process.put(LARGE)
    await previewed.ask(content)
    previewed.settings.preview_timeout = 0.02
    monkeypatch.setattr(making, "CHILD", (sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"))
    states = []
    for _ in range(MOST_ATTEMPTS):
        await previewed.make_due()
        (queued,) = await previewed.run()
        states.append(queued.state)
    assert states == [*[jobs.QUEUED] * (MOST_ATTEMPTS - 1), jobs.DONE]
    assert (await previewed.found(content)).preview.reason == "too_slow"


async def test_a_child_that_can_not_begin_is_no_picture_s_fault(
    previewed: Previewed, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = await previewed.process.put(LARGE)
    await previewed.ask(content)
    with monkeypatch.context() as patched:
        patched.setattr(making, "CHILD", (sys.executable, "-I", "-S", "-c", "raise SystemExit(1)"))
        for _ in range(MOST_ATTEMPTS + 1):
            with pytest.raises(making.NotReady):
                await previewed.make(content)
    await previewed.make(content)
    assert (await previewed.found(content)).preview.state == MADE


async def test_what_is_damaged_is_not_refused_for_it(previewed: Previewed, monkeypatch: pytest.MonkeyPatch) -> None:
    content = await previewed.process.put(LARGE)
    await previewed.ask(content)
    (file,) = previewed.process.files()
    whole = file.read_bytes()
    file.write_bytes(bytes(len(whole)))
    for _ in range(MOST_ATTEMPTS + 1):
        with pytest.raises(CorruptContent):
            await previewed.make(content)
    file.write_bytes(whole)
    await previewed.make(content)
    assert (await previewed.found(content)).preview.state == MADE


class _Asked(Asking):
    """Whose objects are pictures, and who asks for their previews as the door does."""

    async def look(self, key: str = "key", recipe: str = "64") -> Any:
        bucket = await self.database.read(buckets.find, "bucket")
        call = Call(self.process.services, ANONYMOUS, {}, "r", 0, bucket=bucket)
        return await get_preview(call, {"Key": key, "Recipe": recipe})

    async def put_picture(self, data: bytes = LARGE) -> Content:
        await self.make()
        content = await self.process.put(data)
        self._content_id = content.id
        await self.put(["key"])
        await self.database.write(lambda conn: conn.execute(update(schema.objects).values(size=len(data))) and None)
        return content


async def test_who_asks_waits_and_is_told_to_ask_again(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, previewed = _Asked(process), Previewed(process)
    content = await asked.put_picture()
    monkeypatch.setattr(operation, "WAITS", 0.0)
    with pytest.raises(PreviewPending) as pending:
        await asked.look()
    assert (pending.value.status, pending.value.headers["Retry-After"]) == (503, "2")
    monkeypatch.setattr(operation, "WAITS", 5.0)
    output, _ = await asyncio.gather(asked.look(), previewed.make(content))
    assert output["ContentType"] == "image/webp"
    await output["Body"].aclose()


async def test_a_preview_that_went_bad_is_made_again(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, previewed = _Asked(process), Previewed(process)
    content = await asked.put_picture()
    before = set(process.files())
    previewed.settings.inline_limit = 0
    await previewed.made(content)
    (file,) = set(process.files()) - before
    whole = file.read_bytes()
    file.write_bytes(bytes(len(whole)))
    monkeypatch.setattr(operation, "WAITS", 0.0)
    with pytest.raises(PreviewPending):
        await asked.look()
    await previewed.run()
    output = await asked.look()
    assert output["Body"].whole == whole[: output["ContentLength"]]
    await process.reap(4)
    assert (await asked.look())["Body"].whole == output["Body"].whole


async def test_what_needs_no_decoder_to_be_refused_leaves_nothing(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _Asked(process)
    await asked.put_picture(odd("page.pdf"))
    with pytest.raises(NoPreviewOfType):
        await asked.look(recipe="optimize")
    with monkeypatch.context() as patched:
        patched.setattr(operation, "is_installed", lambda kind: False)
        with pytest.raises(errors.NotImplemented) as refused:
            await asked.look()
        assert "s3gw[previews]" in refused.value.message
    process.services.settings.preview_max_size = len(odd("page.pdf")) - 1  # type: ignore[misc]
    with pytest.raises(NoPreview):
        await asked.look()
    assert await Previewed(process).counted() == (0, 0) and await process.database.read(jobs.list_jobs) == []


async def test_a_job_that_died_is_asked_for_again(previewed: Previewed) -> None:
    content = await previewed.process.put(LARGE)
    await previewed.ask(content)
    await previewed.database.write(lambda conn: conn.execute(update(schema.jobs).values(state=jobs.DEAD)) and None)
    await previewed.ask(content)
    assert sorted(each.state for each in await previewed.run()) == [jobs.DEAD, jobs.DONE]
    assert (await previewed.found(content)).preview.state == MADE


async def test_all_that_can_go_goes_step_by_step(
    previewed: Previewed, monkeypatch: pytest.MonkeyPatch, children: list[str]
) -> None:
    monkeypatch.setattr(releasing, "_STEP", 3)
    monkeypatch.setattr(releasing, "_BATCH", 2)
    put = [await previewed.process.put(odd("declared.png") + bytes([number])) for number in range(8)]
    for content in put:
        await previewed.ask(content)
    for content in put[:3] + put[4:]:
        await previewed.drop(content)
    await previewed.release()
    assert await previewed.counted() == (1, 1) and children == []
    assert (await previewed.found(put[3])).preview.state == PENDING
