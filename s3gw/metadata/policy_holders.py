"""Whom a name means when a policy is to be given to it."""

from __future__ import annotations

from s3gw.metadata import groups, identities
from s3gw.metadata.database import Connection
from s3gw.metadata.identity_policies import Holder, PolicyError


def find(conn: Connection, kind: str, name: str) -> Holder:
    """Raises IdentityError where there is none of that name, and PolicyError for the root of an account.

    A root may do everything in its account, so a policy of its own could only forbid, and IAM has none either.
    """
    if kind == "group":
        group = groups.find(conn, name)
        return Holder(kind, group.id, group.name)
    if kind == "key":
        return Holder(kind, identities.find_key(conn, name).access_key_id, name)
    user = identities.find_user(conn, name)
    if user.account_owner is None:
        raise PolicyError(
            f"{user.name} is the root of an account and may do everything there; give the policy to a user in it"
            f" (s3gw user create NAME --account {user.name}), or to an access key (--key). What is another account's is"
            f" given by its owner, in the bucket's policy, to the Principal {user.arn}"
        )
    return Holder(kind, user.id, user.name)
