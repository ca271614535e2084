"""The places of a runner: by priority, kind and user."""

from __future__ import annotations

from itertools import count
from typing import Any

from s3gw.jobs import table
from s3gw.jobs.places import OF_PRIORITY, Places, Want
from s3gw.jobs.table import Kind
from s3gw.metadata.job_kinds import Priority
from s3gw.metadata.jobs import Due, Job

_numbers = count(1)


async def work(*_: Any) -> None:
    pass


KINDS = {
    "reap": Kind(work, Priority.NEEDED, every=5),
    "unlink": Kind(work, Priority.NEEDED, attempts=1, at_once=2),
    "batch": Kind(work, Priority.ASKED, attempts=1, at_once=3),
    "thumbnail": Kind(work, Priority.HEAVY, attempts=1, at_once=9),
    "scan": Kind(work, Priority.HEAVY, attempts=1, at_once=9, everywhere=4),
}


def job(kind: str, asked_by: str | None = None) -> Job:
    return Job(next(_numbers), kind, "", "running", 1, 0, "me", 0, None, None, 0, 0, None, asked_by=asked_by)


def due(*kinds: str) -> list[Due]:
    """In the order in which they wait."""
    return [Due(kind, number) for number, kind in enumerate(kinds)]


def test_what_the_server_needs_comes_first_and_heavy_work_last() -> None:
    wants = Places(KINDS).wants(due("thumbnail", "batch", "unlink", "reap", "scan"))
    assert [want.kind for want in wants] == ["unlink", "reap", "batch", "thumbnail", "scan"]
    assert wants[3:] == [Want("thumbnail", 5, None), Want("scan", 5, 4)]


def test_a_kind_has_so_many_places_and_leaves_those_of_others() -> None:
    places = Places(KINDS)
    taken = [job("unlink"), job("unlink")]
    for each in taken:
        places.take(each)
    assert places.wants(due("unlink", "reap")) == [Want("reap", 1, None)]
    places.leave(taken[0])
    assert places.wants(due("unlink"))[0].most == 1


def test_a_priority_has_so_many_places_and_leaves_those_of_others() -> None:
    places = Places(KINDS)
    for _ in range(OF_PRIORITY[Priority.HEAVY]):
        places.take(job("thumbnail"))
    assert [want.kind for want in places.wants(due("scan", "thumbnail", "batch", "reap"))] == ["reap", "batch"]


def test_whatever_the_server_needs_has_a_place_at_any_time() -> None:
    needed = [kind.at_once for kind in table.KINDS.values() if kind.priority == Priority.NEEDED]
    assert sum(needed) <= OF_PRIORITY[Priority.NEEDED]


def test_the_last_place_is_for_a_user_who_has_none() -> None:
    places = Places(KINDS)
    places.take(job("batch", "one"))
    assert places.wants(due("batch")) == [Want("batch", 1, None, (), True)]
    places.take(job("batch", "one"))
    assert places.wants(due("batch")) == [Want("batch", 1, None, ("one",), True)]
    places.take(job("batch", "two"))
    assert places.wants(due("batch")) == []


def test_a_kind_that_is_not_known_is_taken_one_at_a_time() -> None:
    assert Places(KINDS).wants(due("of a newer version")) == [Want("of a newer version", 1, None)]
