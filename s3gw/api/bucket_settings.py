"""Who may do what in a bucket as S3 configures it, in a form of JSON's own: CORS, ACL, ownership, public access block.

It is read and put as S3's clients read and put it: the same operations, with their needs. An ETag is of what is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, model_validator

from s3gw.access import acl, public_access_block
from s3gw.access.acl import Acl
from s3gw.access.public_access_block import PublicAccessBlock
from s3gw.accounts.etags import etag_of, require_match
from s3gw.api.buckets import CorsRule, cors_rule, stored_cors_rule
from s3gw.api.file_calls import Asker, TheAsker
from s3gw.api.models import Body, Id, IfMatch, Text
from s3gw.api.route import Route
from s3gw.metadata import configurations, cors, identities, people
from s3gw.metadata.change import Change
from s3gw.operations.bucket_access import OWNERSHIPS
from s3gw.operations.call import Call, Output
from s3gw.operations.table import OPERATIONS
from s3gw.problems import BlockedAsPublic, Fault, Invalid, PublicAccessBlocked

router = APIRouter(prefix="/buckets/{bucket_id}", tags=["access"], route_class=Route)
Ownership = Literal["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"]
Permission = Literal["FULL_CONTROL", "READ", "WRITE", "READ_ACP", "WRITE_ACP"]
Canned = Literal["private", "public-read", "public-read-write", "authenticated-read", "log-delivery-write"]
Group = Literal["everybody", "authenticated", "log_delivery"]
_GROUPS: dict[str, str] = {
    "everybody": acl.ALL_USERS,
    "authenticated": acl.AUTHENTICATED_USERS,
    "log_delivery": acl.LOG_DELIVERY,
}
assert frozenset(Ownership.__args__) == OWNERSHIPS  # type: ignore[attr-defined]


class Setting(NamedTuple):
    """`kind` is that of what is stored, `get` and `put` are the operations of S3's."""

    kind: str
    get: str
    put: str


class Stored(NamedTuple):
    """What is stored of a setting (None: nothing), with the call that has read or put it."""

    call: Call
    document: Any


async def read(
    asker: Asker, bucket_id: str, setting: Setting, require: Callable[[Call], None] = lambda _: None
) -> Stored:
    """`require` raises what S3's own handler would. Raises NotFound and PermissionDenied."""
    bucket = await asker.bucket(bucket_id)
    call = asker.call(setting.get, bucket)

    async def handle(call: Call, input: Any) -> Output:
        require(call)
        return {"Document": await call.services.database.read(configurations.find, bucket.id, setting.kind)}

    found = await asker.perform(call, replace(OPERATIONS[setting.get], handler=handle))
    return Stored(call, found["Document"])


async def put(
    asker: Asker, bucket_id: str, setting: Setting, if_match: str | None, operation: str | None = None, **input: Any
) -> Stored:
    """By `operation`, else the one that puts it. Raises PublicAccessBlocked where what would be public is blocked."""
    bucket = await asker.bucket(bucket_id)
    call = asker.call(operation or setting.put, bucket, **input)
    after: list[Any] = []

    def around(change: Change, run: Callable[[], Any]) -> Any:
        change.lock_bucket_exclusively()
        require_match(if_match, etag_of(configurations.find(change.conn, change.bucket_id, setting.kind)))
        outcome = run()
        after.append(configurations.find(change.conn, change.bucket_id, setting.kind))
        return outcome

    call.around = around
    try:
        await asker.perform(call)
    except BlockedAsPublic:
        raise PublicAccessBlocked("that would be public, which the bucket or its account blocks") from None
    return Stored(call, after[-1])


CORS = Setting(cors.KIND, "GetBucketCors", "PutBucketCors")
ACL = Setting("ACL", "GetBucketAcl", "PutBucketAcl")
OWNERSHIP = Setting("OwnershipControls", "GetBucketOwnershipControls", "PutBucketOwnershipControls")
BLOCK = Setting("PublicAccessBlock", "GetPublicAccessBlock", "PutPublicAccessBlock")


class BucketCors(Body):
    rules: Annotated[list[CorsRule], Field(max_length=100, description="Empty: no page of another origin asks.")]


@router.get("/cors")
async def get_cors(bucket_id: Id, asker: TheAsker, response: Response) -> BucketCors:
    """For who may get its CORS configuration by S3."""
    return _cors(await read(asker, bucket_id, CORS), response)


