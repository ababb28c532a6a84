"""The OpenAPI document, and that the server keeps to it whatever it is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from schemathesis.checks import CHECKS
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from hilum.web.server import WebServer
from stage.web.office import Office

ROOT = Path(__file__).parents[3]


def document(office: Office) -> dict[str, Any]:
    found: dict[str, Any] = office.client.get("/api/v1/openapi.json").json()
    return found


def operations(office: Office) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document(office)["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_names_are_those_that_a_client_would_give(office: Office) -> None:
    found = document(office)
    schemas = found["components"]["schemas"]
    assert not [name for name in schemas if not re.fullmatch(r"[A-Z][A-Za-z]+", name)]
    assert {"Job", "JobPage", "JobState", "Instance", "DestinationStanding", "Problem", "ProblemDetails"} <= set(
        schemas
    )
    assert schemas["JobState"]["enum"][0] == "queued"
    assert [name for name, one in schemas.items() if one.get("title", name) != name] == []
    ids = [operation["operationId"] for _, _, operation in operations(office)]
    assert len(ids) == len(set(ids))
    assert not [one for one in ids if not re.fullmatch(r"[a-z]+(_[a-z]+)+", one)]
    keys = {key for one in schemas.values() for key in one.get("properties", {})}
    assert not [key for key in keys if "_" in key]


def test_every_operation_says_what_it_is_and_how_it_may_fail(office: Office) -> None:
    for method, path, operation in operations(office):
        assert operation["summary"], (method, path)
        if not path.startswith("/api/v1"):
            continue
        responses = operation["responses"]
        assert {"401", "403", "404", "409", "421", "422", "503"} <= set(responses), (method, path)
        for status, response in responses.items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], (method, path, status)


def test_the_table_of_operations_in_the_documentation_is_that_of_the_document(office: Office) -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    told = re.findall(r"^\| `([A-Z]+)` \| `(/[^`]*)` \| (.*) \|$", page, re.MULTILINE)
    assert told == [(method, path, operation["summary"]) for method, path, operation in operations(office)]


#: A stream does not end.
APART = {"events_listen"}
#: Takes any text, and says what is wrong with it: there is no wrong request.
VERDICT = "config_validate"
#: Requests to each operation.
EXAMPLES = 6


@pytest.fixture
def address(filled: Office) -> Iterator[str]:
    """Of a server that listens."""
    server = WebServer("127.0.0.1", 0, filled.desk)
    address = f"http://127.0.0.1:{server.start()}"
    httpx.get(f"{address}/health/live", timeout=30)  # what is filtered of warnings while it is made is all threads'
    yield address
    server.stop()


@pytest.mark.timeout(180)
def test_whatever_is_asked_the_answer_is_one_that_is_documented(filled: Office, address: str) -> None:
    """Schemathesis makes up requests from the document, right ones and wrong ones, the same each time."""
    schema = schemathesis.openapi.from_dict(document(filled))
    # That what fits the document is taken cannot be: a cursor has to be one that was given.
    checks = [check for check in CHECKS.get_all() if check is not positive_data_acceptance]
    asked = 0
    faults: list[str] = []
    for result in schema.get_all_operations():
        operation = result.ok()
        name = operation.definition.raw["operationId"]
        if name in APART:
            continue
        try:
            _ask(
                operation,
                address,
                [check for check in checks if name != VERDICT or check is not negative_data_rejection],
            )
        except (AssertionError, schemathesis.errors.SchemathesisError, BaseExceptionGroup) as error:
            faults.append(f"{name}: {error}")
        asked += 1
    assert faults == []
    assert asked > 30


def _ask(operation: Any, address: str, checks: list[Any]) -> None:
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
    @hypothesis.given(case=right | wrong)
    def ask(case: Any) -> None:
        case.call_and_validate(base_url=address, checks=checks)

    ask()
