"""What may be asked for: a picture within so many pixels, or the same picture without what isn't seen. There is a
bounded number of them, so that a content has a bounded number of previews.
"""

from __future__ import annotations

SIZES = (64, 128, 256, 512, 1024)  # of the longer side, in pixels; nothing is made larger than it is
OPTIMIZE = "optimize"  # the same format and size, recompressed, without metadata
RECIPES: tuple[str, ...] = (*(str(size) for size in SIZES), OPTIMIZE)

# Part of what a refusal is remembered with: another number where a recipe does what it couldn't do before.
EDITION = 1