@router.put("/cors")
async def put_cors(
    bucket_id: Id, body: BucketCors, asker: TheAsker, response: Response, if_match: IfMatch = None
) -> BucketCors:
    """All rules at once, in the place of those that there are."""
    if not body.rules:
        return _cors(await put(asker, bucket_id, CORS, if_match, "DeleteBucketCors"), response)
    rules = [stored_cors_rule(rule) for rule in body.rules]
    return _cors(await put(asker, bucket_id, CORS, if_match, CORSConfiguration={"CORSRules": rules}), response)


def _cors(stored: Stored, response: Response) -> BucketCors:
    response.headers["ETag"] = etag_of(stored.document)
    rules = [] if stored.document is None else stored.document["CORSRules"]
    return BucketCors.model_construct(rules=[cors_rule(rule) for rule in rules])


class BucketOwnership(Body):
    object_ownership: Ownership = Field(
        description="BucketOwnerEnforced: ACLs are disabled, and all files are the bucket owner's."
        " BucketOwnerPreferred: a file is his if its ACL gives him full control."
        " ObjectWriter: a file is whose account wrote it."
    )


@router.get("/ownership")
async def get_ownership(bucket_id: Id, asker: TheAsker, response: Response) -> BucketOwnership:
    """For who may get its ownership controls by S3."""
    return _ownership(await read(asker, bucket_id, OWNERSHIP), response)


@router.put("/ownership")
async def put_ownership(
    bucket_id: Id, body: BucketOwnership, asker: TheAsker, response: Response, if_match: IfMatch = None
) -> BucketOwnership:
    """422 where ACLs are to be disabled while the bucket's gives somebody else something."""
    controls = {"Rules": [{"ObjectOwnership": body.object_ownership}]}
    return _ownership(await put(asker, bucket_id, OWNERSHIP, if_match, OwnershipControls=controls), response)


def _ownership(stored: Stored, response: Response) -> BucketOwnership:
    response.headers["ETag"] = etag_of(stored.document)
    rules: list[dict[str, Any]] = (
        [{"ObjectOwnership": "ObjectWriter"}] if stored.document is None else stored.document["Rules"]
    )
    return BucketOwnership(object_ownership=rules[0]["ObjectOwnership"])


class Switches(Body):
    block_public_acls: bool = Field(description="An ACL that is public can't be put.")
    ignore_public_acls: bool = Field(description="What an ACL gives to everybody isn't given.")
    block_public_policy: bool = Field(description="A policy that is public can't be put.")
    restrict_public_buckets: bool = Field(description="A policy that is public gives nothing to other accounts.")


class BucketBlock(Switches):
    of_account: Switches = Field(
        description="What the owner's account blocks in all its buckets, whatever is set here."
    )


@router.get("/public-access-block")
async def get_public_access_block(bucket_id: Id, asker: TheAsker, response: Response) -> BucketBlock:
    """For who may get it by S3."""
    return _block(await read(asker, bucket_id, BLOCK), response)


@router.put("/public-access-block")
async def put_public_access_block(
    bucket_id: Id, body: Switches, asker: TheAsker, response: Response, if_match: IfMatch = None
) -> BucketBlock:
    """All four at once."""
    members = dict(zip(_MEMBERS, (getattr(body, field) for field in _MEMBERS.values()), strict=True))
    return _block(await put(asker, bucket_id, BLOCK, if_match, PublicAccessBlockConfiguration=members), response)


_MEMBERS = {
    "BlockPublicAcls": "block_public_acls",
    "IgnorePublicAcls": "ignore_public_acls",
    "BlockPublicPolicy": "block_public_policy",
    "RestrictPublicBuckets": "restrict_public_buckets",
}


def _block(stored: Stored, response: Response) -> BucketBlock:
    response.headers["ETag"] = etag_of(stored.document)
    of_account = PublicAccessBlock(stored.call.the_bucket.account_public_access_block)
    switches = _switches(public_access_block.of_members(stored.document))
    return BucketBlock(**switches, of_account=Switches(**_switches(of_account)))


def _switches(block: PublicAccessBlock) -> dict[str, bool]:
    return {_MEMBERS[member]: is_on for member, is_on in public_access_block.to_members(block).items()}


