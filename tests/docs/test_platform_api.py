"""``docs/platform-api.yaml`` is a document of OpenAPI, and the platform that the tests of the engine use obeys it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hypothesis
import openapi_spec_validator
import pytest
import schemathesis
from schemathesis.checks import CHECKS
from schemathesis.specs.openapi.checks import positive_data_acceptance

from harness.platform import Job, Platform, api
from hilum.engine.http import platform as client

KEY = f"{'a1' * 16}-1"
#: Requests to each operation.
EXAMPLES = 12


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform(token="let-me-in") as started:
        yield started


def test_it_is_a_document_of_openapi() -> None:
    openapi_spec_validator.validate(api())


def test_its_version_is_the_one_that_the_engine_speaks() -> None:
    document = api()
    stated = document["components"]["schemas"]["Platform"]["properties"]["platform-api"]["const"]
    assert document["info"]["version"] == stated == client.VERSION


def test_each_operation_that_the_engine_asks_for_is_described_and_no_other() -> None:
    described = {operation["operationId"] for path in api()["paths"].values() for operation in _operations(path)}
    asked = {"describe", "create", "put", "start", "cancel", "look", "log", "outputs", "get"}
    assert all(callable(getattr(client.Platform, name)) for name in asked)
    names = {"put": "put-input", "look": "status", "outputs": "list-output", "get": "get-output"}
    assert described == {names.get(name, name) for name in asked}


def _operations(path: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (value for name, value in path.items() if name in {"get", "put", "post", "delete"})


@pytest.mark.timeout(300)
def test_whatever_is_asked_the_platform_of_the_tests_answers_as_documented(platform: Platform) -> None:
    """Schemathesis makes up requests from the document, right ones and wrong ones, the same each time."""
    schema = schemathesis.openapi.from_dict(api())
    # That what fits the document is taken cannot be: a job has to be known.
    checks = [check for check in CHECKS.get_all() if check is not positive_data_acceptance]
    faults: list[str] = []
    asked = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        try:
            _ask(operation, platform, checks)
        except (AssertionError, schemathesis.errors.SchemathesisError, BaseExceptionGroup) as error:
            faults.append(f"{operation.definition.raw['operationId']}: {error}")
        asked += 1
    assert faults == []
    assert asked == 9


def _ask(operation: Any, platform: Platform, checks: list[Any]) -> None:
    right = operation.as_strategy()
    wrong = operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=right | wrong, known=hypothesis.strategies.booleans())
    def ask(case: Any, known: bool) -> None:
        if known:  # so that there is something to answer with
            platform.jobs[KEY] = Job({"inputs": []}, outputs={"a.dcm": b"result"}, log="a line\n")
            if "key" in (case.path_parameters or {}):
                case.path_parameters["key"] = KEY
        case.call_and_validate(base_url=platform.url, checks=checks, headers={"Authorization": "Bearer let-me-in"})

    ask()
