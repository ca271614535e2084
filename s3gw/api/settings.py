"""What the server was told at its start: `s3gw config` of the process that answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from s3gw.api.caller import TheAdmin, TheServices
from s3gw.api.route import Route
from s3gw.described_settings import describe

router = APIRouter(prefix="/settings", tags=["nodes"], route_class=Route)


class Setting(BaseModel):
    variable: str = Field(description="Of the environment.")
    value: Any = Field(description="`(set)` of a secret that is set.")
    default: Any = Field(description="Null: none, or one that depends on the machine, as its meaning says.")
    meaning: str
    source: Literal["default", "option", "environment", "file", ".env"] = Field(
        description="Where the value comes from. option: of the command line. file: the one that its variable with"
        " `_FILE` names."
    )
    is_secret: bool


class SettingsList(BaseModel):
    items: list[Setting]


@router.get("")
async def list_settings(_: TheAdmin, services: TheServices) -> SettingsList:
    """Every setting with its meaning, its value and where that comes from; of secrets whether they are set. As this
    server was started: a change counts with its next start. For admins.
    """
    given = vars(services.settings)
    values = {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}
    return SettingsList(items=[Setting(**one) for one in describe(values, given.get("sources", {}))])
