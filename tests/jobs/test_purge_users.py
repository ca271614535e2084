"""Deleted users go for good when they can't be restored any more, and what they owned is an admin's or is removed."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, update

from s3gw.jobs import estate
from s3gw.jobs import purge_users as purging
from s3gw.jobs.purge_users import hand_over, purge_users
from s3gw.metadata import (
    buckets,
    configurations,
    deleted_buckets,
    deleted_users,
    groups,
    identities,
    jobs,
    objects,
    schema,
    trash,
    uploads,
    usage,
)
from s3gw.metadata.audit import Actor
from s3gw.metadata.change import Change, ChangeFacts, KeyLock
from s3gw.metadata.database import Connection, now
from s3gw.metadata.deleted_users import DataAfter, parse_data_after
from s3gw.metadata.identities import User
from s3gw.metadata.objects import NewObject
from s3gw.metadata.uploads import Upload
from s3gw.problems import Invalid, Problem
from tests.jobs.conftest import DAY, Process, ignore

pytestmark = pytest.mark.anyio

BY = Actor("", "", "cli")


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock has been right for an hour, and small steps are taken."""
    monkeypatch.setattr(purging, "_clock", SimpleNamespace(settle=lambda now: now))
    monkeypatch.setattr(estate, "_READ", 3)
    monkeypatch.setattr(estate, "_WRITTEN", 2)


def change(conn: Connection, bucket_id: int, key: str, user_id: str) -> Change:
    return Change(conn, ChangeFacts(bucket_id, BY, user_id, now(conn)), [KeyLock(bucket_id, key)])


class World:
    """An admin and two users: `gone` owns a bucket with ten versions, `other` one into which both wrote."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def fill(self) -> None:
        content = await self._process.put()
        await self._process.database.write(self._fill, content.id)

    def _fill(self, conn: Connection, content_id: int) -> None:
        make = identities.create_user
        self.admin, self.gone, self.other = (
            make(conn, name="admin", role="admin"),
            make(conn, name="gone"),
            make(conn, name="other"),
        )
        self.own, self.others = (self._bucket(conn, user, "classic") for user in (self.gone, self.other))
        for bucket_id in (self.own, self.others):
            configurations.set_versioning(change(conn, bucket_id, "", ""), "Enabled")
        for number in range(10):
            self.put(conn, content_id, self.own, f"key{number % 4}", self.gone)
        for key, user in (("both", self.other), ("both", self.gone), ("mine", self.gone), ("theirs", self.other)):
            self.put(conn, content_id, self.others, key, user)
        objects.delete_latest(change(conn, self.others, "theirs", self.gone.id), "theirs")  # hidden by `gone`
        for bucket_id in (self.own, self.others):
            upload = Upload(uploads.new_upload_id(now(conn)), bucket_id, "u", now(conn), self.gone.id, self.gone.id,
                            "STANDARD", None, None, None, None, None)  # fmt: skip
            uploads.begin(change(conn, bucket_id, "u", self.gone.id), upload)

    def _bucket(self, conn: Connection, user: User, defaults: str) -> int:
        name = f"{user.name}-{defaults}"
        return buckets.create(conn, name=name, owner_id=user.id, region="us-east-1", defaults=defaults, now=now(conn))

    def put(self, conn: Connection, content_id: int, bucket_id: int, key: str, user: User) -> None:
        acl = json.dumps([[user.canonical_id, "FULL_CONTROL"], [self.admin.canonical_id, "READ"]])
        new = NewObject(key, 1, "e", user.id, acl=acl)

        def place(conn: Connection) -> int:
            conn.execute(update(schema.contents).values(refs=schema.contents.c.refs + 1))
            return content_id

        objects.put(change(conn, bucket_id, key, user.id), new, place)

    async def delete(self, data: str, days_ago: float = 31) -> None:
        def steps(conn: Connection) -> None:
            user = deleted_users.delete_softly(conn, BY, self.gone.id, parse_data_after(data))
            assert user.deleted_at is not None
            at = user.deleted_at - int(days_ago * DAY)
            conn.execute(update(schema.users).where(schema.users.c.id == user.id).values(deleted_at=at))

        await self._process.database.write(steps)

    async def owners(self) -> dict[str, set[str]]:
        """By name, or id of who isn't there: of what each has something."""
        return await self._process.database.read(self._owners)

    def _owners(self, conn: Connection) -> dict[str, set[str]]:
        names = {user.id: user.name for user in identities.list_users(conn)}
        found: dict[str, set[str]] = {}
        for row in conn.execute(select(schema.buckets.c.owner_id, schema.buckets.c.name)).all():
            found.setdefault(names.get(row[0], "?"), set()).add(row[1])
        for row in conn.execute(select(schema.objects)).all():
            what = f"{'marker of ' if row.is_delete_marker else ''}{row.key}"
            found.setdefault(names.get(row.owner_id, "?"), set()).add(what)
            if row.acl is not None:
                assert [names.get(row.owner_id)] == [
                    user.name for user in identities.list_users(conn) if user.canonical_id == json.loads(row.acl)[0][0]
                ]
        for row in conn.execute(select(schema.uploads)).all():
            assert row.owner_id == row.initiator_id
            found.setdefault(names.get(row.owner_id, "?"), set()).add(f"upload {row.bucket_id == self.own}")
        return found


