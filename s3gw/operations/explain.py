"""What would be decided about a request that nobody has made: by the rules in the database, and by which of them.

Everything is read in one transaction. The Question is asked by authorize.py, as it is for a request; facts that only a
request has are those that are given, or absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

from s3gw.access.actions import ON_BUCKETS, ON_OBJECTS, matching
from s3gw.access.close_names import hint_of_action
from s3gw.access.policy import users_of
from s3gw.access.public_access_block import PublicAccessBlock
from s3gw.access.rules import BucketRules
from s3gw.auth.principal import ANONYMOUS, Principal
from s3gw.config import Settings
from s3gw.errors import NoSuchBucket
from s3gw.known_rules import bucket_rules, identity_rules
from s3gw.metadata import access_rules, buckets, identities, objects
from s3gw.metadata.database import Connection, now
from s3gw.metadata.identities import Key, User
from s3gw.metadata.objects import ObjectVersion
from s3gw.names import valid_bucket_name
from s3gw.operations.authorize import decide_on, is_left_open, may_be_told
from s3gw.operations.call import Call
from s3gw.operations.facts import Known, facts_of
from s3gw.operations.table import OPERATIONS, Need, actions_of

_PUT_ACL = frozenset(("s3:PutBucketAcl", "s3:PutObjectAcl", "s3:PutObjectVersionAcl"))

if TYPE_CHECKING:
    from s3gw.services import OperationServices


class Unexplainable(ValueError):
    """Such a request can't be made; the message is for the person who asked about it."""


class Asked(NamedTuple):
    """Neither user nor access key: anonymous. `facts`: condition keys in their canonical spelling. `stranger`: asked as
    of this principal, who isn't a user.
    """

    action: str
    user: str | None = None
    access_key: str | None = None
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    facts: Mapping[str, Sequence[str]] = {}
    stranger: Principal | None = None


class Explanation(NamedTuple):
    """`found` says what is stored under the key. `facts` are those that rules asked for; empty: absent."""

    is_allowed: bool
    reason: str
    principal: str
    action: str
    resource: str
    found: str | None
    facts: dict[str, list[str]]
    notes: list[str]


@dataclass(frozen=True)
class _OnlySettings:
    """In the place of services: nothing else is asked of them where nothing is served."""

    settings: Settings


class _Facts:
    """Those that were given before those that are known, and a record of what was asked for."""

    def __init__(self, given: Mapping[str, Sequence[str]]) -> None:
        self._given = given
        self.asked: dict[str, list[str]] = {}

    def of(self, call: Call, action: str, known: Known, name: str) -> Sequence[str]:
        values = self._given.get(name)
        if values is None:
            values = facts_of(call, action, known, name)
        self.asked[name] = list(values)
        return values


def explain(conn: Connection, settings: Settings, asked: Asked) -> Explanation:
    """Raises Unexplainable, NoSuchBucket, and IdentityError for a user or key that isn't there."""
    need = _need(asked)
    if asked.bucket is not None and not valid_bucket_name(asked.bucket):
        likely = asked.bucket.removeprefix("s3://").partition("/")[0]
        hint = f": give --bucket {likely}" if likely != asked.bucket and valid_bucket_name(likely) else ""
        raise Unexplainable(f"{asked.bucket} can't be the name of a bucket{hint}")
    principal, disabled = _principal(conn, asked)
    call = Call(cast("OperationServices", _OnlySettings(settings)), principal, _input(asked), "", now(conn))
    version = _load(conn, call, asked, need)
    facts = _Facts(asked.facts)
    decision, unmet = decide_on(call, need, version, facts.of)
    is_versioned = asked.version_id is not None and need.versioned is not None
    return Explanation(
        decision.is_allowed and disabled is None,
        disabled or decision.reason,
        "anonymous" if principal.is_anonymous else principal.arn,
        str(need.versioned) if is_versioned else need.action,
        _resource(asked, need),
        _found(version) if need.on == "object" else None,
        facts.asked,
        []
        if disabled is not None
        else [*_notes(call, need, version, decision.is_allowed, facts), *unmet, *_of_nobody(call.rules)],
    )


def _need(asked: Asked) -> Need:
    """As it is in the table of operations, where an action is on a key, a bucket or the service."""
    actions = matching(asked.action)
    if len(actions) != 1 or "*" in asked.action or "?" in asked.action:
        raise Unexplainable(_no_action(asked.action))
    (action,) = actions
    known = [need for row in OPERATIONS.values() for need in row.needs if need.action == action]
    if action in ON_OBJECTS:
        if asked.bucket is None or asked.key is None:
            raise Unexplainable(f"{action} is about an object: its bucket and key are needed too")
        return Need(action, "object", next((need.versioned for need in known if need.versioned), None))
    if asked.key is not None:
        raise Unexplainable(f"{action} isn't about an object: leave the key out")
    if action not in ON_BUCKETS:
        return Need(action, "service")
    if asked.bucket is None:
        raise Unexplainable(f"{action} is about a bucket: its name is needed too")
    return Need(action, "new bucket" if known and all(need.on == "new bucket" for need in known) else "bucket")


