"""`s3gw explain`: whether a request is allowed, by which rule, and with which facts."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any

import typer

from s3gw.access.close_names import hint_of_key
from s3gw.access.condition_keys import find_key
from s3gw.access.value_kinds import expected_instead
from s3gw.cli.command import Data, DatabaseUrl, Json, Refused, group, session, show
from s3gw.operations.explain import Asked, Explanation, explain

app = group()

_DENIED = 3


@app.command("explain")
def explain_(
    action: Annotated[str, typer.Option(metavar="ACTION", help="As in policies: s3:GetObject.")],
    user: Annotated[str | None, typer.Option(metavar="NAME", help="Who asks.")] = None,
    access_key: Annotated[
        str | None, typer.Option(metavar="ACCESS_KEY_ID", help="Who asks, with this key and the policies of it.")
    ] = None,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Nobody who is known asks.")] = False,
    bucket: Annotated[str | None, typer.Option(metavar="BUCKET")] = None,
    key: Annotated[str | None, typer.Option(metavar="KEY", help="Of the object.")] = None,
    version_id: Annotated[str | None, typer.Option(metavar="ID", help="Of the object, where one is named.")] = None,
    fact: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="What the request says: aws:SourceIp=10.0.0.1, s3:prefix=a/. Repeatable."
        ),
    ] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Tell whether a request is allowed, by which rule, and which facts rules asked for.

    Decided as the server decides, by what is in the database now. Facts of the request that aren't given are absent.
    Exit status: 0 allowed, 3 denied, 1 if it can't be told.
    """
    with session(data, database_url, as_json) as metadata:
        if anonymous == (user is not None or access_key is not None):
            raise Refused("give --user, --access-key or --anonymous")
        asked = Asked(action, user, access_key, bucket, key, version_id, _facts(fact or []))
        found = metadata.read(explain, metadata.settings, asked)
        show(_as_json(found) if as_json else _as_lines(found), as_json)
    if not found.is_allowed:
        raise typer.Exit(_DENIED)


def _facts(given: list[str]) -> dict[str, list[str]]:
    facts: dict[str, list[str]] = defaultdict(list)
    for item in given:
        name, equals, value = item.partition("=")
        key = find_key(name)
        if not equals:
            raise Refused(f"{item} isn't KEY=VALUE, as aws:SourceIp=10.0.0.1 is")
        if key is None or key.is_absent:
            raise Refused(f"{name} is no condition key of S3{hint_of_key(name)}")
        if key.is_unknowable:
            raise Refused(f"{key.name} can't be known here: an Allow with it never applies, a Deny as if it held")
        if expected := expected_instead(key.name, value):
            raise Refused(f"{value} is no value of {key.name}: expected is {expected}")
        facts[key.name].append(value)
    return dict(facts)


def _as_json(found: Explanation) -> dict[str, Any]:
    document = found._asdict()
    return {"allowed": document.pop("is_allowed")} | document


def _as_lines(found: Explanation) -> dict[str, Any]:
    facts = [f"{name}={value}" for name, values in found.facts.items() for value in values]
    absent = [name for name, values in found.facts.items() if not values]
    document = _as_json(found) | {"facts": facts, "absent": absent}
    document["resource"] = document["resource"].encode("unicode_escape").decode()
    return {name: value for name, value in document.items() if value not in (None, [])}
