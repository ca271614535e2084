"""What would be decided about a request, and by which rule: for who owns the bucket, and for admins. Who sees the
bucket hears of himself whether he may, as trying would tell him, and not by which rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from s3gw.accounts import grants
from s3gw.accounts.login import Caller
from s3gw.accounts.origin import Origin
from s3gw.errors import NoSuchBucket
from s3gw.metadata import buckets
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import Connection
from s3gw.operations.acquainted import find_acquainted, stranger
from s3gw.operations.explain import Asked, Explanation, Unexplainable, explain
from s3gw.problems import Fault, Invalid, NotFound, PermissionDenied
from s3gw.services import Services

if TYPE_CHECKING:
    from s3gw.config import Settings

_NOBODY = "neither a grant, nor the policy or an ACL here, names such a user: so it is decided about anybody else"
_OF_IDENTITY = " of policy '"  # in the reason, where a policy of a user, a group or a key decided


async def explain_to(
    services: Services, caller: Caller, origin: Origin, asked: Asked, also: Sequence[str] = ()
) -> list[Explanation]:
    """Of its action, and of each of `also`. `asked.bucket` is its name or id. Raises NotFound, PermissionDenied, and
    Invalid.
    """
    bucket, is_oneself = None, False
    if asked.bucket is not None:
        is_name = await services.database.read(buckets.find, asked.bucket) is not None
        bucket, rights = await grants.find_bucket(services, caller, origin, asked.bucket, by_name=is_name)
        asked = asked._replace(bucket=bucket.name)
        if not rights.is_owners and caller.principal.role != "admin":
            if asked.user not in (caller.principal.user_id, caller.principal.name):
                raise PermissionDenied("only the owner and admins may ask this")
            is_oneself, asked = True, asked._replace(user=caller.principal.user_id)
    elif caller.principal.role != "admin":
        raise PermissionDenied("only admins may ask this without a bucket")
    try:
        decide: Callable[[Connection, Settings, Asked], Explanation] = explain
        if is_oneself:
            decide = partial(_explain_to_oneself, origin=origin)
        elif bucket is not None and caller.principal.role != "admin":
            decide = partial(_explain_to_owner, bucket=bucket)
        each = [asked, *(asked._replace(action=action) for action in also)]
        return await services.database.scan(_each, decide, services.settings, each)
    except NoSuchBucket:  # deleted meanwhile
        raise NotFound("there is no such bucket") from None
    except Unexplainable as error:
        raise Invalid(str(error), faults=(Fault("action", str(error)),)) from None


def _each(
    conn: Connection,
    decide: Callable[[Connection, Settings, Asked], Explanation],
    settings: Settings,
    asked: Sequence[Asked],
) -> list[Explanation]:
    return [decide(conn, settings, one) for one in asked]


def _explain_to_oneself(conn: Connection, settings: Settings, asked: Asked, origin: Origin) -> Explanation:
    """From where he asks now."""
    context = origin.context
    given = {
        "aws:SourceIp": context.source_ip,
        "aws:SecureTransport": "true" if context.is_secure else "false",
        "aws:UserAgent": context.user_agent,
        "aws:Referer": context.referer,
    }
    facts = {name: [] if value is None else [value] for name, value in given.items()}
    found = explain(conn, settings, asked._replace(facts=facts))
    reason = "allowed" if found.is_allowed else "not allowed"
    return found._replace(reason=reason, found=None, facts={}, notes=[])


def _explain_to_owner(conn: Connection, settings: Settings, asked: Asked, bucket: Bucket) -> Explanation:
    """Of a user whom he needn't know he hears the same whether there is one of that name or not: what is decided about
    somebody whom nothing names.
    """
    if asked.user is None:
        return explain(conn, settings, asked)
    user = find_acquainted(conn, bucket, asked.user, asked.key)
    if user is None:
        found = explain(conn, settings, asked._replace(user=None, stranger=stranger(asked.user)))
        return found._replace(principal=asked.user, facts={}, notes=[*found.notes, _NOBODY])
    found = explain(conn, settings, asked._replace(user=user.id))
    is_foreign = (user.account_owner_id or user.id) != bucket.owner_id
    return _without_their_policies(found) if is_foreign else found


def _without_their_policies(found: Explanation) -> Explanation:
    """Whose bucket it is hears what his own rules say, and of another account's only that they decide."""
    if _OF_IDENTITY not in found.reason:
        return found
    verb = "allowed" if found.is_allowed else "denied"
    return found._replace(reason=f"{verb} by a policy of the user's own account", facts={})