class AclGrant(BaseModel):
    """To a group or to an account."""

    group: Group | None
    canonical_id: str | None
    name: str | None = Field(description="Of the account; null: it isn't there any more.")
    permission: Permission
    is_public: bool = Field(description="Whether it is given to everybody, or to everybody who can log in.")


class BucketAcl(BaseModel):
    owner: str = Field(description="The canonical ID.")
    owner_name: str | None
    is_disabled: bool = Field(description="By the ownership controls: then it gives nothing.")
    is_public: bool = Field(description="What it gives to everybody, where it isn't disabled or ignored.")
    grants: list[AclGrant]


class NewGrant(Body):
    group: Group | None = None
    canonical_id: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    username: Annotated[Text, Field(max_length=64, description="Of an account's first user.")] | None = None
    permission: Permission

    @model_validator(mode="after")
    def _names_one(self) -> NewGrant:
        if sum(value is not None for value in (self.group, self.canonical_id, self.username)) != 1:
            raise ValueError("one of group, canonical_id and username is needed")
        return self


class PutAcl(Body):
    """One of both."""

    canned: Canned | None = None
    grants: Annotated[list[NewGrant], Field(max_length=100, description="All that it is to give.")] | None = None

    @model_validator(mode="after")
    def _says_one(self) -> PutAcl:
        if (self.canned is None) == (self.grants is None):
            raise ValueError("one of canned and grants is needed")
        return self


@router.get("/acl")
async def get_acl(bucket_id: Id, asker: TheAsker, response: Response) -> BucketAcl:
    """For who may get it by S3."""
    return await _acl(asker, await read(asker, bucket_id, ACL), response)


@router.put("/acl")
async def put_acl(
    bucket_id: Id, body: PutAcl, asker: TheAsker, response: Response, if_match: IfMatch = None
) -> BucketAcl:
    """In the place of the one that there is. 422 where ACLs are disabled, 409 where public ones are blocked."""
    if body.canned is not None:
        return await _acl(asker, await put(asker, bucket_id, ACL, if_match, ACL=body.canned), response)
    await read(asker, bucket_id, ACL._replace(get="PutBucketAcl"))  # before names are looked up for anybody
    grants = [{"Grantee": await grantee_of(asker, one), "Permission": one.permission} for one in body.grants or ()]
    stored = await put(asker, bucket_id, ACL, if_match, AccessControlPolicy={"Grants": grants})
    return await _acl(asker, stored, response)


async def grantee_of(asker: Asker, grant: NewGrant) -> dict[str, str]:
    if grant.group is not None:
        return {"Type": "Group", "URI": _GROUPS[grant.group]}
    canonical_id = grant.canonical_id
    if grant.username is not None:
        canonical_id = await asker.services.database.read(people.canonical_id_of_account, grant.username)
    if canonical_id is None:
        raise Invalid("there is no such user", faults=(Fault("grants", f"there is no account of {grant.username}"),))
    return {"Type": "CanonicalUser", "ID": canonical_id}


async def _acl(asker: Asker, stored: Stored, response: Response) -> BucketAcl:
    response.headers["ETag"] = etag_of(stored.document)
    owner = stored.call.the_bucket.owner_canonical_id
    given = acl.of_owner(owner) if stored.document is None else acl.of_pairs(stored.document)
    return BucketAcl(**await told_acl(asker, stored.call, owner, given))


async def told_acl(asker: Asker, call: Call, owner: str, given: Acl) -> dict[str, Any]:
    """The members of BucketAcl. `call` is one that was allowed; `owner` has a canonical id."""
    canonical = {owner, *(grant.grantee for grant in given)} - acl.GROUPS
    names = await asker.services.database.read(identities.names_by_canonical_id, canonical)
    ignores = PublicAccessBlock.IGNORE_PUBLIC_ACLS in call.rules.public_access_block
    groups = {uri: group for group, uri in _GROUPS.items()}
    return {
        "owner": owner,
        "owner_name": names.get(owner),
        "is_disabled": not call.rules.has_acls,
        "is_public": acl.is_public(given) and call.rules.has_acls and not ignores,
        "grants": [
            AclGrant(
                group=groups.get(one.grantee),  # type: ignore[arg-type]
                canonical_id=None if one.grantee in acl.GROUPS else one.grantee,
                name=names.get(one.grantee),
                permission=one.permission,  # type: ignore[arg-type]
                is_public=one.grantee in acl.PUBLIC,
            )
            for one in given
        ],
    }
