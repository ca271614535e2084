"""Secrets that stand in files: S3GW_NAME_FILE names one, and the setting S3GW_NAME is what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

PREFIX = "S3GW_"


class ConfigurationError(Exception):
    """A setting that can't be used; the message names it and never contains its value."""


def is_secret(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("secret"))


class SecretFiles(PydanticBaseSettingsSource):
    """S3GW_NAME_FILE: the secret is what the file holds, without the line end."""

    def __init__(self, settings_cls: type[BaseSettings], environment: Mapping[str, str | None]) -> None:
        super().__init__(settings_cls)
        self._environment = environment

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = self._environment.get(f"{PREFIX}{field_name.upper()}_FILE")
        # S3GW_MASTER_KEY_FILE is a setting of its own: that file is made when it is missing.
        if not path or not is_secret(field) or f"{field_name}_file" in self.settings_cls.model_fields:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise ConfigurationError(f"{PREFIX}{field_name.upper()}_FILE: can't read {path}: {reason}") from None

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields.items()
        values = {name: self.get_field_value(field, name)[0] for name, field in fields}
        return {name: value for name, value in values.items() if value is not None}