def _no_action(name: str) -> str:
    if needed := actions_of(name.removeprefix("s3:")):
        told = "`s3gw operations` tells what each needs"
        return f"{name} is an operation and no action: ask about {' and '.join(needed)}; {told}"
    return f"{name} is no action of S3, as s3:GetObject is{hint_of_action(name)}"


def _input(asked: Asked) -> dict[str, str]:
    given = {"Bucket": asked.bucket, "Key": asked.key, "VersionId": asked.version_id}
    return {name: value for name, value in given.items() if value is not None}


def _principal(conn: Connection, asked: Asked) -> tuple[Principal, str | None]:
    """Who asks, and why whatever it asks would be refused before any rule is looked at."""
    if asked.stranger is not None:
        return asked.stranger, None
    key = None if asked.access_key is None else identities.find_key(conn, asked.access_key)
    name = asked.user if key is None else key.user
    if name is None:
        return ANONYMOUS, None
    user = identities.find_user(conn, name)
    if key is not None and asked.user is not None and identities.find_user(conn, asked.user).id != user.id:
        raise Unexplainable(f"the access key {asked.access_key} is {name}'s")
    principal = Principal(
        user.id,
        user.canonical_id,
        user.account_id,
        user.name,
        user.role,
        "" if key is None else key.access_key_id,
        user.account_owner_id or user.id,
    )
    return principal, _disabled(conn, user, key)


def _disabled(conn: Connection, user: User, key: Key | None) -> str | None:
    if key is not None and not key.is_enabled:
        return f"the access key {key.access_key_id} is disabled"
    if key is not None and key.expires_at is not None and key.expires_at <= now(conn):
        return f"the access key {key.access_key_id} has expired"
    if user.deleted_at is not None:
        return f"the user {user.name} is deleted"
    if not user.is_enabled:
        return f"the user {user.name} is disabled"
    if user.account_owner_id is None or identities.find_user_by_id(conn, user.account_owner_id).is_enabled:
        return None
    return f"the user {user.account_owner}, whose account {user.name} is in, is disabled"


def _load(conn: Connection, call: Call, asked: Asked, need: Need) -> ObjectVersion | None:
    """The rules, and the object that is there."""
    principal = call.principal
    if not principal.is_anonymous:
        call.identity = identity_rules(access_rules.of_identity(conn, principal.user_id, principal.access_key_id))
    if need.on in ("service", "new bucket"):
        return None
    assert asked.bucket is not None
    bucket = call.bucket = buckets.find(conn, asked.bucket)
    if bucket is None:
        raise NoSuchBucket(f"there is no bucket {asked.bucket}")
    documents = access_rules.of_bucket(conn, bucket.id)
    call.rules = bucket_rules(documents, bucket.name, bucket.account_public_access_block)
    return None if asked.key is None else objects.find(conn, bucket.id, asked.key, asked.version_id)


def _resource(asked: Asked, need: Need) -> str:
    if need.on == "service":
        return "*"
    return f"arn:aws:s3:::{asked.bucket}" + ("" if asked.key is None else f"/{asked.key}")


def _found(version: ObjectVersion | None) -> str:
    if version is None:
        return "nothing"
    return f"{'delete marker' if version.is_delete_marker else 'object'}, version {version.version_id}"


def _of_nobody(rules: BucketRules) -> Iterator[str]:
    for account, name in sorted(() if rules.policy is None else users_of(rules.policy)):
        yield f"the bucket policy names nobody by {account}:user/{name}, and would mean a later user of that name"


def _refused_as_public(call: Call, need: Need) -> Iterator[str]:
    """What may be put, but for what would be public."""
    rules = call.rules
    if need.action == "s3:PutBucketPolicy" and PublicAccessBlock.BLOCK_PUBLIC_POLICY in rules.public_access_block:
        yield f"{rules.blocking(PublicAccessBlock.BLOCK_PUBLIC_POLICY)} refuses a policy that is public"
    if need.action not in _PUT_ACL:
        return
    if not rules.has_acls:
        yield "the bucket's ACLs are disabled (BucketOwnerEnforced), which refuses any ACL but its owner's"
    elif PublicAccessBlock.BLOCK_PUBLIC_ACLS in rules.public_access_block:
        yield f"{rules.blocking(PublicAccessBlock.BLOCK_PUBLIC_ACLS)} refuses an ACL that is public"


def _notes(call: Call, need: Need, version: ObjectVersion | None, is_allowed: bool, facts: _Facts) -> Sequence[str]:
    """What a request may run into although the rules allow it; or that it is told 404, where an object that isn't there
    would have decided.
    """
    if not is_allowed:
        is_open = version is None and need.on == "object" and is_left_open(call, need, facts.of)
        return ["there is no such object, so the answer is 404"] if is_open and may_be_told(call) else []
    notes = [*_refused_as_public(call, need)]
    if call.rules.requester_pays and call.principal.account_owner_id != call.the_bucket.owner_id:
        notes.append("the bucket has Requester Pays: refused without x-amz-request-payer, and to everybody anonymous")
    is_missing = need.on == "object" and (version is None or bool(version.is_delete_marker))
    if is_missing and need.action.startswith("s3:Get"):
        told = "404" if may_be_told(call) else "403, because who asks may not list the bucket"
        notes.append(f"there is no such object, so the answer is {told}")
    return notes
