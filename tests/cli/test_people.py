"""Users in accounts, groups, and what holds for an account, as whoever administers the store gives the commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3gw.api import models
from s3gw.api.access import Access
from s3gw.api.audit import AuditLine
from s3gw.api.groups import Group
from s3gw.api.keys import Key
from s3gw.metadata.groups import MOST_GROUPS
from tests.cli.commands import Ask, Command, refusal

READS = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::*"}}'


@pytest.fixture(autouse=True)
def owner(ask: Ask) -> str:
    ask("user", "create", "owner")
    return "owner"


def test_a_user_of_an_account_has_the_account_s_ids(ask: Ask) -> None:
    root = ask("user", "show", "owner")
    editor = ask("user", "create", "editor", "--account", "owner")
    assert (editor["account_owner"], editor["account_owner_id"]) == ("owner", root["id"])
    assert (editor["account_id"], editor["canonical_id"]) == (root["account_id"], root["canonical_id"])
    assert editor["id"] != root["id"]
    assert ask("user", "show", "editor")["arn"] == f"arn:aws:iam::{root['account_id']}:user/editor"
    assert {user["name"]: user["account_owner"] for user in ask("user", "list")} == {
        "admin": None,
        "editor": "owner",
        "owner": None,
    }


def test_an_account_is_its_root_s(ask: Ask, run: Command) -> None:
    ask("user", "create", "editor", "--account", "owner")
    in_account = "editor is in the account of owner: name that user instead"
    assert in_account in refusal(run("user", "create", "other", "--account", "editor"))
    assert in_account in refusal(run("group", "create", "staff", "--account", "editor"))
    assert in_account in refusal(run("bucket", "create", "pictures", "--owner", "editor"))
    ask("bucket", "create", "pictures", "--owner", "owner")
    assert in_account in refusal(run("bucket", "update", "pictures", "--owner", "editor"))
    assert in_account in refusal(run("account", "public-access-block", "get", "editor"))


@pytest.mark.parametrize("role", ["auditor", "admin"])
def test_who_looks_after_the_store_is_in_nobody_s_account(role: str, ask: Ask, run: Command) -> None:
    refused = f"editor can't be {role} in another's account"
    assert refused in refusal(run("user", "create", "editor", "--account", "owner", "--role", role))
    ask("user", "create", "editor", "--account", "owner")
    assert refused in refusal(run("user", "update", "editor", "--role", role))
    assert ask("user", "update", "editor", "--role", "user", "--name", "writer")["account_owner"] == "owner"


def test_a_root_stays_as_long_as_somebody_is_in_its_account(ask: Ask, run: Command) -> None:
    ask("user", "create", "editor", "--account", "owner")
    ask("group", "create", "staff", "--account", "owner")
    assert "owner has 1 user in its account: delete them first" in refusal(run("user", "delete", "owner", "--now"))
    ask("user", "delete", "editor", "--now")
    assert "owner has 1 group in its account: delete them first" in refusal(run("user", "delete", "owner", "--now"))
    ask("group", "delete", "staff")
    ask("user", "delete", "owner", "--now")


def test_a_deleted_user_leaves_nothing(ask: Ask, run: Command, tmp_path: Path) -> None:
    file = tmp_path / "reads.json"
    file.write_text(READS)
    ask("user", "create", "editor", "--account", "owner")
    ask("group", "create", "staff", "--account", "owner")
    ask("group", "add", "staff", "editor")
    key = ask("key", "create", "editor", "--access-key-id", "AKIAEDITOR")["access_key_id"]
    ask("policy", "put", "--user", "editor", str(file))
    ask("policy", "put", "--key", key, str(file))
    ask("user", "delete", "editor", "--now")
    assert [group["members"] for group in ask("group", "list")] == [[]]
    ask("user", "create", "editor", "--account", "owner")
    ask("key", "create", "editor", "--access-key-id", "AKIAEDITOR")
    assert ask("policy", "list", "--user", "editor") == ask("policy", "list", "--key", key) == []
    assert ask("user", "show", "editor")["groups"] == []


def test_a_group_is_made_filled_emptied_and_deleted(ask: Ask, run: Command) -> None:
    for name in ("editor", "reader"):
        ask("user", "create", name, "--account", "owner")
    group = ask("group", "create", "staff", "--account", "owner")
    assert (group["account_owner"], group["members"]) == ("owner", [])
    assert ask("group", "add", "staff", "reader")["members"] == ["reader"]
    assert ask("group", "add", "staff", "editor")["members"] == ["editor", "reader"]
    assert ask("group", "add", "staff", "editor")["members"] == ["editor", "reader"]
    assert ask("user", "show", "editor")["groups"] == ["staff"]
    assert ask("group", "remove", "staff", "reader")["members"] == ["editor"]
    assert [listed["members"] for listed in ask("group", "list", "--account", "owner")] == [["editor"]]
    assert ask("group", "list", "--account", "admin") == []
    ask("policy", "put", "--group", "staff", "-", "--name", "reads", input=READS)
    deleted = ask("group", "delete", "staff")
    assert (deleted["deleted"], deleted["members"], deleted["policies"]) == (True, ["editor"], ["reads"])
    assert ask("user", "show", "editor")["groups"] == []


def test_a_group_has_users_of_its_own_account_only(ask: Ask, run: Command) -> None:
    ask("user", "create", "stranger", "--account", "admin")
    ask("group", "create", "staff", "--account", "owner")
    for name, why in (
        ("stranger", "stranger is in the account of admin"),
        ("admin", "admin has an account of its own"),
        ("owner", "owner may do everything in this account"),
        ("nobody", "there is no user nobody"),
    ):
        assert why in refusal(run("group", "add", "staff", name))
    assert ask("group", "list")[0]["members"] == []


def test_the_account_of_a_group_is_named_where_there_are_several(ask: Ask, run: Command) -> None:
    assert "give --account" in refusal(run("group", "create", "staff"))
    ask("user", "delete", "owner", "--now")
    assert ask("group", "create", "staff")["account_owner"] == "admin"


def test_what_a_group_can_not_be_is_refused(ask: Ask, run: Command) -> None:
    ask("group", "create", "staff", "--account", "owner")
    ask("user", "create", "editor", "--account", "owner")
    for words, why in (
        (("create", "staff", "--account", "owner"), "there is already a group staff"),
        (("create", "a b", "--account", "owner"), "a group name has 1 to 64"),
        (("add", "none", "editor"), "there is no group none"),
        (("remove", "staff", "editor"), "editor isn't in group staff"),
        (("delete", "none"), "there is no group none"),
    ):
        assert why in refusal(run("group", *words))


def test_a_group_is_called_by_its_id_where_two_accounts_have_the_name(ask: Ask, run: Command) -> None:
    mine, theirs = (ask("group", "create", "staff", "--account", account) for account in ("owner", "admin"))
    ask("user", "create", "editor", "--account", "owner")
    assert "several accounts have a group staff" in refusal(run("group", "add", "staff", "editor"))
    assert ask("group", "add", mine["id"], "editor")["members"] == ["editor"]
    assert ask("policy", "put", "--group", mine["id"], "-", input=READS)["group"] == "staff"
    assert ask("group", "delete", theirs["id"])["owner_id"] == theirs["owner_id"]
    assert ask("group", "show", "staff")["members"] == ["editor"]


def test_a_user_is_in_10_groups_at_most(ask: Ask, run: Command) -> None:
    ask("user", "create", "editor", "--account", "owner")
    for number in range(MOST_GROUPS):
        ask("group", "create", f"g{number}", "--account", "owner")
        ask("group", "add", f"g{number}", "editor")
    ask("group", "create", "more", "--account", "owner")
    assert "LimitExceeded: Cannot exceed quota for GroupsPerUser: 10" in refusal(run("group", "add", "more", "editor"))
    ask("group", "add", "g0", "editor")
    ask("group", "remove", "g0", "editor")
    assert ask("group", "add", "more", "editor")["members"] == ["editor"]


def test_switches_of_an_account_are_turned_one_by_one(ask: Ask, run: Command) -> None:
    block = ("account", "public-access-block")
    off = {
        "account_owner": "owner",
        "BlockPublicAcls": False,
        "IgnorePublicAcls": False,
        "BlockPublicPolicy": False,
        "RestrictPublicBuckets": False,
    }
    assert ask(*block, "get", "owner") == off
    on = ask(*block, "put", "owner", "--block-public-policy", "--ignore-public-acls")
    assert on == off | {"BlockPublicPolicy": True, "IgnorePublicAcls": True}
    assert ask(*block, "put", "owner", "--no-ignore-public-acls") == off | {"BlockPublicPolicy": True}
    assert ask(*block, "get", "owner") == off | {"BlockPublicPolicy": True}
    assert "nothing to change" in refusal(run(*block, "put", "owner"))
    assert "there is no user nobody" in refusal(run(*block, "get", "nobody"))
    assert "BlockPublicPolicy:" in run(*block, "get", "owner").stdout


def test_who_is_deleted_is_given_nothing_until_it_is_restored(ask: Ask, run: Command) -> None:
    ask("user", "create", "editor", "--account", "owner")
    ask("user", "create", "friend")
    ask("group", "create", "staff", "--account", "owner")
    ask("bucket", "create", "pictures", "--owner", "friend")
    for name in ("editor", "friend"):
        deleted = ask("user", "delete", name)
        assert deleted["deleted"] is True and deleted["deleted_at"] is not None
    for words in (
        ("group", "add", "staff", "editor"),
        ("grant", "create", "pictures", "--user", "editor", "--permission", "read"),
        ("key", "create", "editor"),
        ("user", "disable", "editor"),
    ):
        assert "editor is deleted: restore it first (s3gw user restore editor)" in refusal(run(*words))
    for words in (
        ("bucket", "create", "films", "--owner", "friend"),
        ("user", "create", "writer", "--account", "friend"),
        ("user", "delete", "owner", "--data-after", "transfer:friend"),
    ):
        assert "friend is deleted" in refusal(run(*words))
    assert "there is no such user" in refusal(run("user", "delete", "friend"))
    assert "data is keep, delete or transfer:" in refusal(run("user", "delete", "owner", "--data-after", "throw"))
    assert ask("bucket", "list", "--owner", "friend")[0]["name"] == "pictures"
    assert ask("user", "restore", "friend")["deleted_at"] is None
    assert "friend isn't deleted" in refusal(run("user", "restore", "friend"))
    assert "owns 1 bucket" in refusal(run("user", "delete", "friend", "--now"))
    assert "admin is the only admin" in refusal(run("user", "delete", "admin"))


def test_json_has_the_names_of_the_json_api(ask: Ask) -> None:
    """But for the one of a session that is the caller's, which commands haven't."""
    ask("bucket", "create", "pictures", "--owner", "owner")
    granted = ("pictures", "--user", "admin", "--permission", "read", "--prefix", "2026/")
    told = {
        models.User: ask("user", "show", "owner"),
        Key: ask("key", "create", "owner"),
        Group: ask("group", "create", "staff", "--account", "owner"),
        Access: ask("grant", "create", *granted),
        models.Invitation: ask("invite", "create"),
        models.OpenInvitation: ask("invite", "list")[0],
        AuditLine: ask("audit", "list")[0],
    }
    for model, document in told.items():
        assert model.model_fields.keys() <= document.keys(), model
    assert (told[models.User]["username"], told[models.User]["is_active"]) == ("owner", True)
    assert (told[Access]["resource_type"], told[Access]["resource_id"]) == ("prefix", "2026/")
    whole = ask("grant", "create", "pictures", "--user", "admin", "--permission", "read")
    assert whole["resource_id"] == whole["bucket_id"]


def test_people_aren_t_shown_the_same_under_two_names(run: Command) -> None:
    shown = run("user", "show", "owner").stdout
    assert "is_enabled:" in shown
    assert "is_active:" not in shown
