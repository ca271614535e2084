"""What a row says, and how rows are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table: what was reached, what it's held against, and whether that is within the budget."""

    work: str
    ours: str
    against: str = "–"
    ratio: str = "–"
    budget: str = "–"
    is_met: bool | None = None  # None: there is no budget
    detail: str = ""

    @property
    def verdict(self) -> str:
        return {None: "–", True: "met", False: "MISSED"}[self.is_met]


def ratio_row(
    work: str,
    ours: float,
    against: float,
    *,
    form: str,
    least: float,
    reference: str,
    detail: str,
    is_valid: bool = True,
) -> Row:
    """A row whose budget is a share of something: at least `least` of it."""
    ratio = ours / against if against else 0.0
    return Row(
        work,
        form.format(ours),
        f"{form.format(against)} {reference}",
        f"{ratio:.0%}",
        f"≥ {least:.0%} of {reference}",
        is_valid and ratio >= least,
        detail,
    )


def render(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table that can be read as it is, too."""
    widths = [max(len(line[column]) for line in (header, *lines)) for column in range(len(header))]

    def show(line: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"

    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([show(header), rule, *map(show, lines)])


def render_rows(rows: Sequence[Row], title: str) -> str:
    header = (title, "s3gw", "held against", "ratio", "budget", "verdict", "detail")
    return render(header, [(r.work, r.ours, r.against, r.ratio, r.budget, r.verdict, r.detail) for r in rows])
