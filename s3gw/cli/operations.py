"""`s3gw operations`: all operations of AWS's model, and whether they are served."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from s3gw.cli.command import Data, DatabaseUrl, Json, group, refuse, show

app = group()


@app.command()
def operations(
    name: Annotated[str, typer.Argument(help="Only those with this in their names, in whatever case.")] = "",
    served: Annotated[bool | None, typer.Option("--served/--unserved", help="Only those that are, or aren't.")] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Print AWS's operations and which of them are served."""
    rows = [row for row in describe() if name.lower() in row["operation"].lower()]
    found = [row for row in rows if served is None or row["served"] == served]
    if not found and not as_json:
        refuse(f"no operation of AWS's has {name!r} in its name, or none that is asked for", as_json)
    show(found, as_json)


def describe() -> list[dict[str, Any]]:
    from s3gw.operations.table import OPERATIONS
    from s3gw.wire.model import operations as model

    return [
        {
            "operation": name,
            "served": name in OPERATIONS,
            "needs": list(dict.fromkeys(need.action for need in OPERATIONS[name].needs)) if name in OPERATIONS else [],
        }
        for name in sorted(model())
    ]
