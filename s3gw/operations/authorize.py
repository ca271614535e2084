"""Whether a call is allowed: each need of its operation's row is a Question to access/, with the rules it stands on.

Where the answer depends on the object that is there (its owner, its ACL, its tags), the question is left open as a
*check*. The handler makes it with the very row that it reads or changes, in the same transaction, so what was
authorized is what is served. perform.py and metadata/change.py see to it that no check is left out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from s3gw.access import acl
from s3gw.access.acl import Grant
from s3gw.access.decide import Decision, Question, Resource, StoredObject, decide, unmet
from s3gw.access.rules import ObjectUnread
from s3gw.errors import AccessDenied
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.change import Check
from s3gw.metadata.objects import ObjectVersion
from s3gw.metadata.uploads import Upload
from s3gw.operations.call import Call
from s3gw.operations.copy_source import parse_rename_source
from s3gw.operations.facts import UNREAD, Known, facts_of
from s3gw.operations.table import Need, Row

FactsOf = Callable[[Call, str, Known, str], Sequence[str]]
_logger = logging.getLogger("s3gw.access")


async def load_rules(call: Call, row: Row) -> None:
    """The rules about the principal and about the buckets that the call names. What is known is no function call."""
    known, principal = call.services.known_rules, call.principal
    if principal.rules_revision or principal.key_rules_revision:
        key = principal.user_id, principal.access_key_id, principal.rules_revision, principal.key_rules_revision
        call.identity = known.of_identities.get(key) or await known.read_identity(principal)
    if row.is_in_bucket:
        bucket = call.the_bucket
        call.rules = known.of_buckets.get(_key_of(bucket)) or await known.read_bucket(bucket)
    if call.source is not None:
        bucket = call.source.bucket
        rules = known.of_buckets.get(_key_of(bucket)) or await known.read_bucket(bucket)
        call.source = call.source._replace(rules=rules)


def _key_of(bucket: Bucket) -> tuple[int, str, int]:
    return bucket.id, bucket.rules_revision, bucket.account_public_access_block


class _On(NamedTuple):
    """What a need is about: its resource, whether the call names a version of it, and what is known of its object.
    `named`: what the call says of this object alone, where its input is about another or about many.
    """

    resource: Resource
    names_version: bool = False
    known: Known = UNREAD
    named: Mapping[str, str] = MappingProxyType({})


def _in(call: Call, key: str | None = None) -> Resource:
    bucket = call.the_bucket
    return Resource(bucket.name, bucket.owner_id, key, call.rules, bucket.id)


def _of_source(call: Call) -> _On:
    bucket, key, version_id, rules = call.the_source
    resource = Resource(bucket.name, bucket.owner_id, key, rules, bucket.id)
    return _On(resource) if version_id is None else _On(resource, True, named={"VersionId": version_id})


def _new(call: Call) -> _On:
    """Of nobody but who will own it, and without tags. What nobody writes is the bucket owner's, but who writes it says
    who reads it all the same.
    """
    is_nobodys = call.principal.is_anonymous and call.rules.has_acls
    stored = StoredObject(call.owner_of_new, (Grant(acl.ALL_USERS, "WRITE_ACP"),) if is_nobodys else None)
    return _On(_in(call, call.input["Key"])._replace(stored=lambda: stored), known=Known(True))


def renamed_key(call: Call) -> str | None:
    """The key that RenameObject moves; None of other operations. Raises what is wrong with its name."""
    source = call.input.get("RenameSource")
    return None if source is None else parse_rename_source(source, call.the_bucket.name)


_ON: Mapping[str, Callable[[Call], _On]] = {
    "service": lambda call: _On(Resource()),
    "new bucket": lambda call: _On(Resource(new_bucket=call.input["Bucket"])),
    "bucket": lambda call: _On(_in(call)),
    "object": lambda call: _On(_in(call, call.input["Key"]), "VersionId" in call.input),
    "new": _new,
    "source": _of_source,
    "renamed": lambda call: _On(_in(call, renamed_key(call))),
    "replaced": lambda call: _On(_in(call, call.input["Key"])),
}


def authorize(call: Call, row: Row) -> None:
    """Ask for each of the operation's needs. Raises AccessDenied. Those on keys the handler asks for by `call.may`."""
    left_open: dict[str, list[tuple[Need, _On]]] = {}
    call.creates_object = row.creates_object
    for need in row.needs:
        if need.on == "keys":
            call.may = partial(_may, call, row.needs)
            if call.principal.is_anonymous and not _has_public_rules(call):
                raise AccessDenied()
        elif need.on == "source" and call.source is None:
            assert call.problem is not None, "a copy names its source"
        elif need.on == "replaced":
            left_open.setdefault(need.on, []).append((need, _ON[need.on](call)))
        elif need.if_tagged:
            left_open.setdefault("source", []).append((need, _ON[need.on](call)))
        elif not (need.members or need.if_matched) or _is_needed(need, call.input):
            on = _ON[need.on](call)
            try:
                decision = decide(_question(call, need, on))
            except ObjectUnread:
                left_open.setdefault("compared" if need.if_matched else need.on, []).append((need, on))
            else:
                _tell(call, need, decision)
                call.only_granted = decision.only_granted
                if not decision.is_allowed:
                    _leave_to_initiator(call, need, decision)
    for name, questions in left_open.items():
        call.checks[name] = partial(_check, call, questions)
    if call.rules.requester_pays or call.source is not None:
        _require_payer(call)


