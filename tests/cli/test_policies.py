"""`s3gw policy`: what may be put, what is told of it, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from s3gw.access.parse import LARGEST_OF_IDENTITY
from s3gw.cli import app
from s3gw.metadata.identity_policies import MOST_POLICIES
from tests.access.policies import document, of_identity, statement
from tests.cli.commands import Ask, Command, refusal

READS = document(of_identity(Sid="Reads"))
HOLDERS = [("--user", "editor"), ("--group", "staff"), ("--key", "AKIAEDITOR")]


@pytest.fixture(scope="module", autouse=True)
def people(once: Ask) -> None:
    """A user in an account, its key, and a group."""
    once("user", "create", "owner")
    once("user", "create", "editor", "--account", "owner")
    once("key", "create", "editor", "--access-key-id", "AKIAEDITOR")
    once("group", "create", "staff", "--account", "owner")


@pytest.fixture(autouse=True)
def file(data: Path, tmp_path: Path) -> Path:
    path = tmp_path / "reads.json"
    path.write_text(READS)
    return path


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_policy_is_put_shown_listed_replaced_and_deleted(
    holder: tuple[str, str], ask: Ask, run: Command, file: Path
) -> None:
    put = ask("policy", "put", *holder, str(file))
    assert put == {holder[0].removeprefix("--"): holder[1], "name": "reads", "created_at": put["created_at"]}
    assert run("policy", "get", *holder).stdout == READS + "\n"
    assert ask("policy", "get", *holder, "--name", "reads")["document"] == json.loads(READS)
    more = document(of_identity(Action="s3:PutObject"))
    assert ask("policy", "put", *holder, "-", input=more)["name"] == "default"
    assert [policy["name"] for policy in ask("policy", "list", *holder)] == ["default", "reads"]
    ask("policy", "put", *holder, str(file), "--name", "default")
    assert run("policy", "get", *holder, "--name", "default").stdout == READS + "\n"
    assert ask("policy", "delete", *holder, "--name", "default")["deleted"] is True
    assert ask("policy", "delete", *holder)["name"] == "reads"
    assert ask("policy", "list", *holder) == []


def test_which_of_several_policies_is_meant_has_to_be_said(ask: Ask, run: Command, file: Path) -> None:
    of = ("--user", "editor")
    assert "user editor has no policy\n" in refusal(run("policy", "get", *of))
    for name in ("a", "b"):
        ask("policy", "put", *of, str(file), "--name", name)
    assert "user editor has 2 policies: give --name, one of a, b" in refusal(run("policy", "delete", *of))
    assert "user editor has no policy c" in refusal(run("policy", "get", *of, "--name", "c"))
    assert ask("user", "show", "editor")["policies"] == ["a", "b"]


def test_whose_policy_it_is_has_to_be_said_once(run: Command, file: Path) -> None:
    one = "give one of --user, --group and --key"
    assert one in refusal(run("policy", "put", str(file)))
    assert one in refusal(run("policy", "list", "--user", "editor", "--group", "staff"))
    assert "there is no group none" in refusal(run("policy", "list", "--group", "none"))
    assert "there is no access key none" in refusal(run("policy", "put", "--key", "none", str(file)))


def test_a_root_has_no_policy_but_its_key_may(ask: Ask, run: Command, file: Path) -> None:
    told = refusal(run("policy", "put", "--user", "owner", str(file)))
    assert "owner is the root of an account and may do everything there" in told
    assert "s3gw user create NAME --account owner" in told
    arn = ask("user", "show", "owner")["arn"]
    assert told.endswith(f"in the bucket's policy, to the Principal {arn}\n")
    assert ask("policy", "list", "--user", "owner") == []
    key = ask("key", "create", "owner")["access_key_id"]
    assert ask("policy", "put", "--key", key, str(file))["key"] == key


def test_a_key_is_narrow_from_the_beginning_and_says_so(ask: Ask, run: Command, file: Path) -> None:
    made = ask("key", "create", "editor", "--access-key-id", "AKIANARROW", "--policy", str(file))
    assert made["policies"] == ["reads"]
    assert ask("key", "show", "AKIANARROW")["policies"] == ["reads"]
    assert [key["policies"] for key in ask("key", "list", "editor")] == [[], ["reads"]]
    create = ("key", "create", "editor", "--access-key-id", "AKIAWRONG", "--policy", "-")
    assert "MalformedPolicyDocument: Invalid effect" in refusal(run(*create, input=READS.replace("Allow", "Maybe")))
    assert "there is no access key AKIAWRONG" in refusal(run("key", "show", "AKIAWRONG"))


def test_a_key_that_is_wide_again_is_told_of(ask: Ask, run: Command, file: Path) -> None:
    of = ("--key", "AKIAEDITOR", "--name")
    for name in ("a", "b"):
        ask("policy", "put", *of, name, str(file))
    assert run("policy", "delete", *of, "a").stderr == ""
    told = run("policy", "delete", *of, "b").stderr
    assert told == "s3gw: AKIAEDITOR has no policy any more: from now on it may do all that its user may\n"
    ask("policy", "put", "--user", "editor", str(file))
    assert run("policy", "delete", "--user", "editor").stderr == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "MalformedPolicyDocument: Policies must be valid JSON and the first byte must be '{'"),
        (document(statement()), "MalformedPolicyDocument: Policy document should not specify a principal."),
        (document(of_identity(Effect="Maybe")), "MalformedPolicyDocument: Invalid effect: Maybe"),
        ("{\xff".encode("latin-1"), "MalformedPolicyDocument: This policy contains invalid Json"),
    ],
)
def test_what_is_no_policy_is_refused_in_aws_s_words(text: Any, why: str, ask: Ask, run: Command) -> None:
    assert why in refusal(run("policy", "put", "--user", "editor", "-", input=text))
    assert ask("policy", "list", "--user", "editor") == []


def test_a_policy_s_name_and_file_are_checked(run: Command, tmp_path: Path, file: Path) -> None:
    of = ("policy", "put", "--user", "editor")
    assert f"can't read {tmp_path}/none: No such file" in refusal(run(*of, f"{tmp_path}/none"))
    for name in ("a b", "x" * 129, "ä"):
        assert "a policy's name has 1 to 128 of the characters" in refusal(run(*of, str(file), "--name", name))
    assert run(*of, str(file), "--name", "x" * 128).exit_code == 0


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_holder_has_10_policies_at_most(holder: tuple[str, str], ask: Ask, run: Command, file: Path) -> None:
    for number in range(MOST_POLICIES):
        ask("policy", "put", *holder, str(file), "--name", f"p{number}")
    kind = {"--user": "User", "--group": "Group", "--key": "Key"}[holder[0]]
    over = refusal(run("policy", "put", *holder, str(file), "--name", "more"))
    assert f"LimitExceeded: Cannot exceed quota for PoliciesPer{kind}: 10" in over
    ask("policy", "put", *holder, str(file), "--name", "p0")
    assert len(ask("policy", "list", *holder)) == MOST_POLICIES


def test_a_policy_has_6144_characters_at_most_and_blanks_are_none(ask: Ask, run: Command) -> None:
    def of_length(length: int) -> str:
        made = document(of_identity(Resource="arn:aws:s3:::", Sid="")).replace(" ", "")
        return made.replace('s3:::"', "s3:::" + "é" * (length - len(made)) + '"')

    put = ("policy", "put", "--user", "editor", "-")
    ask(*put, input="{" + " " * 10_000 + of_length(LARGEST_OF_IDENTITY)[1:])
    over = refusal(run(*put, input=of_length(LARGEST_OF_IDENTITY + 1)))
    assert over == "s3gw: LimitExceeded: Cannot exceed quota for PolicySize: 6144\n"


def lint(*arguments: str, text: str) -> Result:
    return CliRunner().invoke(app, ["policy", "lint", "-", *arguments], input=text)


def test_lint_tells_what_is_wrong_and_fails(file: Path) -> None:
    wrong = document(statement(Sid="Typo", Action="s3:GetObjct"), statement(Sid="Public"))
    told = lint("--bucket", "pictures", text=wrong)
    assert told.exit_code == 1
    assert [line.split()[:2] for line in told.stdout.splitlines()] == [
        ["severity", "where"], ["error", "Typo"], ["warning", "Public"],
    ]  # fmt: skip
    as_json = json.loads(lint("--bucket", "pictures", "--json", text=wrong).stdout)
    assert as_json[0] == {"severity": "error", "where": "Typo", "what": as_json[0]["what"]}
    assert as_json[0]["what"] == "Policy has invalid action: s3:GetObjct; did you mean s3:GetObject?"
    assert "the policy is public" in as_json[1]["what"]


def test_lint_fails_for_errors_only(file: Path) -> None:
    public = lint("--bucket", "pictures", text=document(statement()))
    assert (public.exit_code, "public" in public.stdout) == (0, True)
    good = CliRunner().invoke(app, ["policy", "lint", str(file)])
    assert (good.exit_code, good.stdout, good.stderr) == (0, "", "Nothing is wrong with it.\n")
    assert lint("--json", text=READS).stdout == "[]\n"


def test_a_policy_of_a_bucket_is_taken_for_one_only_if_told(run: Command) -> None:
    told = json.loads(lint("--json", text=document(statement())).stdout)[0]
    assert told["what"].startswith("Policy document should not specify a principal.: that is the policy of a bucket")
    put = refusal(run("policy", "put", "--user", "editor", "-", input=document(statement())))
    assert "which `aws s3api put-bucket-policy` puts and `--bucket NAME` checks" in put


def test_what_a_policy_that_is_put_does_not_do_is_told(ask: Ask, run: Command) -> None:
    typo = document(of_identity("Deny", Sid="No", Action=["s3:GetObjct", "s3:HeadObject", "ec2:*", "s3:PutObject"]))
    put = ("policy", "put", "--user", "editor", "-")
    told = run(*put, input=typo)
    assert told.exit_code == 0
    assert told.stderr.splitlines() == [
        "s3gw: warning: statement 'No': s3:GetObjct is no action of S3; did you mean s3:GetObject?",
        "s3gw: warning: statement 'No': s3:HeadObject is an operation and no action: it needs s3:GetObject",
        "s3gw: note: statement 'No': ec2:* is no action of S3",
    ]
    lines = run(*put, "--json", input=typo).stderr.splitlines()
    assert [list(json.loads(line)) for line in lines] == [["warning"]] * 3
    assert run(*put, input=READS).stderr == ""
    assert "it needs s3:PutObject and s3:GetObject" in lint(text=typo.replace("HeadObject", "CopyObject")).stdout


def test_lint_reads_a_file_that_is_there() -> None:
    assert "can't read /none: No such file" in refusal(CliRunner().invoke(app, ["policy", "lint", "/none"]))


def test_a_key_is_narrowed_from_its_first_moment_on(ask: Ask, run: Command, tmp_path: Path) -> None:
    file = tmp_path / "reads.json"
    file.write_text(document(of_identity(Resource="*")))
    made = ask("key", "create", "admin", "--policy", str(file))
    assert ask("policy", "list", "--key", made["access_key_id"])[0]["name"] == "reads"
    file.write_text("{}")
    assert "MalformedPolicyDocument" in refusal(run("key", "create", "admin", "--policy", str(file)))
    assert "can't read" in refusal(run("key", "create", "admin", "--policy", str(tmp_path / "none")))