@pytest.fixture
async def world(process: Process) -> World:
    made = World(process)
    await made.fill()
    return made


HIS = {"key0", "key1", "key2", "key3", "both", "mine", "marker of theirs", "upload True", "upload False"}


async def purge(process: Process) -> None:
    await purge_users(process.services, None, ignore)


async def names(process: Process) -> list[str]:
    return [user.name for user in await process.database.read(identities.list_users)]


async def test_what_is_kept_is_an_admin_s_when_the_user_can_not_be_restored_any_more(
    process: Process, world: World
) -> None:
    await world.delete("keep", days_ago=29.9)
    await purge(process)
    assert await world.owners() == {"gone": {"gone-classic", *HIS}, "other": {"other-classic", "both", "theirs"}}
    assert (await process.database.write(deleted_users.restore, BY, world.gone.id)).deleted_at is None
    await world.delete("keep", days_ago=30.1)
    await purge(process)
    assert await names(process) == ["admin", "other"]
    assert await world.owners() == {"admin": {"gone-classic", *HIS}, "other": {"other-classic", "both", "theirs"}}
    lines = await process.database.read(audited)
    assert lines[-2:] == [("user.hand_over", "gone"), ("user.purge", "gone")]
    assert ("bucket.owner.put", "gone-classic") in lines
    namesake = await process.database.write(lambda conn: identities.create_user(conn, name="gone"))
    assert namesake.id != world.gone.id and namesake.canonical_id != world.gone.canonical_id


def audited(conn: Connection) -> list[tuple[str, str]]:
    log = schema.audit_log.c
    return [(row.action, row.resource) for row in conn.execute(select(log.action, log.resource).order_by(log.id)).all()]


async def test_what_is_kept_goes_to_the_admin_who_deleted_or_else_to_the_first(process: Process, world: World) -> None:
    def of(conn: Connection, deleted_by: str) -> str:
        due = deleted_users.Due(world.gone, DataAfter("keep"), deleted_by)
        return deleted_users.heir_of(conn, due).name

    second = await process.database.write(lambda conn: identities.create_user(conn, name="second", role="admin"))
    for by, heir in ((second.id, "second"), (world.gone.id, "admin"), (world.other.id, "admin"), ("", "admin")):
        assert await process.database.read(of, by) == heir
    await process.database.write(lambda conn: identities.set_user_enabled(conn, "second", False))
    assert await process.database.read(of, second.id) == "admin"


async def test_only_what_was_to_be_deleted_is_removed(process: Process, world: World) -> None:
    """From another's bucket his objects go, but for the delete marker, which hides somebody's."""
    await world.delete("delete")
    await purge(process)
    assert await world.owners() == {"other": {"other-classic", "both", "theirs", "marker of theirs"}}
    assert await names(process) == ["admin", "other"]
    lines = await process.database.read(audited)
    assert ("bucket.delete", "gone-classic") in lines and lines[-1] == ("user.purge", "gone")
    refs = await process.database.read(lambda conn: conn.execute(select(schema.contents.c.refs)).scalar_one())
    assert refs == 3, "the first put, and the two objects that are left"


