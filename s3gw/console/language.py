"""The languages of the pages: which one a browser is answered in, and the messages of each.

Messages are English in the source; locales/ has a catalogue (gettext's) of each other language, read when it is first
asked for.
"""

from __future__ import annotations

import gettext
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
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


_TENTHS = numbers.parse_pattern("0.#")
_REMEMBERED = 1024  # of each kind: a list has mostly the same, and Babel takes 20 to 60 µs for one


class InWords:
    """Numbers, sizes and times as a language writes them."""

    def __init__(self, language: str) -> None:
        self._locale = Locale(language)
        self._minute = lru_cache(_REMEMBERED)(self._written)
        self.number = lru_cache(_REMEMBERED)(self._number)
        self.size = lru_cache(_REMEMBERED)(self._size)

    def _number(self, value: int) -> str:
        return numbers.format_decimal(value, locale=self._locale)

    def _size(self, size: int) -> str:
        power = min((size.bit_length() - 1) // 10, len(_UNITS) - 1) if size > 0 else 0
        return f"{_TENTHS.apply(size / (1 << 10 * power), self._locale)} {_UNITS[power]}"

    def milliseconds(self, seconds: float) -> str:
        return f"{_TENTHS.apply(seconds * 1000, self._locale)} ms"

    def seconds(self, seconds: float) -> str:
        """About how long that is: 3 minutes."""
        return dates.format_timedelta(timedelta(seconds=seconds), locale=self._locale)

    def moment(self, told: str) -> str:
        """Of one as the API tells it, in UTC."""
        return self._minute(datetime.fromisoformat(told).astimezone(UTC).replace(second=0, microsecond=0))

    def _written(self, at: datetime) -> str:
        return dates.format_datetime(at, "short", tzinfo=UTC, locale=self._locale)


def marked(message: str) -> str:
    """As it is: a message that catalogues have, and that is translated where it is shown."""
    return message
