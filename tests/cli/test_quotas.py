"""`s3gw quota` and `s3gw usage`: what they set, print and refuse, and that a wrong count is found and set right."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from s3gw.metadata import buckets, usage
from s3gw.metadata.database import Connection
from s3gw.metadata.engines import open_database
from s3gw.metadata.usage import Usage
from tests.cli.commands import Ask, Command, refusal


@pytest.fixture(autouse=True)
def bucket(ask: Ask) -> None:
    ask("user", "create", "owner")
    ask("bucket", "create", "pictures", "--owner", "owner")


OF_BUCKET = {"of": "bucket", "name": "pictures", "prefix": None}
OF_PREFIX = {"of": "prefix", "name": "pictures", "prefix": "a/"}
OF_USER = {"of": "user", "name": "owner", "prefix": None}
USED = {"used_bytes": 0, "used_objects": 0}


@pytest.mark.parametrize(
    ("whose", "told"),
    [
        (("--bucket", "pictures"), OF_BUCKET),
        (("--bucket", "pictures", "--prefix", "a/"), OF_PREFIX),
        (("--user", "owner"), OF_USER),
    ],
)
def test_a_quota_is_set_in_parts_listed_and_removed(ask: Ask, whose: tuple[str, ...], told: dict[str, Any]) -> None:
    set_ = ask("quota", "set", *whose, "--bytes", "10G")
    assert set_ == told | USED | {"max_bytes": 10 << 30, "max_objects": None}
    assert ask("quota", "set", *whose, "--objects", "5")["max_bytes"] == 10 << 30
    both = ask("quota", "set", *whose, "--bytes", "0")
    assert (both["max_bytes"], both["max_objects"]) == (0, 5)
    found = ask("quota", "list", *whose[:2])
    assert [quota for quota in found if quota["of"] == told["of"]] == [both]
    assert both in ask("quota", "list")
    without = ask("quota", "set", *whose, "--bytes", "none")
    assert (without["max_bytes"], without["max_objects"]) == (None, 5)
    removed = ask("quota", "remove", *whose)
    assert (removed["max_bytes"], removed["max_objects"]) == (None, None)
    assert ask("quota", "list", *whose[:2]) == []


@pytest.mark.parametrize(
    ("whose", "action"),
    [(("--bucket", "pictures"), "bucket.quota.put"), (("--user", "owner"), "user.quota.put")],
)
def test_a_quota_is_told_by_the_audit_log(ask: Ask, whose: tuple[str, ...], action: str) -> None:
    ask("quota", "set", *whose, "--bytes", "7")
    (line,) = ask("audit", "list", "--action", action)
    assert (line["door"], line["after"]) == ("cli", {"max_bytes": 7, "max_objects": None})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--bytes", "1"), "--bucket and --user"),
        (("--bucket", "pictures", "--user", "owner", "--bytes", "1"), "--bucket and --user"),
        (("--user", "owner", "--prefix", "a", "--bytes", "1"), "--prefix is of a bucket"),
        (("--bucket", "pictures"), "nothing to set"),
        (("--bucket", "none", "--bytes", "1"), "no bucket none"),
        (("--user", "nobody", "--bytes", "1"), "nobody"),
        *(
            (("--bucket", "pictures", "--bytes", wrong), "no number")
            for wrong in ("", "-5", "10X", "G", "8388608T", "²")
        ),
        (("--bucket", "pictures", "--objects", "1K"), "no number"),
    ],
)
def test_what_is_no_quota_is_refused(run: Command, arguments: tuple[str, ...], told: str) -> None:
    assert told in refusal(run("quota", "set", *arguments))


def test_the_largest_quota_is_one(ask: Ask) -> None:
    assert ask("quota", "set", "--bucket", "pictures", "--bytes", str(2**63 - 1))["max_bytes"] == 2**63 - 1


def miscount(data: Path) -> None:
    """As a mistake of ours would leave it."""

    def steps(conn: Connection) -> None:
        found = buckets.find(conn, "pictures")
        assert found is not None
        usage.add(conn, found.id, Usage(bytes=5, versions=-1))
        usage.add_below(conn, found.id, "a/b", Usage(bytes=2))

    async def run() -> None:
        database = open_database(None, data)
        try:
            await database.write(steps)
        finally:
            await database.close()

    asyncio.run(run())


def test_what_is_counted_wrong_is_found_told_and_set_right(ask: Ask, run: Command, data: Path) -> None:
    ask("bucket", "create", "others", "--owner", "owner")
    ask("quota", "set", "--bucket", "pictures", "--prefix", "a/", "--bytes", "10")
    assert ask("usage", "check") == []
    assert run("usage", "check").stderr == "Nothing differs.\n"
    miscount(data)
    assert ask("usage", "list", "pictures")[0]["bytes"] == 5
    wrong = run("usage", "check")
    assert (wrong.exit_code, wrong.stderr) == (1, "")
    assert wrong.stdout.count("pictures") == 3
    assert ask("usage", "check", "others") == []
    repaired = ask("usage", "check", "--repair")
    assert repaired == [
        {"bucket": "pictures", "prefix": None, "what": "bytes", "kept": 5, "counted": 0, "repaired": True},
        {"bucket": "pictures", "prefix": None, "what": "versions", "kept": -1, "counted": 0, "repaired": True},
        {"bucket": "pictures", "prefix": "a/", "what": "bytes", "kept": 2, "counted": 0, "repaired": True},
    ]
    assert ask("usage", "check") == []
    assert ask("usage", "list", "pictures")[0]["bytes"] == 0
    (line,) = ask("audit", "list", "--action", "bucket.usage.repair")
    assert (line["resource"], line["before"][":bytes"], line["after"][":bytes"]) == ("pictures", 5, 0)


def test_a_bucket_that_is_not_there_is_not_checked(run: Command) -> None:
    assert "no bucket none" in refusal(run("usage", "check", "none"))
