"""What may be asked for: a picture within so many pixels, or the same picture without what isn't seen; a page of a
document; the head of a table. There is a bounded number of them, so that a content has a bounded number of previews.
"""

from __future__ import annotations

SIZES = (64, 128, 256, 512, 1024)  # of the longer side, in pixels; nothing is made larger than it is
OPTIMIZE = "optimize"  # the same format and size, recompressed, without metadata
RECIPES: tuple[str, ...] = (*(str(size) for size in SIZES), OPTIMIZE)

MOST_PAGES = 50  # of a document, from the first on
PAGE_SIZE = 1600  # pixels of a page's longer side
TABLE = "table"  # the first rows, in JSON
_PAGE = "page-"

# Part of what a refusal is remembered with: another number where a recipe does what it couldn't do before.
EDITION = 1


def page_recipe(number: int) -> str:
    """`number` from 1."""
    return f"{_PAGE}{number}"


def page_of(recipe: str) -> int | None:
    """Its number, of a page's recipe."""
    return int(recipe.removeprefix(_PAGE)) if recipe.startswith(_PAGE) else None
