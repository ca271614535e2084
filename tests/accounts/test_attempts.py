"""What failed attempts are counted for: nobody's count is used up by what somebody else says he is."""

from __future__ import annotations

import pytest

from s3gw.accounts.attempts import MOST_OF_ADDRESS, MOST_OF_NAME, Attempts, used_up
from s3gw.addresses import client_of
from s3gw.metadata import failed_attempts, identities
from s3gw.metadata.database import Database
from s3gw.problems import RateLimited

pytestmark = pytest.mark.anyio


async def failures(database: Database, name: str, *addresses: str) -> int:
    """How many of those, one from each address, weren't too many."""
    attempts, counted = Attempts(database), 0
    for address in addresses:
        outcome = await attempts.fail(await attempts.limits_of(name, address), None)
        counted += not isinstance(outcome, RateLimited)
    return counted


async def known(database: Database, name: str, address: str, email: str | None = None) -> None:
    """Somebody who has logged in from there."""
    user = await database.write(lambda conn: identities.create_user(conn, name=name, email=email))
    await database.write(failed_attempts.know_address, user.id, client_of(address))


async def test_a_network_of_ipv6_is_one_address_and_a_mapped_one_is_that_of_ipv4(database: Database) -> None:
    attempts = Attempts(database)
    one = [limit.key for limit in await attempts.limits_of("ann", "2001:db8:1:2:3:4:5:6")]
    same = [limit.key for limit in await attempts.limits_of("ann", "2001:db8:1:2::7")]
    other = [limit.key for limit in await attempts.limits_of("ann", "2001:db8:1:3::7")]
    assert one == same and one[1] != other[1]
    mapped = [limit.key for limit in await attempts.limits_of("ann", "::ffff:192.0.2.1")]
    assert mapped == [limit.key for limit in await attempts.limits_of("ann", "192.0.2.1")]


async def test_the_limit_of_an_address_holds_for_a_network_of_ipv6(database: Database) -> None:
    """And the refused logins of it are one line."""
    attempts = Attempts(database)
    for number in range(MOST_OF_ADDRESS):
        limits = await attempts.limits_of(f"name-{number}", f"2001:db8::{number:x}")
        assert await attempts.fail(limits, None) is None
    limits = await attempts.limits_of("another", "2001:db8::ffff:1")
    assert isinstance(await attempts.fail(limits, None), RateLimited)
    assert limits[1].counted.address == "2001:db8::"


async def test_what_others_behind_an_address_fail_keeps_nobody_out_who_is_known_there(database: Database) -> None:
    """He has ten a minute of his own there, which the address's limit neither takes nor is given."""
    attempts, address = Attempts(database), "192.0.2.1"
    await known(database, "ann", address)
    for number in range(MOST_OF_ADDRESS + 1):
        outcome = await attempts.fail(await attempts.limits_of(f"name-{number}", address), None)
        assert isinstance(outcome, RateLimited) == (number == MOST_OF_ADDRESS)
    limits = await attempts.limits_of("ann", address)
    await attempts.require(limits)
    assert await database.read(used_up, limits) is None  # as of a wrong code
    assert await failures(database, "ann", *[address] * (MOST_OF_NAME + 1)) == MOST_OF_NAME
    with pytest.raises(RateLimited):
        await attempts.require(limits)


async def test_a_known_user_s_failures_are_not_the_address_s(database: Database) -> None:
    address = "192.0.2.1"
    for number in range(MOST_OF_ADDRESS // MOST_OF_NAME):
        await known(database, f"ann-{number}", address)
        assert await failures(database, f"ann-{number}", *[address] * MOST_OF_NAME) == MOST_OF_NAME
    assert await failures(database, "another", address) == 1


async def test_who_logged_in_from_a_network_of_ipv6_is_known_in_all_of_it(database: Database) -> None:
    await known(database, "ann", "2001:db8::1")
    assert await failures(database, "ann", *["192.0.2.1"] * (MOST_OF_NAME + 1)) == MOST_OF_NAME
    assert await failures(database, "ann", "2001:db8::2") == 1


async def test_a_name_that_ends_like_an_address_uses_up_no_limit_of_another(database: Database) -> None:
    await known(database, "ann", "192.0.2.1")
    assert await failures(database, "ann/192.0.2.1", *["192.0.2.9"] * (MOST_OF_NAME + 1)) == MOST_OF_NAME
    assert await failures(database, "ann", "192.0.2.1") == 1


async def test_a_name_that_begins_with_a_reset_uses_up_no_messages(database: Database) -> None:
    attempts = Attempts(database)
    await failures(database, "reset ann@example.com", *["192.0.2.9"] * MOST_OF_NAME)
    limits = attempts.limits_of_reset("ann@example.com", "192.0.2.1")
    assert [await attempts.fail(limits, None) for _ in range(MOST_OF_NAME)] == [None] * MOST_OF_NAME
    assert isinstance(await attempts.fail(limits, None), RateLimited)


async def test_the_key_of_a_subject_is_short_and_another_for_other_parts(database: Database) -> None:
    attempts = Attempts(database)
    names = ["a/b", "a", "b", 'a", "b', "a" * 100_000]
    keys = {limit.key for name in names for limit in await attempts.limits_of(name, "192.0.2.1")}
    assert len(keys) == len(names) + 1 and max(map(len, keys)) < 128


async def test_a_user_has_one_limit_by_name_and_by_email_address(database: Database) -> None:
    await known(database, "ann", "192.0.2.1", "ann@example.com")
    assert await failures(database, "ann", *["192.0.2.9"] * (MOST_OF_NAME - 1)) == MOST_OF_NAME - 1
    assert await failures(database, "Ann@Example.com", "192.0.2.9", "192.0.2.8") == 1
    assert await failures(database, "ann@example.com", "192.0.2.1") == 1


@pytest.mark.parametrize(("one", "other", "are_one"), [("Bo@example.com", "bo@example.com", True), ("Bo", "bo", False)])
async def test_spellings_of_nobody_are_counted_as_those_of_somebody(
    database: Database, one: str, other: str, are_one: bool
) -> None:
    """Else they would tell who there is."""
    await known(database, "eve", "192.0.2.1", "eve@example.com")
    for first, second in ((one, other), (one.replace("Bo", "Eve"), other.replace("bo", "eve"))):
        await failures(database, first, *["192.0.2.9"] * MOST_OF_NAME)
        assert await failures(database, second, "192.0.2.8") == (0 if are_one else 1)
