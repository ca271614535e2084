"""The languages of the pages: which one a browser is answered in, and the messages of each.

Messages are English in the source; locales/ has a catalogue (gettext's) of each other language, read when it is first
asked for.
"""

from __future__ import annotations

import gettext
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from io import BytesIO

from babel import Locale, dates, negotiate_locale, numbers
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES = ("en", "de")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_LONGEST = 200  # characters of the header that are looked at


def language_of(accepted: str) -> str:
    """Of Accept-Language, in the order in which it names them."""
    wanted = [item.partition(";")[0].strip().replace("-", "_") for item in accepted[:_LONGEST].split(",")]
    return negotiate_locale([name for name in wanted if name], LANGUAGES) or "en"


@cache
def translations(language: str) -> gettext.NullTranslations:
    if language == "en":
        return gettext.NullTranslations()
    source = files("s3gw.console").joinpath("locales", f"{language}.po").read_bytes()
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(source), locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


class InWords:
    """Numbers, sizes and times as a language writes them."""

    def __init__(self, language: str) -> None:
        self._locale = Locale(language)

    def number(self, value: int) -> str:
        return numbers.format_decimal(value, locale=self._locale)

    def size(self, size: int) -> str:
        power = min((size.bit_length() - 1) // 10, len(_UNITS) - 1) if size > 0 else 0
        return f"{numbers.format_decimal(size / (1 << 10 * power), '0.#', locale=self._locale)} {_UNITS[power]}"

    def milliseconds(self, seconds: float) -> str:
        return f"{numbers.format_decimal(seconds * 1000, '0.#', locale=self._locale)} ms"

    def seconds(self, seconds: float) -> str:
        """About how long that is: 3 minutes."""
        return dates.format_timedelta(timedelta(seconds=seconds), locale=self._locale)

    def moment(self, told: str) -> str:
        """Of one as the API tells it, in UTC."""
        at = datetime.fromisoformat(told).astimezone(UTC)
        return dates.format_datetime(at, "short", tzinfo=UTC, locale=self._locale)


def marked(message: str) -> str:
    """As it is: a message that catalogues have, and that is translated where it is shown."""
    return message