async def test_where_acls_are_disabled_the_bucket_s_owner_keeps_what_others_wrote(
    process: Process, world: World
) -> None:
    def disable(conn: Connection) -> None:
        controls = buckets.ownership_controls("BucketOwnerEnforced")
        buckets.insert_configuration(conn, world.others, "OwnershipControls", controls)

    await process.database.write(disable)
    await world.delete("delete")
    await purge(process)
    assert await world.owners() == {"other": {"other-classic", "both", "theirs", "mine", "marker of theirs"}}


@pytest.mark.parametrize(("data", "owner"), [("keep", "admin"), ("delete", None)])
async def test_a_bucket_that_was_deleted_and_can_be_restored_goes_with_the_rest(
    process: Process, world: World, data: str, owner: str | None
) -> None:
    def delete_one(conn: Connection) -> str:
        bucket_id = world._bucket(conn, world.gone, "aws")
        acl = [[world.gone.canonical_id, "FULL_CONTROL"]]
        buckets.insert_configuration(conn, bucket_id, "ACL", acl)
        conn.execute(update(schema.buckets).where(schema.buckets.c.id == bucket_id).values(trash_seconds=60))
        assert uploads.delete_bucket(change(conn, bucket_id, "", world.gone.id))
        return buckets.uuid_of(conn, bucket_id)

    bucket_uuid = await process.database.write(delete_one)
    before = await process.database.read(deleted_buckets.find, bucket_uuid)
    assert before is not None
    revision = before.bucket.rules_revision
    await world.delete(data)
    await purge(process)
    assert await names(process) == ["admin", "other"]
    found = await process.database.read(deleted_buckets.find, bucket_uuid)
    assert (found is None) == (owner is None)
    if found is not None:
        assert found.bucket.owner_name == owner
        acl = await process.database.read(configurations.find, found.bucket.id, "ACL")
        assert acl == [[world.admin.canonical_id, "FULL_CONTROL"]]
        assert found.bucket.rules_revision != revision


@pytest.mark.parametrize(
    ("data", "defaults", "owner"),
    [("keep", "classic", "admin"), ("delete", "classic", None), ("delete", "aws", "other")],
)
async def test_what_is_in_the_trash_of_another_s_bucket_goes_with_the_rest(
    process: Process, world: World, data: str, defaults: str, owner: str | None
) -> None:
    """Or it would be restored as somebody's who isn't there, whom nobody can ask for it."""

    def fill(conn: Connection) -> int:
        given = {"name": "kept", "owner_id": world.other.id, "region": "us-east-1", "defaults": defaults}
        bucket_id = buckets.create(conn, **given, now=now(conn), trash_seconds=60)
        content_id = conn.execute(select(schema.contents.c.id)).scalar_one()
        for user in (world.gone, world.other):
            world.put(conn, content_id, bucket_id, f"of {user.name}", user)
            done = change(conn, bucket_id, f"of {user.name}", user.id)
            objects.delete_latest(done, f"of {user.name}")
            done.finish()
        return bucket_id

    bucket_id = await process.database.write(fill)
    await world.delete(data)
    await purge(process)
    found = {each.key: each for each in await process.database.read(trash.list_after, bucket_id, None, 10)}
    expected = {"of other": "other"} | ({} if owner is None else {"of gone": owner})
    users = {user.id: user for user in await process.database.read(identities.list_users)}
    assert {key: users[each.owner_id].name for key, each in found.items()} == expected
    for each in found.values():
        assert json.loads(each.acl or "")[0][0] == users[each.owner_id].canonical_id
    assert (await process.database.read(usage.of_bucket, bucket_id)).trashed == len(found)


