"""Schemathesis over the API's document, against a server of its own: as nobody who is known, as a user, as an admin.

No answer is a 5xx or one that the document doesn't tell, nothing is taken that the document says is not, and each
operation succeeds at least once. What it asks is the same each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from schemathesis.config import (
    ChecksConfig,
    CoveragePhaseConfig,
    ExamplesPhaseConfig,
    ExtraDataSourcesConfig,
    FuzzingPhaseConfig,
    GenerationConfig,
    PhasesConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
    SimpleCheckConfig,
    StatefulPhaseConfig,
)
from schemathesis.config import PositiveDataAcceptanceConfig as Acceptance
from schemathesis.engine import from_schema
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished

from s3gw.api.app import ROUTERS
from s3gw.api.examples import OF_PARAMETERS
from s3gw.api.openapi import PREFIX, routes_of
from tests.api.documented import HELD, document
from tests.api.first_calls import ELSEWHERE, FIRST_CALLS, made_real
from tests.api.first_world import World
from tests.api.people import PASSWORD
from tests.servers import running_server

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
OPERATIONS = {route.name: (method, PREFIX + path) for method, path, route in routes_of(ROUTERS)}
# What the user's own calls leave alone, so that it can go on: they end what it needs.
ENDS = {"delete_user", "end_session", "change_password"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    data = tmp_path_factory.mktemp("schemathesis") / "data"
    with running_server(data, S3GW_ROOT_PASSWORD=PASSWORD, S3GW_ROOT_EMAIL="root@example.com") as server:
        client = httpx.Client(base_url=f"{server.admin}{PREFIX}", timeout=60, event_hooks=HELD)
        with client as api:
            yield World(server, api)


def test_every_operation_has_its_first_call() -> None:
    assert FIRST_CALLS.keys() | ELSEWHERE == OPERATIONS.keys()


@pytest.fixture(scope="module")
def schema(world: World) -> Any:
    return schemathesis.openapi.from_dict(document(), config=config_of(world, {}))


@pytest.mark.parametrize("name", FIRST_CALLS)
def test_the_example_of_each_operation_succeeds(name: str, world: World, schema: Any) -> None:
    method, path = OPERATIONS[name]
    operation = schema[path][method]
    told = document()["paths"][path][method.lower()]
    for kind, content in (told.get("requestBody") or {"content": {None: {}}})["content"].items():
        call = FIRST_CALLS[name](world)
        given = {one["name"]: one["example"] for one in told.get("parameters", ()) if one["required"]}
        given = made_real(given, call.real)
        queried = {one: given.pop(one) for one in list(given) if f"{{{one}}}" not in path}
        body = {"body": made_real(content["example"], call.real)} if kind else {}
        case = operation.Case(path_parameters=given, query={**queried, **call.query}, media_type=kind, **body)
        answer = case.call_and_validate(headers=dict(call.headers))
        assert answer.status_code < 300, answer.content


@pytest.mark.parametrize("who", [*(pytest.param(who, marks=pytest.mark.soak) for who in ("nobody", "user")), "admin"])
def test_whatever_is_asked_is_answered_as_the_document_says(who: str, world: World) -> None:
    """The phase that goes through each boundary of each schema takes half a minute: it is the long form's."""
    require_no_faults(world, who, examples=1, coverage=False)


@pytest.mark.soak
@pytest.mark.parametrize("who", ["nobody", "user", "admin"])
def test_whatever_is_asked_at_length_is_answered_as_the_document_says(who: str, world: World) -> None:
    require_no_faults(world, who, examples=60, coverage=True)


def require_no_faults(world: World, who: str, *, examples: int, coverage: bool) -> None:
    """Fails with what is wrong, each once, with a request that shows it and its answer."""
    headers = {"nobody": {}, "user": world.person().bearer, "admin": world.admin.bearer}[who]
    schema = schemathesis.openapi.from_dict(document(), config=config_of(world, headers, examples, coverage))
    real = {OF_PARAMETERS["user_id"]: world.user.id, OF_PARAMETERS["bucket_id"]: world.bucket_id}

    @schema.hook
    def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> Any:
        operation = context.operation.definition.raw["operationId"]
        return path_parameters if operation in ENDS else made_real(path_parameters, real)

    found: dict[str, str] = {}
    statuses: Counter[int] = Counter()
    for event in from_schema(schema).execute():
        if isinstance(event, FatalError | NonFatalError):
            found[repr(event)] = ""
        elif isinstance(event, ScenarioFinished):
            answers = [told.response for told in event.recorder.interactions.values()]
            statuses.update(answer.status_code for answer in answers if answer is not None)
            found |= failures_of(event)
    assert statuses.total() > len(OPERATIONS) * examples // 2
    is_known = world.api.get("/users/me", headers=headers).status_code == 200
    assert is_known == (who != "nobody"), "what was asked has ended the session that asked"
    if found:
        pytest.fail("\n\n".join(f"{failure}\n{shown}" for failure, shown in found.items()), pytrace=False)


def failures_of(event: ScenarioFinished) -> dict[str, str]:
    found = {}
    for case_id, checks in event.recorder.checks.items():
        for done in checks:
            if done.failure_info is not None:
                case, answer = event.recorder.cases[case_id].value, event.recorder.interactions[case_id].response
                told = "" if answer is None else f"{answer.status_code} {answer.content[:500]!r}"
                failure = f"{case.operation.label}: {done.name}: {done.failure_info.failure}"
                found[failure] = f"{case.as_curl_command()[:1000]}\n{told}"
    return found


def config_of(world: World, headers: dict[str, str], examples: int = 1, coverage: bool = False) -> SchemathesisConfig:
    """Checks that are left out: whether what the schema admits is taken (a name may be taken, a password too weak), and
    whether other methods are 405 (below /users a word is also an id, of nobody). test_door.py has those.
    """
    no_lore = ExtraDataSourcesConfig(responses=False)  # ids that it has seen would be its own session's
    phases = PhasesConfig(
        examples=ExamplesPhaseConfig(enabled=False),  # first_calls.py
        coverage=CoveragePhaseConfig(enabled=coverage, extra_data_sources=no_lore),
        fuzzing=FuzzingPhaseConfig(extra_data_sources=no_lore),
        stateful=StatefulPhaseConfig(enabled=False),
    )
    project = ProjectConfig(
        base_url=world.server.admin,
        headers=headers or None,
        continue_on_failure=True,
        checks=ChecksConfig(
            positive_data_acceptance=Acceptance(enabled=False),
            unsupported_method=SimpleCheckConfig(enabled=False),
            allow_header_conformance=SimpleCheckConfig(enabled=False),
        ),
        phases=phases,
        generation=GenerationConfig(
            max_examples=examples, deterministic=True, no_shrink=True, with_security_parameters=False, database="none"
        ),
    )
    return SchemathesisConfig(seed=1, projects=ProjectsConfig(default=project))
