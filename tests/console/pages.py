"""What tests do with pages in a real browser, and how they judge whether everybody can use them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.api.askers import PASSWORD

Open = Callable[..., Any]
_AXE = Path(sys.prefix) / "axe/node_modules/axe-core/axe.min.js"
_RULES = json.dumps({"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
axe = pytest.mark.skipif(not _AXE.is_file(), reason="axe-core isn't there")


def log_in(page: Any, name: str, *, at: str = "") -> None:
    page.goto(f"{at}/console/login")
    page.get_by_label("Name or e-mail address").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/console/buckets")


def judge(page: Any, place: str) -> None:
    """The page that is open, which `place` tells: not wider than its window, and axe-core finds nothing."""
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"], place
    if not page.evaluate("'axe' in self"):
        page.evaluate(_AXE.read_text())
    found = page.evaluate(f"axe.run(document, {_RULES})")["violations"]
    assert not found, (place, [(one["id"], [node["html"] for node in one["nodes"]]) for one in found])


def go_to(page: Any, name: str) -> None:
    """By Tab, as far as the page is long."""
    names = "[...(document.activeElement.labels ?? []), document.activeElement].map(one => one.textContent).join(' ')"
    for _ in range(40):
        page.keyboard.press("Tab")
        if name in page.evaluate(names):
            return
    raise AssertionError(f"{name!r} isn't reached by Tab")


def names_on(page: Any) -> list[str]:
    return [name.strip() for name in page.locator("#rows th[scope=row] bdi").all_text_contents()]


def put(somebody: Any, bucket_id: str, path: str, body: bytes, kind: str) -> dict[str, Any]:
    headers = {"Content-Type": kind}
    answer = somebody.ask("POST", f"/buckets/{bucket_id}/files", params={"path": path}, content=body, headers=headers)
    assert answer.is_success, answer.text
    made: dict[str, Any] = answer.json()
    return made
