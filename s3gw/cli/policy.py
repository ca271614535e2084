"""`s3gw policy`: what users, groups and access keys may do; and what is wrong with a policy."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from s3gw.access.lint import lint as find_faults
from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, group, refusals, session, show, tell, when
from s3gw.cli.policy_file import actions_of, read, read_checked
from s3gw.metadata import audit, identities, identity_policies, policy_holders
from s3gw.metadata.audited import policy_told
from s3gw.metadata.database import Connection
from s3gw.metadata.identity_policies import Holder, IdentityPolicy

app = group()

User = Annotated[str | None, typer.Option("--user", metavar="NAME", help="Of this user.")]
Group = Annotated[str | None, typer.Option("--group", metavar="NAME", help="Of this group.")]
Key = Annotated[str | None, typer.Option("--key", metavar="ACCESS_KEY_ID", help="Of this access key.")]
Name = Annotated[
    str | None, typer.Option("--name", metavar="POLICY", help="Which policy; not needed where there is one.")
]
File = Annotated[str, typer.Argument(help="The policy, in JSON; - is standard input.")]


@app.command()
def put(
    file: File,
    user: Annotated[str | None, typer.Option("--user", metavar="NAME", help="For this user.")] = None,
    group: Annotated[str | None, typer.Option("--group", metavar="NAME", help="For the members of this group.")] = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--key", metavar="ACCESS_KEY_ID", help="For this key: narrows what its user may do, and gives nothing."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="POLICY", help="Default: the file's name without its suffix, or 'default'."),
    ] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Give a user, a group or an access key a policy, instead of one of the same name. It decides the next request."""
    with session(data, database_url, as_json) as metadata:
        kind, holder = _one_of(user, group, key)
        policy = read_checked(file, as_json)
        show(metadata.write(_put, kind, holder, name or policy.name, policy.text), as_json)


@app.command()
def get(
    user: User = None,
    group: Group = None,
    key: Key = None,
    name: Name = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Print a policy as it was put."""
    with session(data, database_url, as_json) as metadata:
        described, document = metadata.read(_get, *_one_of(user, group, key), name)
        if as_json:
            show(described | {"document": json.loads(document)}, as_json)
        else:
            print(document.rstrip("\n"))


@app.command("list")
def list_(
    user: User = None,
    group: Group = None,
    key: Key = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List the policies of a user, a group or an access key; those of a user's groups are the groups'."""
    with session(data, database_url, as_json) as metadata:
        show(metadata.read(_list, *_one_of(user, group, key)), as_json)


@app.command()
def delete(
    user: User = None,
    group: Group = None,
    key: Key = None,
    name: Name = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Delete a policy."""
    with session(data, database_url, as_json) as metadata:
        deleted, left = metadata.write(_delete, *_one_of(user, group, key), name)
        show(deleted | {"deleted": True}, as_json)
        if key is not None and not left:
            tell("warning", f"{key} has no policy any more: from now on it may do all that its user may", as_json)


@app.command()
def lint(
    file: File,
    bucket: Annotated[
        str | None, typer.Option(help="It is to be this bucket's; else a user's, group's or key's.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell what is wrong with a policy, what of it is public, and what means something else here than on AWS.

    Exit status 1 if there is an error, which is what would be refused.
    """
    with refusals(as_json):
        findings = find_faults(read(file), bucket, actions_of)
    show([finding._asdict() for finding in findings], as_json)
    if not as_json and not findings:
        print("Nothing is wrong with it.", file=sys.stderr)
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)


def _one_of(user: str | None, group: str | None, key: str | None) -> tuple[str, str]:
    given = [(kind, name) for kind, name in (("user", user), ("group", group), ("key", key)) if name is not None]
    if len(given) != 1:
        raise Refused("give one of --user, --group and --key")
    return given[0]


def _described(holder: Holder, policy: IdentityPolicy) -> dict[str, Any]:
    return {holder.kind: holder.name, "name": policy.name, "created_at": when(policy.created_at)}


def _put(conn: Connection, kind: str, holder_name: str, name: str, text: str) -> dict[str, Any]:
    holder = policy_holders.find(conn, kind, holder_name)
    before = [policy for policy in identity_policies.of_holder(conn, holder) if policy.name == name]
    put = identity_policies.put(conn, holder, name, text)
    policy_told(conn, audit.COMMAND_LINE, holder, before[0] if before else None, put)
    return _described(holder, put)


def _get(conn: Connection, kind: str, holder_name: str, name: str | None) -> tuple[dict[str, Any], str]:
    holder = policy_holders.find(conn, kind, holder_name)
    policy = identity_policies.find(conn, holder, name)
    return _described(holder, policy), policy.document


def _list(conn: Connection, kind: str, holder_name: str) -> list[dict[str, Any]]:
    if kind == "user" and identities.find_user(conn, holder_name).account_owner is None:
        return []  # the root of an account has none
    holder = policy_holders.find(conn, kind, holder_name)
    return [_described(holder, policy) for policy in identity_policies.of_holder(conn, holder)]


def _delete(conn: Connection, kind: str, holder_name: str, name: str | None) -> tuple[dict[str, Any], int]:
    """What was deleted, and how many the holder still has."""
    holder = policy_holders.find(conn, kind, holder_name)
    removed = identity_policies.remove(conn, holder, name)
    policy_told(conn, audit.COMMAND_LINE, holder, removed, None)
    return _described(holder, removed), len(identity_policies.of_holder(conn, holder))
