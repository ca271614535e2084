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
    "There is no preview of what is in this file.": "Von dem, was in dieser Datei ist, gibt es keine Vorschau.",
    "It is animated, which would be lost.": "Sie ist bewegt, was verloren ginge.",
    "It has more than 8 bits for a color, which would be lost.": "Sie hat mehr als 8 Bit für eine Farbe, die verloren"
    " gingen.",
    "It can't be decoded: it isn't whole, or isn't what it begins as.": "Sie lässt sich nicht lesen: Sie ist nicht"
    " vollständig, oder nicht das, als was sie beginnt.",
    "It is protected by a password.": "Sie ist durch ein Passwort geschützt.",
    "It has no page and no picture in it.": "Sie enthält keine Seite und kein Bild.",
    "It has no such page.": "Eine solche Seite hat sie nicht.",
    "It is larger than previews are made of (S3GW_PREVIEW_MAX_SIZE).": "Sie ist größer, als Vorschauen erzeugt werden"
    " (S3GW_PREVIEW_MAX_SIZE).",
    "It has more pixels than previews are made of (S3GW_PREVIEW_MAX_PIXELS).": "Sie hat mehr Bildpunkte, als Vorschauen"
    " erzeugt werden (S3GW_PREVIEW_MAX_PIXELS).",
    "Decoding it takes more memory than it may (S3GW_PREVIEW_MEMORY).": "Sie zu lesen braucht mehr Speicher, als es"
    " darf (S3GW_PREVIEW_MEMORY).",
    "Decoding it takes longer than it may (S3GW_PREVIEW_TIMEOUT).": "Sie zu lesen dauert länger, als es darf"
    " (S3GW_PREVIEW_TIMEOUT).",
    "What was made of it is too large.": "Was daraus wurde, ist zu groß.",
    "Its decoder failed.": "Das Programm, das sie liest, ist gescheitert.",
    "This server makes no previews of such files: it has no s3gw[previews].": "Dieser Server erzeugt von solchen"
    " Dateien keine Vorschauen: Ihm fehlt s3gw[previews].",
    "This server makes no previews of such files: it has no s3gw[parquet].": "Dieser Server erzeugt von solchen Dateien"
    " keine Vorschauen: Ihm fehlt s3gw[parquet].",
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
