"""Markdown as HTML: what of it is shown, and that nothing of it can act or takes long."""

from __future__ import annotations

import re

import pytest

from s3gw.previews import markdown
from s3gw.previews.markdown import html_of, rendered

# What a browser is let see of them is no element and no address but those of web pages and mail.
ATTACKS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#10;script:alert(1))",
    "[x](&#x6A;avascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](vbscript:x)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](file:///etc/passwd)",
    "[x](//evil.example)",
    "[x](/console/logout)",
    "[x](blob:x)",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "<data:text/html,x>",
    "![x](https://evil.example/x.png)",
    "![x](javascript:alert(1))",
    "![<script>](x)",
    "![x][y]\n\n[y]: https://evil.example/x.png",
    "[![x](https://evil.example/x.png)](https://ok.example)",
    '[x](https://ok.example "onmouseover=alert(1) \\" onclick=alert(1) ")',
    '[x](https://ok.example/"onclick=alert(1)//)',
    "```<script>alert(1)</script>\n</code></pre><script>\n```",
    "    </code></pre><script>alert(1)</script>",
    "|<script>|\n|-|\n|<img src=x onerror=alert(1)>|",
    "<!-- --!> <script>alert(1)</script> -->",
    "<?php x ?> <![CDATA[ <script> ]]> <style>*{}</style>",
)
_ELEMENT = re.compile(r"<(/?)(\w+)([^>]*)>")
_ALLOWED = {"a", "p", "h1", "pre", "code", "table", "thead", "tbody", "tr", "th", "td", "em", "strong"}


@pytest.mark.parametrize("text", ATTACKS)
def test_nothing_in_a_text_can_act(text: str) -> None:
    html = rendered(text)
    for is_end, name, attributes in _ELEMENT.findall(html):
        assert name in _ALLOWED, html
        assert not re.search(r"\s(on\w+|style|src|id)\s*=(?![^\"]*\"(?:\s|$))", attributes), html
        if name == "a" and not is_end:
            assert re.match(r' href="(https?:|mailto:)[^"]*"( title="[^"]*")? rel="noopener noreferrer', attributes), (
                html
            )
    assert "evil.example" not in re.sub(r">[^<]*<", "><", f">{html}<")


def test_what_people_write_is_shown() -> None:
    html = rendered("# T\n\n*a* **b** `c`\n\n|x|y|\n|:-|-:|\n|1|2|\n\n<https://a.example> [m](mailto:a@b.example)")
    assert "<h1>T</h1>" in html and "<em>a</em> <strong>b</strong> <code>c</code>" in html
    assert '<th class="right">y</th>' in html and "style" not in html
    assert html.count('target="_blank"') == 2 and 'href="mailto:a@b.example"' in html


@pytest.mark.anyio
async def test_a_process_of_its_own_renders_it() -> None:
    assert await html_of("# Ü") == "<h1>Ü</h1>\n"


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["_PATIENCE", "_LARGEST_RESULT"])
async def test_what_takes_too_long_or_becomes_too_much_is_not_rendered(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(markdown, name, 0.0)
    assert await html_of("x") is None


@pytest.mark.soak
@pytest.mark.anyio
@pytest.mark.parametrize("piece", ["[", "![", "*a", "x\n", "> ", "- ", "`", "[a](", "|a|b|\n|-|-|\n"])
async def test_no_text_takes_longer_than_it_may(piece: str) -> None:
    """Or it is shown as text; what is nested deeply isn't gone into."""
    html = await html_of(piece * (markdown.LARGEST // len(piece)))
    assert html is None or len(html) < 1 << 20
