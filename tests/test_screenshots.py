"""The pictures of the console in the README: each is there, small, and one that `make screenshots` takes."""

from __future__ import annotations

import re

from tests.screenshots import FOLDER, LARGEST, PAGES


def test_the_readme_shows_the_pictures_that_are_taken() -> None:
    root = FOLDER.parent.parent
    shown = re.findall(r"!\[[^\]]+\]\((docs/screenshots/[^)]+)\)", (root / "README.md").read_text(encoding="utf-8"))
    assert shown == [f"docs/screenshots/{name}.png" for name, _, _ in PAGES]
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.png" for name, _, _ in PAGES}
    assert all((root / path).stat().st_size <= LARGEST for path in shown)
