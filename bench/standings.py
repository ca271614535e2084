"""A contest's tables: ours beside peers with a verdict for each work, or two commits with their ratio."""

from __future__ import annotations

from collections.abc import Sequence

from bench.contest import SHOWN, Contestant, Work
from bench.table import render

_UNITS = "small requests and copies in requests/s (CPU of the server a request), large bodies in MB/s (CPU a body)"


def beside_peers(
    contestants: Sequence[Contestant], durability: dict[str, str], title: str, remarks: Sequence[str]
) -> str:
    """Ours is the first column, whatever the order in which they were measured."""
    mine = next((one for one in contestants if one.name == "s3gw"), None)
    ordered = sorted(contestants, key=lambda one: (one is not mine, one.name == "bare"))
    lines = [["durable PUT?", *(durability.get(one.name, "–") for one in ordered), ""]]
    for work in SHOWN:
        verdict = "" if mine is None else verdict_of(work, mine, ordered)
        lines.append([work.name, *(one.cell(work.name) for one in ordered), verdict])
    header = (title, *(one.name for one in ordered), "verdict")
    return "\n".join([render(header, lines), "", f"Ranges are of all rounds; {_UNITS}.", *remarks, _idle(ordered)])


def verdict_of(work: Work, mine: Contestant, contestants: Sequence[Contestant]) -> str:
    """Who is ahead of ours, by the median; `~` before those whose range overlaps ours. A work that failed is lost."""
    own = mine.value(work.name)
    if own is None:
        return "FAILED"
    better = []
    for one in contestants:
        other = one.value(work.name)
        if one is mine or one.name == "bare" or other is None:
            continue
        if (other < own) if work.is_less_better else (other > own):
            better.append("~" * _overlap(work.name, mine, one) + one.name)
    return f"behind {', '.join(better)}" if better else "ahead"


def _overlap(work: str, mine: Contestant, other: Contestant) -> bool:
    (low, high), (other_low, other_high) = mine.bounds(work), other.bounds(work)
    return low <= other_high and other_low <= high


def _idle(contestants: Sequence[Contestant]) -> str:
    shares = ", ".join(f"{one.name} {one.busiest_idle[0]:.0%} ({one.busiest_idle[1]})" for one in contestants)
    return f"At most so much of a core was used by a server while another was measured: {shares}."


def beside_commit(contestants: Sequence[Contestant], title: str, remarks: Sequence[str]) -> str:
    """This commit, the other one, and what this one reaches, and takes of CPU, as a multiple of the other."""
    if len(contestants) < 2:
        return "\n".join(remarks)
    mine, other = contestants
    lines = []
    for work in SHOWN:
        ratio = _times(mine.value(work.name), other.value(work.name))
        is_unsure = ratio != "–" and _overlap(work.name, mine, other)
        lines.append(
            [
                work.name,
                mine.cell(work.name),
                other.cell(work.name),
                ratio + " (ranges overlap)" * is_unsure,
                _times(mine.cpu(work.name), other.cpu(work.name)),
            ]
        )
    header = (title, mine.name, other.name, "ratio", "CPU ratio")
    return "\n".join([render(header, lines), "", f"Ranges are of all rounds; {_UNITS}.", *remarks, _idle(contestants)])


def _times(new: float | None, old: float | None) -> str:
    return f"{new / old:.2f}" if new and old else "–"
