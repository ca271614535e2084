"""`s3gw quota`: how much buckets, what is below a prefix of one, and all buckets of a user may have."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import typer

from s3gw.cli.bucket import change_of, find_bucket, list_buckets
from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, group, session, show
from s3gw.metadata import audit, buckets, configurations, identities, quotas, usage
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.metadata.buckets import Bucket
from s3gw.metadata.database import Connection

app = group()

OfBucket = Annotated[str | None, typer.Option("--bucket", metavar="NAME", help="Of this bucket.")]
OfPrefix = Annotated[str | None, typer.Option("--prefix", help="Of the bucket's keys that begin with it.")]
OfUser = Annotated[str | None, typer.Option("--user", metavar="NAME", help="Of all buckets of this user together.")]
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}
_LARGEST = 2**63 - 1
_STAYS = -1


class _Whose(NamedTuple):
    """A bucket, a prefix of it, or a user."""

    bucket: str | None
    prefix: str | None
    user: str | None


class _Most(NamedTuple):
    max_bytes: int | None
    max_objects: int | None


@app.command("set")
def set_(
    bucket: OfBucket = None,
    prefix: OfPrefix = None,
    user: OfUser = None,
    bytes_: Annotated[
        str | None,
        typer.Option("--bytes", help="All versions and parts: 5000000 or 10G (K, M, G, T, P of 1024), or 'none'."),
    ] = None,
    objects: Annotated[str | None, typer.Option(help="Versions, without delete markers: a number, or 'none'.")] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Set what is given; the rest stays. It counts for the next write."""
    with session(data, database_url, as_json) as metadata:
        if bytes_ is None and objects is None:
            raise Refused("nothing to set: give --bytes or --objects")
        given = _Most(_number(bytes_, "--bytes", _UNITS), _number(objects, "--objects", {}))
        show(metadata.write(_set, _whose(bucket, prefix, user), given), as_json)


@app.command("list")
def list_(
    bucket: OfBucket = None,
    user: OfUser = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List the quotas that there are, and what is used of them."""
    with session(data, database_url, as_json) as metadata:
        show(metadata.read(_list, bucket, user), as_json)


@app.command()
def remove(
    bucket: OfBucket = None,
    prefix: OfPrefix = None,
    user: OfUser = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Take a quota away."""
    with session(data, database_url, as_json) as metadata:
        show(metadata.write(_set, _whose(bucket, prefix, user), _Most(None, None)), as_json)


def _whose(bucket: str | None, prefix: str | None, user: str | None) -> _Whose:
    if (bucket is None) == (user is None):
        raise Refused("give one of --bucket and --user")
    if prefix is not None and bucket is None:
        raise Refused("--prefix is of a bucket: give --bucket")
    return _Whose(bucket, prefix, user)


def _number(text: str | None, option: str, units: dict[str, int]) -> int | None:
    """None: no quota; _STAYS where it isn't given."""
    if text is None:
        return _STAYS
    if text == "none":
        return None
    unit = units.get(text[-1:].upper())
    digits = text if unit is None else text[:-1]
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 19 or int(digits) * (unit or 1) > _LARGEST:
        raise Refused(f"{option} {text} is no number that a quota can have, nor 'none'")
    return int(digits) * (unit or 1)


def _set(conn: Connection, whose: _Whose, given: _Most) -> dict[str, Any]:
    if whose.user is not None:
        return _set_of_user(conn, whose.user, given)
    bucket = find_bucket(conn, whose.bucket or "")
    change = change_of(conn, bucket.id)
    change.lock_bucket_exclusively()
    if whose.prefix is None:
        configurations.set_quota(change, *_merged(_of_bucket(conn, bucket), given))
        return _told_of_bucket(conn, bucket)
    of_prefix = {quota.prefix: _Most(quota.max_bytes, quota.max_objects) for quota in _prefixes(conn, bucket)}
    most = _merged(of_prefix.get(whose.prefix, _Most(None, None)), given)
    configurations.set_prefix_quota(change, whose.prefix, *most)
    told = [quota for quota in _told_of_prefixes(conn, bucket) if quota["prefix"] == whose.prefix]
    return told[0] if told else _told("prefix", bucket.name, whose.prefix, _Most(None, None), None)


def _set_of_user(conn: Connection, name: str, given: _Most) -> dict[str, Any]:
    user = identities.find_root(conn, name)
    identities.lock_user(conn, user)
    before = _Most(*quotas.of_user(conn, user.id))
    after = _merged(before, given)
    quotas.set_of_user(conn, user.id, *after)
    audit.record(conn, COMMAND_LINE, "user.quota.put", "user", user.name, before._asdict(), after._asdict())
    return _told_of_user(conn, user.id, user.name)


def _merged(before: _Most, given: _Most) -> _Most:
    return _Most(*(old if new == _STAYS else new for old, new in zip(before, given, strict=True)))


def _list(conn: Connection, bucket: str | None, user: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if user is None:
        for one in list_buckets(conn, None) if bucket is None else [find_bucket(conn, bucket)]:
            found += [_told_of_bucket(conn, one), *_told_of_prefixes(conn, one)]
    if bucket is None:
        users = identities.list_users(conn) if user is None else [identities.find_root(conn, user)]
        found += [_told_of_user(conn, one.id, one.name) for one in users]
    return [quota for quota in found if (quota["max_bytes"], quota["max_objects"]) != (None, None)]


def _of_bucket(conn: Connection, bucket: Bucket) -> _Most:
    state = buckets.state_of(conn, bucket.id)
    return _Most(None, None) if state is None else _Most(state.max_bytes, state.max_objects)


def _prefixes(conn: Connection, bucket: Bucket) -> list[quotas.PrefixQuota]:
    return quotas.of_prefixes(conn, bucket.id)


def _told_of_bucket(conn: Connection, bucket: Bucket) -> dict[str, Any]:
    return _told("bucket", bucket.name, None, _of_bucket(conn, bucket), usage.of_bucket(conn, bucket.id))


def _told_of_user(conn: Connection, user_id: str, name: str) -> dict[str, Any]:
    return _told("user", name, None, _Most(*quotas.of_user(conn, user_id)), usage.of_owner(conn, user_id))


def _told_of_prefixes(conn: Connection, bucket: Bucket) -> list[dict[str, Any]]:
    return [
        _told("prefix", bucket.name, prefix, _Most(*most), usage.Usage(bytes=used, versions=objects))
        for prefix, *most, used, objects in _prefixes(conn, bucket)
    ]


def _told(kind: str, name: str, prefix: str | None, most: _Most, used: usage.Usage | None) -> dict[str, Any]:
    counts = {} if used is None else {"used_bytes": used.all_bytes, "used_objects": used.versions}
    return {"of": kind, "name": name, "prefix": prefix, **most._asdict(), **counts}