def _is_needed(need: Need, input: Mapping[str, Any]) -> bool:
    if need.if_matched:
        return str(input.get("IfMatch", "*")).strip() != "*"
    return not need.members or not need.members.isdisjoint(input)


# "The initiator of the multipart upload" may do these where nothing denies it (User Guide, "Multipart upload API and
# permissions").
_OF_INITIATOR = frozenset(("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"))


def _leave_to_initiator(call: Call, need: Need, decision: Decision) -> None:
    """Raises AccessDenied where who began the upload may do no more than others."""
    if need.action not in _OF_INITIATOR or call.principal.is_anonymous or decision.is_denied:
        raise AccessDenied()
    call.checks["upload"] = partial(_check_initiator, call)


def _check_initiator(call: Call, upload: Upload) -> None:
    if upload.initiator_id != call.principal.user_id:
        raise AccessDenied()


def _has_public_rules(call: Call) -> bool:
    return call.rules.policy is not None or call.rules.acl is not None


def _check(call: Call, open_questions: Sequence[tuple[Need, _On]], version: ObjectVersion | None) -> None:
    """`version` is the one that is read or changed. Where there is none, no rule of its own can forbid anything, and
    who is told that there is none is decided by `may_be_told`.
    """
    if version is None:
        return
    copies_tags = version.tags is not None and call.input.get("TaggingDirective") != "REPLACE"
    for need, on in open_questions:
        if need.if_tagged and not copies_tags:
            continue
        if not on.known.is_read:
            on = _read(on, version)
        _require(call, need, decide(_question(call, need, on)))


def _read(on: _On, version: ObjectVersion | None) -> _On:
    """With what was found when the object was read."""
    return on._replace(resource=on.resource._replace(stored=partial(_stored, version)), known=Known(True, version))


def _stored(version: ObjectVersion | None) -> StoredObject | None:
    if version is None:
        return None
    return StoredObject(version.owner_id, None if version.acl is None else acl.from_json(version.acl))


def _question(call: Call, need: Need, on: _On, facts_of: FactsOf = facts_of) -> Question:
    action = need.versioned if on.names_version and need.versioned is not None else need.action
    asked = replace(call, input={**call.input, **on.named}) if on.named else call
    facts = partial(facts_of, asked, action, on.known)
    return Question(call.principal, action, on.resource, facts, call.identity, call.now)


def decide_on(
    call: Call, need: Need, version: ObjectVersion | None, facts_of: FactsOf
) -> tuple[Decision, Sequence[str]]:
    """What `authorize` and its check come to on a need where the object was read before (explain.py); and, where that
    is a refusal, which statements would allow it but for their conditions.
    """
    question = _question(call, need, _read(_ON[need.on](call), version), facts_of)
    decision = decide(question)
    return decision, () if decision.is_allowed else unmet(question)


def is_left_open(call: Call, need: Need, facts_of: FactsOf) -> bool:
    """Whether it depends on the object that is there, so that nothing is forbidden where there is none."""
    try:
        decide(_question(call, need, _ON[need.on](call), facts_of))
    except ObjectUnread:
        return True
    return False


def _require(call: Call, need: Need, decision: Decision) -> None:
    _tell(call, need, decision)
    if not decision.is_allowed:
        raise AccessDenied()


def _tell(call: Call, need: Need, decision: Decision) -> None:
    """In the log alone (S3GW_LOG=debug): an answer never says which rule refused it."""
    if _logger.isEnabledFor(logging.DEBUG):
        _logger.debug("request_id=%s action=%s %s", call.request_id, need.action, decision.reason)


def _may(call: Call, needs: Sequence[Need], key: str, named: Mapping[str, str]) -> Check:
    on, left_open = _On(_in(call, key), "VersionId" in named, named=named), []
    for need in needs:
        if _is_needed(need, named):
            try:
                _require(call, need, decide(_question(call, need, on)))
            except ObjectUnread:
                left_open.append((need, on))
    return partial(_check_entry, call, left_open, key)


def _check_entry(
    call: Call, open_questions: Sequence[tuple[Need, _On]], key: str, version: ObjectVersion | None
) -> None:
    if version is None and not may_be_told(replace(call, input={**call.input, "Key": key})):
        raise AccessDenied()
    _check(call, open_questions, version)


_LISTS = Need("s3:ListBucket", "bucket")


def may_be_told(call: Call) -> bool:
    """Whether the caller may hear that a key or version doesn't exist: who may list the bucket that it isn't in.

    "If you don't have the s3:ListBucket permission, Amazon S3 returns an HTTP status code 403" (GetObject).
    """
    resource = _in(call) if call.source is None else _of_source(call).resource._replace(key=None)
    key = call.source.key if call.source is not None else renamed_key(call) or call.input["Key"]
    asked = replace(call, input={"Prefix": key})  # who may list some prefixes only hears of keys below these
    return decide(_question(asked, _LISTS, _On(resource))).is_allowed


def _require_payer(call: Call) -> None:
    """Who isn't of the account of a bucket with Requester Pays has to say that he pays; nobody can't (User Guide)."""
    concerned = [] if call.bucket is None else [(call.bucket, call.rules)]
    if call.source is not None:
        concerned.append((call.source.bucket, call.source.rules))
    for bucket, rules in concerned:
        if rules.requester_pays and call.principal.account_owner_id != bucket.owner_id:
            _require_pays(call)


def _require_pays(call: Call) -> None:
    if call.principal.is_anonymous or call.input.get("RequestPayer") != "requester":
        raise AccessDenied()
