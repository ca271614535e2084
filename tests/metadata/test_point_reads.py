"""That what is read for each call of the API is read by prepared statements: what isn't runs in a thread on PostgreSQL,
and takes several times as long on SQLite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from s3gw.metadata import bucket_lists, buckets, configurations, files
from s3gw.metadata.database import Connection, Database
from s3gw.metadata.measures import measure
from tests.metadata.test_listing import fill

pytestmark = pytest.mark.anyio

POINT_READS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (buckets.find_by_uuid, ("00000000-0000-4000-8000-000000000001",)),
    (bucket_lists.find, (1,)),
    (configurations.find, (1, "Policy")),
    (files.created_at, ([],)),
    (measure, ()),
]


@pytest.mark.parametrize(("function", "given"), POINT_READS, ids=lambda value: getattr(value, "__name__", ""))
async def test_it_is_read_by_prepared_statements_alone(
    function: Callable[..., Any], given: tuple[Any, ...], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.write(fill, [])

    def compiled_as_it_comes(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("not prepared")

    monkeypatch.setattr(Connection, "execute", compiled_as_it_comes)
    await database.read(function, *given)
