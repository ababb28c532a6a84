"""Gateways for the tests of associations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from stage.association.running_gateway import Gateway


@pytest.fixture
def start() -> Iterator[Callable[..., Gateway]]:
    """Starts gateways; each is stopped at the end, which must leave no thread."""
    started: list[Gateway] = []

    def start(**how: Any) -> Gateway:
        started.append(Gateway(**how))
        return started[-1]

    yield start
    for gateway in started:
        gateway.server.stop(timedelta(0))
        assert gateway.server.connection_count == 0


@pytest.fixture
def gateway(start: Callable[..., Gateway]) -> Gateway:
    return start()


@pytest.fixture
def logged() -> Iterator[Sequence[EventDict]]:
    """What is logged, by whichever thread."""
    with capture_logs() as lines:
        yield lines
