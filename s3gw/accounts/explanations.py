"""What would be decided about a request, and by which rule: for who owns the bucket, and for admins."""

from __future__ import annotations

from s3gw.accounts import grants
from s3gw.accounts.login import Caller
from s3gw.accounts.origin import Origin
from s3gw.errors import NoSuchBucket
from s3gw.metadata import buckets, identities
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import Connection
from s3gw.operations.explain import Asked, Explanation, Unexplainable, explain
from s3gw.problems import Fault, Invalid, NotFound, PermissionDenied
from s3gw.services import Services

_OF_IDENTITY = " of policy '"  # in the reason, where a policy of a user, a group or a key decided


async def explain_to(services: Services, caller: Caller, origin: Origin, asked: Asked) -> Explanation:
    """`asked.bucket` is its name or id. Raises NotFound, PermissionDenied, Invalid."""
    bucket = None
    if asked.bucket is not None:
        is_name = await services.database.read(buckets.find, asked.bucket) is not None
        bucket, rights = await grants.find_bucket(services, caller, origin, asked.bucket, by_name=is_name)
        if not rights.is_owners and caller.principal.role != "admin":
            raise PermissionDenied("only the owner and admins may ask this")
        asked = asked._replace(bucket=bucket.name)
    elif caller.principal.role != "admin":
        raise PermissionDenied("only admins may ask this without a bucket")
    try:
        found = await services.database.scan(explain, services.settings, asked)
    except NoSuchBucket:  # deleted meanwhile
        raise NotFound("there is no such bucket") from None
    except Unexplainable as error:
        raise Invalid(str(error), faults=(Fault("action", str(error)),)) from None
    if bucket is None or caller.principal.role == "admin":
        return found
    is_foreign = await services.database.scan(_is_foreign, bucket, asked.user)
    return _without_their_policies(found) if is_foreign else found


def _is_foreign(conn: Connection, bucket: Bucket, user: str | None) -> bool:
    if user is None:
        return False
    found = identities.find_user(conn, user)
    return (found.account_owner_id or found.id) != bucket.owner_id


def _without_their_policies(found: Explanation) -> Explanation:
    """Whose bucket it is hears what his own rules say, and of another account's only that they decide."""
    if _OF_IDENTITY not in found.reason:
        return found
    verb = "allowed" if found.is_allowed else "denied"
    return found._replace(reason=f"{verb} by a policy of the user's own account", facts={})
