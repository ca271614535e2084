"""Users and access keys, on both databases."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import update

from s3gw.metadata import buckets, deleted_users, identities, logins, one_time_tokens, resolve, schema
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.identities import IdentityError, NoSuchAccessKey, NoSuchUser
from s3gw.metadata.logins import Login
from s3gw.problems import Conflict, Invalid, Problem

pytestmark = pytest.mark.anyio
Run = Callable[..., Awaitable[Any]]


@pytest.fixture
def run(database: Database) -> Run:
    async def write(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await database.write(functools.partial(_call, fn, args, kwargs))

    return write


def _call(fn: Callable[..., Any], args: Any, kwargs: Any, conn: Connection) -> Any:
    return fn(conn, *args, **kwargs)


@pytest.fixture
async def admin(run: Run) -> identities.User:
    user: identities.User = await run(identities.create_user, name="admin", role="admin")
    return user


@pytest.fixture
async def alice(run: Run, admin: identities.User) -> identities.User:
    user: identities.User = await run(identities.create_user, name="alice", email="alice@example.com")
    return user


async def test_a_user_is_an_account_of_its_own(run: Run, admin: identities.User, alice: identities.User) -> None:
    assert len(alice.id) == 36
    assert len(alice.canonical_id) == 64
    assert int(alice.canonical_id, 16)
    assert len(alice.account_id) == 12
    assert alice.account_id.isdigit()
    assert alice.display_name == "alice"
    assert alice.role == "user"
    assert {alice.id, alice.canonical_id, alice.account_id}.isdisjoint({admin.id, admin.canonical_id, admin.account_id})
    assert await run(identities.list_users) == [admin, alice]


async def test_another_address_is_not_confirmed_and_the_same_one_stays_so(run: Run, alice: identities.User) -> None:
    await run(logins.confirm_address, alice.id, "alice@example.com")
    await run(identities.update_user, "alice", email="Alice@example.com", display_name="Alice")
    assert await run(logins.is_verified, alice.id)
    await run(identities.update_user, "alice", email="alice@example.com")
    assert await run(logins.find_by_email, "alice@example.com", confirmed=True) is not None
    await run(identities.update_user, "alice", email="bob@example.com")
    assert not await run(logins.is_verified, alice.id)
    assert await run(logins.find_by_email, "bob@example.com", confirmed=True) is None
    await run(identities.update_user, "alice", email="alice@example.com")
    assert not await run(logins.is_verified, alice.id)


async def test_an_address_that_is_not_trusted_finds_nobody_for_a_while(run: Run, alice: identities.User) -> None:
    email = "alice@example.com"
    await run(logins.confirm_address, alice.id, email)
    await run(one_time_tokens.distrust_address, alice.id, lifetime=60)
    await run(one_time_tokens.distrust_address, alice.id, lifetime=60)
    for confirmed in (False, True):
        assert await run(logins.find_by_email, email, confirmed=confirmed) is None
    earlier = update(schema.one_time_tokens).values(expires_at=schema.one_time_tokens.c.expires_at - 61_000_000)
    await run(lambda conn: conn.execute(earlier))
    for confirmed in (False, True):
        found = await run(logins.find_by_email, email, confirmed=confirmed)
        assert found.id == alice.id and found.email_verified_at is not None
    await run(one_time_tokens.distrust_address, alice.id, lifetime=60)
    await run(identities.update_user, "alice", email="bob@example.com")  # by the command line
    assert await run(logins.find_by_email, "bob@example.com") is not None


async def test_a_user_is_found_by_name_id_and_email(run: Run, alice: identities.User) -> None:
    for name in ("alice", alice.id, "alice@example.com"):
        assert await run(identities.find_user, name) == alice
    with pytest.raises(NoSuchUser, match="there is no user bob"):
        await run(identities.find_user, "bob")


@pytest.mark.parametrize("taken", [{"name": "alice"}, {"name": "other", "email": "alice@example.com"}])
async def test_names_and_emails_are_unique(run: Run, alice: identities.User, taken: dict[str, str]) -> None:
    with pytest.raises(Problem, match="already a user"):
        await run(identities.create_user, **taken)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"name": name} for name in ("", "al", "a b", "x" * 51, "a@b", "a,b", "bob\n", str(uuid.uuid4()))),
        {"name": uuid.uuid4().hex},  # Python reads that as an id too
        {"email": "nowhere"},
        {"role": "king"},
    ],
)
async def test_what_a_user_may_not_be_is_refused(run: Run, alice: identities.User, wrong: dict[str, str]) -> None:
    with pytest.raises(Problem):
        await run(identities.create_user, **({"name": "bob"} | wrong))
    with pytest.raises(Problem):
        await run(identities.update_user, "alice", **wrong)


async def test_an_update_changes_what_is_given(run: Run, alice: identities.User) -> None:
    changed = await run(identities.update_user, "alice", display_name="Alice", role="auditor")
    assert changed == alice._replace(display_name="Alice", role="auditor", updated_at=changed.updated_at)
    assert changed.updated_at > alice.updated_at
    assert (await run(identities.update_user, "alice", email="")).email is None
    assert (await run(identities.update_user, "alice", name="ali")).name == "ali"


async def test_names_that_differ_by_case_are_one(run: Run, alice: identities.User) -> None:
    """Who is deleted keeps its name too."""
    for write in (
        functools.partial(run, identities.create_user, name="ALICE"),
        functools.partial(run, identities.update_user, "admin", name="Alice"),
    ):
        with pytest.raises(Conflict, match="there is already a user with the name alice"):
            await write()
    assert (await run(identities.update_user, "alice", name="Alice")).name == "Alice"


async def test_a_name_of_an_earlier_release_stays(run: Run, alice: identities.User) -> None:
    old = "a+b@c," + "x" * 58
    await run(lambda conn: conn.execute(update(schema.users).values(name=old).where(schema.users.c.id == alice.id)))
    changed = await run(identities.update_user, old, name=old, display_name="Alice")
    assert (changed.name, changed.display_name) == (old, "Alice")
    with pytest.raises(Invalid):
        await run(identities.update_user, old, name=old + "x")


async def test_an_update_to_a_taken_name_is_refused(run: Run, alice: identities.User) -> None:
    with pytest.raises(Problem, match="already a user"):
        await run(identities.update_user, "alice", name="admin")


async def test_the_last_admin_stays(run: Run, admin: identities.User, alice: identities.User) -> None:
    for refused in (
        functools.partial(run, identities.set_user_enabled, "admin", False),
        functools.partial(run, deleted_users.delete_now, COMMAND_LINE, "admin"),
        functools.partial(run, identities.update_user, "admin", role="user"),
    ):
        with pytest.raises(IdentityError, match="the only admin"):
            await refused()
    await run(identities.update_user, "alice", role="admin")
    await run(deleted_users.delete_now, COMMAND_LINE, "admin")
    assert not [user for user in await run(identities.list_users) if user.name == "admin"]


async def test_a_signature_is_checked_with_one_row(run: Run, alice: identities.User) -> None:
    await run(identities.create_key, user="alice", access_key_id="AKIAALICE", sealed_secret=b"sealed", expires_at=123)
    key = (await run(resolve.key_and_bucket, "AKIAALICE", None)).access_key
    assert key == (
        alice.id,
        alice.canonical_id,
        alice.account_id,
        "alice",
        "user",
        1,
        1,
        123,
        b"sealed",
        alice.id,
        "",
        "",
    )
    await run(identities.set_user_enabled, "alice", False)
    await run(identities.update_key, "AKIAALICE", is_enabled=False)
    key = (await run(resolve.key_and_bucket, "AKIAALICE", None)).access_key
    assert (key.user_enabled, key.key_enabled) == (0, 0)
    assert (await run(resolve.key_and_bucket, "akiaalice", None)).access_key is None


async def test_a_user_in_the_account_of_another_has_its_ids(run: Run, alice: identities.User) -> None:
    def take_in(conn: Connection) -> identities.User:
        bob = identities.create_user(conn, name="bob")
        conn.execute(update(schema.users).where(schema.users.c.id == bob.id).values(account_owner_id=alice.id))
        identities.create_key(conn, user="bob", access_key_id="AKIABOB", sealed_secret=b"sealed")
        return bob

    bob = await run(take_in)
    key = (await run(resolve.key_and_bucket, "AKIABOB", None)).access_key
    assert (key.user_id, key.name) == (bob.id, "bob")
    assert (key.canonical_id, key.account_id, key.account_owner_id) == (alice.canonical_id, alice.account_id, alice.id)


async def test_a_principal_is_a_user_of_its_account(run: Run, alice: identities.User) -> None:
    editor = await run(identities.create_user, name="editor", account="alice")
    account = alice.account_id
    named = {(account, "alice"), (account, "editor"), ("", "editor"), ("", editor.id), ("1", "editor"), ("", "nobody")}
    found = [(account, "alice", alice.id)]
    found += [(where, name, editor.id) for where, name in ((account, "editor"), ("", "editor"), ("", editor.id))]
    assert await run(identities.ids_of_principals, named) == sorted(found)
    assert await run(identities.ids_of_principals, set()) == []


async def test_keys_are_listed_shown_changed_and_deleted(run: Run, alice: identities.User) -> None:
    first = await run(identities.create_key, user="alice", access_key_id="FIRST", sealed_secret=b"1")
    second = await run(identities.create_key, user="admin", access_key_id="SECOND", sealed_secret=b"2")
    assert await run(identities.list_keys) == [second, first]
    assert await run(identities.list_keys, "alice") == [first]
    assert await run(identities.find_key, "FIRST") == first
    changed = await run(identities.update_key, "FIRST", description="backup", expires_at=5)
    assert changed == first._replace(description="backup", expires_at=5)
    assert await run(identities.delete_key, "FIRST") == changed
    with pytest.raises(NoSuchAccessKey):
        await run(identities.update_key, "FIRST", description="")


async def test_an_access_key_id_is_unique(run: Run, alice: identities.User) -> None:
    await run(identities.create_key, user="alice", access_key_id="SAME", sealed_secret=b"1")
    with pytest.raises(IdentityError, match="already an access key SAME"):
        await run(identities.create_key, user="admin", access_key_id="SAME", sealed_secret=b"2")


@pytest.mark.parametrize(
    "pair", [("a/b/c", "s" * 20), ("a:b", "s" * 20), ("ab", "s" * 20), ("abc", "short"), ("abc", "a b c d e f")]
)
def test_a_pair_that_a_signature_could_not_carry_is_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(IdentityError):
        identities.check_access_key(*pair)


async def test_a_user_that_owns_a_bucket_stays(run: Run, alice: identities.User) -> None:
    await run(identities.create_key, user="alice", access_key_id="KEY", sealed_secret=b"1")
    bucket_id = await run(buckets.create, name="hers", owner_id=alice.id, region="us-east-1", defaults="aws", now=1)
    with pytest.raises(IdentityError, match="alice owns 1 bucket:"):
        await run(deleted_users.delete_now, COMMAND_LINE, "alice")
    await run(buckets.delete_bucket, bucket_id)
    await run(deleted_users.delete_now, COMMAND_LINE, "alice")
    assert await run(identities.list_keys) == []


async def test_a_password_counts_while_its_user_is_enabled(run: Run, alice: identities.User) -> None:
    assert await run(logins.find_login, "alice") == Login(alice.id, None)
    await run(identities.update_user, "alice", password_hash="$argon2id$…")
    assert await run(logins.find_login, "alice") == Login(alice.id, "$argon2id$…")
    await run(identities.set_user_enabled, "alice", False)
    assert await run(logins.find_login, "alice") is None


async def test_a_store_without_users_knows_it(run: Run) -> None:
    assert not await run(identities.has_users)
    assert await run(identities.any_sealed_secret) is None
    await run(identities.create_user, name="admin", role="admin")
    await run(identities.create_key, user="admin", access_key_id="KEY", sealed_secret=b"1")
    assert await run(identities.has_users)
    assert await run(identities.any_sealed_secret) == ("KEY", b"1")
