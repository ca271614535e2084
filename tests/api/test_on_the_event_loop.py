"""That no route of the API is run in a thread by FastAPI, which does so with whatever isn't `async`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from unittest.mock import Mock

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import Match

from s3gw.api.app import ROUTERS, build_app

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def all_of(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for each in dependant.dependencies:
        yield from all_of(each)


def runs_on_the_loop(call: object) -> bool:
    return any(
        inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each)
        for each in (call, getattr(call, "__call__", None))  # noqa: B004  (of an object that is called)
    )


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{min(route.methods)} {route.path}")
def test_a_route_and_all_that_it_depends_on_run_on_the_event_loop(route: APIRoute) -> None:
    in_threads = [each.call for each in all_of(route.dependant) if not runs_on_the_loop(each.call)]
    assert not in_threads


def test_what_is_not_async_is_found() -> None:
    assert not runs_on_the_loop(lambda: None)


def test_routes_are_prepared_where_the_application_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    app, made = build_app(), Mock()
    monkeypatch.setattr("fastapi.routing.get_dependant", made)  # what takes the time
    scope = {"type": "http", "method": "GET", "path": "/api/v1/users/me", "root_path": "", "headers": []}
    matched = [route.matches(scope)[0] for route in app.router.routes]
    assert Match.FULL in matched and not made.called
