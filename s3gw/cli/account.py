"""`s3gw account`: what holds for all buckets of an account, which is named by the user whose it is."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from s3gw.access.public_access_block import PublicAccessBlock, of_members, to_members
from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, group, session, show
from s3gw.metadata import audit, identities
from s3gw.metadata.database import Connection

app = group()
_block = group()
app.add_typer(_block, name="public-access-block", help="Block public access to all buckets of an account: get, put.")

Owner = Annotated[str, typer.Argument(metavar="OWNER", help="The user whose account it is.")]
Acls = Annotated[bool | None, typer.Option("--block-public-acls/--no-block-public-acls", help="Refuse public ACLs.")]
IgnoredAcls = Annotated[
    bool | None, typer.Option("--ignore-public-acls/--no-ignore-public-acls", help="Let public ACLs grant nothing.")
]
Policies = Annotated[
    bool | None, typer.Option("--block-public-policy/--no-block-public-policy", help="Refuse public bucket policies.")
]
Restricted = Annotated[
    bool | None,
    typer.Option(
        "--restrict-public-buckets/--no-restrict-public-buckets",
        help="Let public bucket policies allow nothing to other accounts.",
    ),
]


@_block.command()
def get(owner: Owner, data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Show the four switches. Of these and a bucket's own the stricter hold."""
    with session(data, database_url, as_json) as metadata:
        show(metadata.read(_switches, owner), as_json)


@_block.command()
def put(
    owner: Owner,
    block_public_acls: Acls = None,
    ignore_public_acls: IgnoredAcls = None,
    block_public_policy: Policies = None,
    restrict_public_buckets: Restricted = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Turn the given switches on or off, from the next request on; the rest stays."""
    given = {
        "BlockPublicAcls": block_public_acls,
        "IgnorePublicAcls": ignore_public_acls,
        "BlockPublicPolicy": block_public_policy,
        "RestrictPublicBuckets": restrict_public_buckets,
    }
    changes = {member: is_on for member, is_on in given.items() if is_on is not None}
    with session(data, database_url, as_json) as metadata:
        if not changes:
            raise Refused("nothing to change: give --block-public-acls, --no-block-public-acls or another switch")
        show(metadata.write(_put, owner, changes), as_json)


def _switches(conn: Connection, owner: str) -> dict[str, Any]:
    root = identities.find_root(conn, owner)
    return {"account_owner": root.name, **_members(conn, root)}


def _members(conn: Connection, root: identities.User) -> dict[str, bool]:
    return to_members(PublicAccessBlock(identities.public_access_block(conn, root.id)))


def _put(conn: Connection, owner: str, changes: dict[str, bool]) -> dict[str, Any]:
    root = identities.find_root(conn, owner)
    identities.lock_user(conn, root)
    before = _members(conn, root)
    identities.set_public_access_block(conn, root, int(of_members(before | changes)))
    action = "account.public_access_block.put"
    audit.record(conn, audit.COMMAND_LINE, action, "account", root.name, before, _members(conn, root))
    return _switches(conn, owner)