@pytest.mark.parametrize("data", ["keep", "delete"])
async def test_a_purge_that_dies_is_gone_on_with(
    process: Process, world: World, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.delete(data)
    original, steps = estate.paced, 0

    async def dying(step: Any) -> Any:
        nonlocal steps
        outcome = await original(step)
        steps += 1
        if steps % 3 == 0:
            raise MemoryError("it dies here")
        return outcome

    monkeypatch.setattr(estate, "paced", dying)
    deaths = 0
    while "gone" in await names(process):
        try:
            await purge(process)
        except MemoryError:
            deaths += 1
        with pytest.raises(Problem):  # what has begun can't be undone
            await process.database.write(deleted_users.restore, BY, world.gone.id)
    assert deaths > 2
    kept = {"admin": {"gone-classic", *HIS}} if data == "keep" else {}
    assert "gone" not in await world.owners()
    assert (await world.owners()).get("admin", set()) == kept.get("admin", set())


async def test_what_is_transferred_is_handed_over_at_once_and_no_longer_once_the_user_is_restored(
    process: Process, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.delete(f"transfer:{world.other.id}", days_ago=0)
    job = await process.the_job()
    assert job.kind == "hand_over"
    original = estate.paced

    async def restoring(step: Any) -> Any:
        outcome = await original(step)
        monkeypatch.setattr(estate, "paced", original)
        await process.database.write(deleted_users.restore, BY, world.gone.id)
        return outcome

    monkeypatch.setattr(estate, "paced", restoring)
    await hand_over(process.services, json.loads(job.payload), ignore)
    assert await world.owners() == {"other": {"gone-classic", "other-classic", "both", "theirs"}, "gone": HIS}
    await world.delete(f"transfer:{world.other.id}", days_ago=0)
    (second,) = [found for found in await process.database.read(jobs.list_jobs) if found.id != job.id]
    await hand_over(process.services, json.loads(job.payload), ignore)  # of the deletion before
    assert (await world.owners())["gone"] == HIS
    await hand_over(process.services, json.loads(second.payload), ignore)
    assert await world.owners() == {"other": {"gone-classic", "other-classic", "both", "theirs", *HIS}}
    assert (await process.database.read(audited))[-1] == ("user.hand_over", "gone")


async def test_the_users_of_an_account_go_before_its_owner(process: Process, world: World) -> None:
    def steps(conn: Connection) -> None:
        editor = identities.create_user(conn, name="editor", account="gone")
        groups.create(conn, "staff", "gone")
        with pytest.raises(Problem, match="gone has 1 user in its account: delete them first"):
            deleted_users.delete_softly(conn, BY, world.gone.id, DataAfter("keep"))
        deleted_users.delete_softly(conn, BY, editor.id, DataAfter("delete"))
        deleted_users.delete_softly(conn, BY, world.gone.id, DataAfter("keep"))
        with pytest.raises(Problem, match="is in the account of gone, who is deleted"):
            deleted_users.restore(conn, BY, editor.id)
        for refused in (
            lambda: identities.create_user(conn, name="writer", account="gone"),
            lambda: identities.create_key(conn, user="gone", access_key_id="AKIA", sealed_secret=b"s"),
            lambda: identities.set_user_enabled(conn, "gone", False),
        ):
            with pytest.raises(Problem, match="gone is deleted"):
                refused()
        conn.execute(update(schema.users).values(deleted_at=schema.users.c.deleted_at - 31 * DAY))

    await process.database.write(steps)
    await purge(process)
    assert await names(process) == ["admin", "other"]
    assert (await process.database.read(groups.list_all)) == []
    assert "gone-classic" in (await world.owners())["admin"]


async def test_a_clock_that_can_not_be_trusted_purges_nobody(
    process: Process, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "_clock", SimpleNamespace(settle=lambda now: None))
    await world.delete("delete")
    await purge(process)
    assert await names(process) == ["admin", "gone", "other"]


async def test_data_is_transferred_to_the_root_of_another_account(process: Process, world: World) -> None:
    def steps(conn: Connection) -> None:
        editor = identities.create_user(conn, name="editor", account="other")
        away = identities.create_user(conn, name="away")
        deleted_users.delete_softly(conn, BY, away.id, DataAfter("keep"))
        for to in (editor.id, away.id, world.gone.id, world.gone.id.replace("-", "0")[:36]):
            with pytest.raises(Invalid, match="can't be transferred"):
                deleted_users.delete_softly(conn, BY, world.gone.id, DataAfter("transfer", to))

    await process.database.write(steps)
    for text in ("", "throw", "transfer", "transfer:", "transfer:gone", "purged:keep"):
        with pytest.raises(Invalid):
            parse_data_after(text)
