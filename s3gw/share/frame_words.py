"""What frames say beside a file, in the language that the browser asks for: English, or one that has a table here."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from starlette.requests import Request

_LONGEST = 200  # characters of the header that are looked at
_GERMAN = {
    "Preview": "Vorschau",
    "The picture": "Das Bild",
    "Previous page": "Vorige Seite",
    "Next page": "Nächste Seite",
    "Page %(number)s": "Seite %(number)s",
    "Only the beginning is shown.": "Nur der Anfang wird gezeigt.",
    "This is still being made. Open the page again in a moment.": "Das wird noch erzeugt. Die Seite gleich noch einmal"
    " öffnen.",
    "There is no preview of this file.": "Von dieser Datei gibt es keine Vorschau.",
    "The first %(count)s rows.": "Die ersten %(count)s Zeilen.",
    "%(shown)s of %(count)s rows": "%(shown)s von %(count)s Zeilen",
    "%(shown)s of %(count)s columns": "%(shown)s von %(count)s Spalten",
}
TABLES = {"de": _GERMAN}


class Words(NamedTuple):
    language: str
    say: Callable[..., str]


def words_for(request: Request) -> Words:
    language = language_of(request.headers.get("accept-language", ""))
    table = TABLES.get(language, {})

    def say(message: str, **values: object) -> str:
        found = table.get(message, message)
        return found % values if values else found

    return Words(language, say)


def language_of(accepted: str) -> str:
    """Of those that the header names, in its order, the first that there is."""
    wanted = (one.partition(";")[0].strip().lower().partition("-")[0] for one in accepted[:_LONGEST].split(","))
    return next((one for one in wanted if one == "en" or one in TABLES), "en")
