"""`s3gw operations`: all that AWS's S3 can be asked for, and what of it is served."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from s3gw.cli.command import Data, DatabaseUrl, Json, group, refuse, show

app = group()


@app.command()
def operations(
    name: Annotated[str, typer.Argument(help="Only those with this in their names, in whatever case.")] = "",
    state: Annotated[
        Literal["works", "unused", "refused"] | None, typer.Option(help="Only those that are in this state.")
    ] = None,
    served: Annotated[bool | None, typer.Option("--served/--unserved", help="Only those that work, or don't.")] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Print AWS's operations and which of them are served.

    One that is unused answers as AWS does where it was never configured; one that is refused answers 501.
    """
    rows = [row for row in describe() if name.lower() in row["operation"].lower()]
    found = [row for row in rows if state in (None, row["state"]) and served in (None, row["state"] == "works")]
    if not found and not as_json:
        refuse(f"no operation of AWS's has {name!r} in its name, or none that is asked for", as_json)
    show(found, as_json)


def describe() -> list[dict[str, Any]]:
    """The operations of the model, forms and preflights. Of two names of one request the newer has the row."""
    from s3gw.operations.table import OPERATIONS
    from s3gw.wire.model import operations as model
    from s3gw.wire.route import CORS_PREFLIGHT, POST_OBJECT

    performed_as = {name: row.yields_to for name, row in model().items() if name not in OPERATIONS}
    performed_as[POST_OBJECT.name] = "PutObject"
    described = [{"operation": CORS_PREFLIGHT.name, "state": "works", "needs": list[str]()}]
    for name in {*model(), POST_OBJECT.name}:
        row = OPERATIONS[performed_as.get(name) or name]
        needs = list(dict.fromkeys(need.action for need in row.needs))
        described.append({"operation": name, "state": row.state, "needs": needs})
    return sorted(described, key=lambda row: row["operation"])
