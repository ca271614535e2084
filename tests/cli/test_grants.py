"""`s3gw grant`, and what of a bucket can't be granted, whoever asks."""

from __future__ import annotations

import pytest

from s3gw.metadata import grants
from tests.cli.commands import Ask, Command, refusal


@pytest.fixture(scope="module", autouse=True)
def people(once: Ask) -> None:
    once("user", "create", "owner")
    once("user", "create", "friend")
    once("group", "create", "staff", "--account", "owner")
    once("bucket", "create", "pictures", "--owner", "owner")


def test_a_grant_is_made_listed_changed_and_deleted(ask: Ask, run: Command) -> None:
    made = ask("grant", "create", "pictures", "--user", "friend", "--permission", "read", "--prefix", "a/")
    assert (made["resource_type"], made["path"], made["grantee"]) == ("prefix", "a/", "friend")
    ask("grant", "create", "pictures", "--group", "staff", "--permission", "write", "--key", "b")
    assert [(one["grantee"], one["permission"]) for one in ask("grant", "list", "pictures")] == [
        ("friend", "read"),
        ("staff", "write"),
    ]
    changed = ask("grant", "update", made["id"], "--permission", "admin", "--expires", "2099-01-01")
    assert (changed["permission"], changed["expires_at"]) == ("admin", "2099-01-01T00:00:00Z")
    assert ask("grant", "update", made["id"], "--expires", "never")["expires_at"] is None
    assert ask("grant", "delete", made["id"])["deleted"] is True
    assert [one["grantee"] for one in ask("grant", "list")] == ["staff"]
    assert "there is no such grant" in refusal(run("grant", "delete", made["id"]))
    assert "nothing to change" in refusal(run("grant", "update", made["id"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--user", "owner"), "the bucket is owner's own"),
        (("--user", "nobody"), "there is no user nobody"),
        (("--group", "nobody"), "there is no group nobody"),
        ((), "give one of --user and --group"),
        (("--user", "friend", "--group", "staff"), "give one of --user and --group"),
        (("--user", "friend", "--prefix", "a", "--key", "a"), "give --prefix or --key"),
        (("--user", "friend", "--expires", "2001-01-01"), "it would have expired already"),
    ],
)
def test_what_can_t_be_granted_is_refused(options: tuple[str, ...], message: str, run: Command) -> None:
    assert message in refusal(run("grant", "create", "pictures", "--permission", "read", *options))


def test_a_path_has_1024_bytes_at_most(ask: Ask, run: Command) -> None:
    to = ("grant", "create", "pictures", "--user", "friend", "--permission", "read")
    assert ask(*to, "--prefix", "a" * grants.LONGEST_PATH)["resource_type"] == "prefix"
    assert "at most 1024 bytes" in refusal(run(*to, "--prefix", "ü" * (grants.LONGEST_PATH // 2) + "a"))


def test_the_same_is_granted_once(ask: Ask, run: Command) -> None:
    to = ("grant", "create", "pictures", "--user", "friend", "--permission")
    ask(*to, "read")
    assert "granted something there already" in refusal(run(*to, "write"))
    ask(*to, "write", "--prefix", "a")
    ask(*to, "write", "--key", "a")


def test_who_is_granted_has_so_many_grants_at_most(ask: Ask, run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a bucket, and in all."""
    monkeypatch.setattr(grants, "MOST_OF_BUCKET", 2)
    monkeypatch.setattr(grants, "MOST_OF_GRANTEE", 3)
    to = ("--user", "friend", "--permission", "read")
    for key in "ab":
        ask("grant", "create", "pictures", *to, "--key", key)
    assert "2 grants at most in one bucket" in refusal(run("grant", "create", "pictures", *to))
    ask("bucket", "create", "films", "--owner", "owner")
    ask("grant", "create", "films", *to)
    assert "3 grants at most" in refusal(run("grant", "create", "films", *to, "--key", "a"))


def test_grants_go_with_their_group_their_user_and_their_bucket(ask: Ask) -> None:
    ask("grant", "create", "pictures", "--group", "staff", "--permission", "read")
    ask("group", "delete", "staff")
    assert ask("grant", "list") == []
    ask("grant", "create", "pictures", "--user", "friend", "--permission", "read")
    ask("user", "delete", "friend", "--now")
    assert ask("grant", "list") == []
    ask("user", "create", "friend")
    ask("grant", "create", "pictures", "--user", "friend", "--permission", "read")
    ask("bucket", "delete", "pictures")
    assert ask("grant", "list") == []


def test_explain_names_the_grant_and_who_gave_it(ask: Ask, run: Command) -> None:
    ask("grant", "create", "pictures", "--user", "friend", "--permission", "read", "--prefix", "a/")
    asked = ("explain", "--user", "friend", "--bucket", "pictures")
    told = ask(*asked, "--action", "s3:GetObject", "--key", "a/1")
    assert (told["allowed"], told["reason"]) == (True, "granted read on prefix a/ by owner")
    listed = ask(*asked, "--action", "s3:ListBucket", "--fact", "s3:prefix=a/b")
    assert listed["reason"] == "granted read on prefix a/ by owner"
    assert "no rule allows it" in run(*asked, "--action", "s3:ListBucket").stdout
    assert "no rule allows it" in run(*asked, "--action", "s3gw:RenameObject", "--key", "a/1").stdout
