"""Every setting as people are told it: its value, default and meaning, and where the value comes from. No secret."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

from dotenv import dotenv_values

from s3gw.config import Settings
from s3gw.secret_files import PREFIX, is_secret

Source = Literal["default", "option", "environment", "file", ".env"]
SET = "(set)"  # of a secret


def describe(values: Mapping[str, Any], sources: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """`values` are those of Settings as JSON has them. Without `sources` it isn't told where they come from."""
    defaults = default_values()
    return [
        {
            "variable": f"{PREFIX}{name.upper()}",
            "value": SET if is_secret(field) and values[name] is not None else _plain(values[name]),
            "default": defaults[name],
            "meaning": field.description,
        }
        | ({} if sources is None else {"source": sources.get(name, "default"), "is_secret": is_secret(field)})
        for name, field in Settings.model_fields.items()
    ]


def default_values() -> dict[str, Any]:
    """What depends on the machine (the number of cores) is None: the meaning says what it is."""
    defaults = Settings.model_construct().model_dump(mode="json")
    return {
        name: None if field.default_factory is not None else _plain(defaults[name])
        for name, field in Settings.model_fields.items()
    }


def sources_of(options: Mapping[str, Any]) -> dict[str, Source]:
    """Of each setting that isn't its default, given the options of the command line. The first that has it counts, as
    in Settings.
    """
    given = {name for name, value in options.items() if value is not None}
    environment, dotenv = _names(os.environ), _names(dotenv_values(".env"))
    found: dict[str, Source] = {}
    for name, field in Settings.model_fields.items():
        file = f"{name}_file" if is_secret(field) and f"{name}_file" not in Settings.model_fields else ""
        places: tuple[tuple[bool, Source], ...] = (
            (name in given, "option"),
            (name in environment, "environment"),
            (file in environment, "file"),
            (name in dotenv, ".env"),
            (file in dotenv, "file"),
        )
        source = next((source for has_it, source in places if has_it), None)
        if source is not None:
            found[name] = source
    return found


def _names(variables: Mapping[str, str | None]) -> set[str]:
    """Of settings that aren't empty, which count as not set."""
    prefix = PREFIX.lower()
    return {name.lower().removeprefix(prefix) for name, value in variables.items() if value and _is_ours(name)}


def _is_ours(name: str) -> bool:
    return name.upper().startswith(PREFIX)


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
